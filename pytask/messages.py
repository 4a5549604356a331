"""Events and commands: their names, and JSON both ways.

Events leave on `task-<id>` as `{"event", "data", "at", "seq"}`; commands arrive on
`task-<id>-control` as a bare word or as `{"command", …}`. The scripts publish the life-cycle events,
in the same form; the task's own come from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

# Life cycle, published by the script that changes the state.
LIFE_EVENTS = (
    'wait',
    'running',
    'success',
    'error',
    'exception',
    'stopped',
    'reloaded',
    'paused',
    'resumed',
    'passed',
)
ENDING_EVENTS = frozenset({'success', 'error', 'exception', 'stopped'})
# The task's own, besides whatever it emits.
PROGRESS, MESSAGE, LOST = 'progress', 'message', 'lost'
# What a run was sent, and could not handle.
MESSAGE_FAILED = 'message-failed'
# Told of it by its worker, outside of its own sequence: `seq` is 0.
BLOCKED = 'blocked'

MAX_ID_BYTES = 256  # of a run, whose channels it names

STOP, RELOAD, EXTEND, SEND = 'stop', 'reload', 'extend', 'send'
PAUSE, RESUME = 'pause', 'resume'
STACK = 'stack'  # to a worker, which answers
COMMANDS = frozenset({STOP, RELOAD, EXTEND, SEND, PAUSE, RESUME})


@dataclass(frozen=True, slots=True)
class Event:
    """A fact on a run's channel. `at` is Unix seconds, `seq` counts within the attempt; both 0 if unknown."""

    run_id: str
    event: str
    data: Any = None
    at: float = 0.0
    seq: int = 0

    def to_json(self) -> dict[str, Any]:
        return {'id': self.run_id, 'event': self.event, 'data': self.data, 'at': self.at, 'seq': self.seq}


@dataclass(frozen=True, slots=True)
class Message:
    """What a run has said, kept with it. `at` is Unix seconds by Redis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """An order to a run or a worker. `attempt` 0 means whichever attempt is running."""

    name: str
    attempt: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


def event_head(event: str, data: Any) -> bytes:
    """Encode an event up to its time and number: `{"event":…,"data":…` (the script adds `at` and `seq`).

    Raises TypeError where `data` is not JSON.
    """
    try:
        return b'{"event":' + encode(event) + b',"data":' + encode(data)
    except TypeError as error:
        raise TypeError(f'event {event!r:.100}: {error}') from None


def encode(value: Any) -> bytes:
    """Encode as JSON. Raises TypeError for what JSON can not carry, NaN and infinity included."""
    try:
        text = msgspec.json.encode(value)
    except (ValueError, OverflowError, RecursionError) as error:
        raise TypeError(f'not JSON: {error}') from None
    if b'null' in text:
        _refuse_nan(msgspec.to_builtins(value))
    return text


def _refuse_nan(value: Any) -> None:
    # msgspec writes NaN and infinity as null: silently another value.
    if isinstance(value, float):
        if value - value != 0.0:
            raise TypeError(f'JSON has no {value}')
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_nan(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_nan(item)


def parse_event(run_id: str, text: bytes) -> Event | None:
    """Read a message of an event channel; None for what is no event (foreign text, commands)."""
    raw = _parse_object(text)
    if raw is None or not isinstance(raw.get('event'), str):
        return None
    at, seq = raw.get('at'), raw.get('seq')
    return Event(
        run_id,
        raw['event'],
        raw.get('data'),
        _seconds(at),
        seq if isinstance(seq, int) else 0,
    )


def _seconds(at: Any) -> float:
    try:
        return float(at) if isinstance(at, int | float) else 0.0
    except OverflowError:
        return 0.0


def parse_message(text: bytes) -> Message:
    """Read a kept message. Never fails: foreign hands write here too, and junk is shown as it is."""
    raw = _parse_object(text) or {}
    said = raw.get('text')
    return Message(_seconds(raw.get('at')), said if isinstance(said, str) else text.decode('utf-8', 'replace'))


def parse_command(text: bytes) -> Command | None:
    """Read a message of a control channel; None for what is no command."""
    word = text.strip().decode('utf-8', 'replace')
    if word.isidentifier():
        return Command(word)
    raw = _parse_object(text)
    if raw is None or not isinstance(raw.get('command'), str):
        return None
    attempt = raw.get('attempt')
    fields = {key: value for key, value in raw.items() if key not in ('command', 'attempt')}
    return Command(raw['command'], attempt if isinstance(attempt, int) else 0, fields)


def _parse_object(text: bytes) -> dict[str, Any] | None:
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None
