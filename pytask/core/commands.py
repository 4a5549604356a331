"""Commands, as they travel on a control channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytask.core.codec import parse_object

STOP, RELOAD, EXTEND, SEND = 'stop', 'reload', 'extend', 'send'
PAUSE, RESUME = 'pause', 'resume'
STACK = 'stack'  # to a worker, which answers
COMMANDS = frozenset({STOP, RELOAD, EXTEND, SEND, PAUSE, RESUME})


@dataclass(frozen=True, slots=True)
class Command:
    """An order to a run or a worker. `attempt` 0 means whichever attempt is running."""

    name: str
    attempt: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


def parse_command(text: bytes) -> Command | None:
    """Parse a message of a control channel; None if it is not a command."""
    word = text.strip().decode('utf-8', 'replace')
    if word.isidentifier():
        return Command(word)
    raw = parse_object(text)
    if raw is None or not isinstance(raw.get('command'), str):
        return None
    attempt = raw.get('attempt')
    fields = {key: value for key, value in raw.items() if key not in ('command', 'attempt')}
    return Command(raw['command'], attempt if isinstance(attempt, int) else 0, fields)
