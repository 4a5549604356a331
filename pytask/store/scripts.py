"""Loads `lua/*.lua`, one command a file, and calls them.

A script's header is its contract: `KEYS` and `ARGV` name its parameters, which the loader turns into
locals; `...` after ARGV means the rest are items, from index `rest` on. `include` puts shared bodies
in front. KEYS are found by name in `Keys`; a call gives only those that vary.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytask.store.connect import Database
    from pytask.store.keys import Keys

NAMES = (
    'begin', 'claim', 'command', 'declare', 'emit', 'explain', 'extend', 'finish', 'fire', 'handle', 'handled',
    'pause', 'pause_schedule', 'promote', 'prune', 'recover', 'register', 'release', 'reload', 'reloaded',
    'remove_schedule', 'renew', 'resume', 'resume_schedule', 'retry', 'send', 'start', 'sweep', 'taken', 'tell',
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


class Script:
    """A script bound to a database and its key names."""

    def __init__(self, db: Database, keys: Keys, name: str) -> None:
        self.source = _source(name)
        self._db = db
        self._fixed = [getattr(keys, key, None) for key in self.source.keys]

    def __call__(self, *argv: Any, **keys: str) -> Any:
        """Run it. Raises Unavailable; a script that the server has forgotten is loaded again."""
        return self._db.pipe([self.command(*argv, **keys)])[0]

    def command(self, *argv: Any, **keys: str) -> tuple[Any, ...]:
        """Return the call as a command, for a pipeline."""
        names = self._fixed
        if keys:
            names = [keys.get(name, fixed) for name, fixed in zip(self.source.keys, self._fixed, strict=True)]
        return ('EVALSHA', self.source.sha, len(names), *names, *argv)


class Scripts:
    """All scripts of a store, as attributes."""

    def __init__(self, db: Database, keys: Keys) -> None:
        self._all = {name: Script(db, keys, name) for name in NAMES}

    def __getattr__(self, name: str) -> Script:
        try:
            return self._all[name]
        except KeyError:
            raise AttributeError(name) from None


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
    # Two blanks end the names: what follows is prose.
    return found.group(1).split('  ')[0].split() if found else []


def _locals(names: list[str], table: str) -> str:
    if not names:
        return ''
    return f'local {", ".join(names)} = {", ".join(f"{table}[{i + 1}]" for i in range(len(names)))}'
