"""The Lua scripts as files: their headers and shared bodies."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

NAMES = (
    'accept_flow', 'advance_flow', 'answer_reload', 'begin_local', 'begin_reload', 'claim', 'command',
    'declare_schedule', 'define_routine', 'emit', 'explain_parked', 'extend', 'finish', 'fire_schedule',
    'force_flow', 'hold_flow', 'next_message', 'pause', 'pause_schedule', 'place_flow', 'promote', 'prune',
    'recover', 'register', 'release', 'release_ended', 'remove_schedule', 'renew', 'resume', 'resume_schedule',
    'retry', 'send', 'start', 'stop_worker', 'submit_flow', 'sweep', 'take_ended',
)  # fmt: skip


class Source:
    """One script as Redis gets it."""

    def __init__(self, name: str) -> None:
        self.name = name
        text = _read(name)
        self.keys = _header(text, 'KEYS')
        self.argv = _header(text, 'ARGV')
        body = [_locals(self.keys, 'KEYS'), _locals([a for a in self.argv if a != '...'], 'ARGV')]
        if '...' in self.argv:
            body.append(f'local rest = {len(self.argv)}')
        body += [_read(f'shared/{part}') for part in _header(text, 'include')]
        self.text = '\n'.join([*body, text])
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def sources() -> list[Source]:
    return [_source(name) for name in NAMES]


@cache
def _source(name: str) -> Source:
    return Source(name)


@cache
def _read(name: str) -> str:
    return (files('pytask.store') / 'lua' / f'{name}.lua').read_text(encoding='utf-8')


def _header(text: str, label: str) -> list[str]:
    found = re.search(rf'^-- {label} +(.*)$', text, re.MULTILINE)
    # Two spaces end the names; prose follows.
    return found.group(1).split('  ')[0].split() if found else []


def _locals(names: list[str], table: str) -> str:
    if not names:
        return ''
    return f'local {", ".join(names)} = {", ".join(f"{table}[{i + 1}]" for i in range(len(names)))}'
