"""Events: their names, and JSON both ways.

Events leave on `task-<id>` as `{"event", "data", "at", "seq"}`. The scripts publish the life-cycle events,
in the same form; the task's own come from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytask.core.codec import encode, parse_object

# Life cycle, published by the script that changes the state.
ENDING_EVENTS = frozenset({'success', 'error', 'exception', 'stopped'})
LIFE_EVENTS = (*ENDING_EVENTS, 'wait', 'running', 'reloaded', 'paused', 'resumed', 'passed')
# The task's own, besides whatever it emits.
PROGRESS, MESSAGE, LOST = 'progress', 'message', 'lost'
# A message that the run could not handle.
MESSAGE_FAILED = 'message-failed'
# Sent by the worker, outside the run's own sequence: `seq` is 0.
BLOCKED = 'blocked'

MAX_ID_BYTES = 256  # of a run, whose channels it names


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


def event_head(event: str, data: Any) -> bytes:
    """Encode an event up to its time and number: `{"event":…,"data":…` (the script adds `at` and `seq`).

    Raises TypeError where `data` is not JSON.
    """
    try:
        return b'{"event":' + encode(event) + b',"data":' + encode(data)
    except TypeError as error:
        raise TypeError(f'event {event!r:.100}: {error}') from None


def parse_event(run_id: str, text: bytes) -> Event | None:
    """Parse a message of an event channel; None if it is not an event (a command, or text of another client)."""
    raw = parse_object(text)
    if raw is None or not isinstance(raw.get('event'), str):
        return None
    at, seq = raw.get('at'), raw.get('seq')
    return Event(run_id, raw['event'], raw.get('data'), _seconds(at), seq if isinstance(seq, int) else 0)


def _seconds(at: Any) -> float:
    try:
        return float(at) if isinstance(at, int | float) else 0.0
    except OverflowError:
        return 0.0


def parse_message(text: bytes) -> Message:
    """Read a stored message. Never fails: other clients write here too, and junk is shown unchanged."""
    raw = parse_object(text) or {}
    said = raw.get('text')
    return Message(_seconds(raw.get('at')), said if isinstance(said, str) else text.decode('utf-8', 'replace'))
