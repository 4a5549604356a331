"""Schedules: standing orders to start runs, as code declares them and as Redis stores them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytask.core.fields import as_json, as_number, texts
from pytask.core.moments import moment_at
from pytask.errors import ConfigError
from pytask.schedules.cron import Crontab, Fields
from pytask.schedules.triggers import Date, Every, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST_NAME = 200


class Declared(NamedTuple):
    """A schedule as the code of an app declares it: every worker of that app stores it when it starts."""

    name: str
    task: str
    queue: str
    data: bytes
    trigger: Trigger

    @property
    def trigger_text(self) -> bytes:
        return msgspec.json.encode(self.trigger.to_json())


@dataclass(slots=True)
class Schedule:
    """A schedule as Redis stores it. Times are Unix seconds, None for never.

    `next_at` is when it fires next, `last_at` the time for which it last fired, and `last_run` the id of that run.
    `missed` means that its date was past when it was declared: it never runs. `is_declared` means that a live
    worker has it in its code; it fires only while one has.
    """

    name: str
    task: str
    data: Any
    queue: str
    trigger: str
    tz: str
    next_at: float | None
    last_at: float | None
    last_run: str
    is_paused: bool
    missed: bool
    is_declared: bool

    @classmethod
    def from_hash(cls, name: str, raw: Mapping[bytes, bytes], next_ms: float, *, is_declared: bool) -> Schedule:
        """Read a hash. Never fails: junk that other clients wrote is shown unchanged."""
        text = texts(raw)
        try:
            trigger: Any = read_trigger(text.get('trigger', ''))
            tz = trigger.tz
        except ConfigError:  # or this process lacks APScheduler
            trigger, tz = text.get('trigger', ''), ''
        return cls(
            name=name,
            task=text.get('task', ''),
            data=as_json(text.get('data', '{}')),
            queue=text.get('queue') or 'default',
            trigger=str(trigger),
            tz=tz,
            next_at=next_ms / 1000 if math.isfinite(next_ms) else None,
            last_at=as_number(text.get('last_at')),
            last_run=text.get('last_run', ''),
            is_paused='paused' in text,
            missed='missed' in text,
            is_declared=is_declared,
        )

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def check_name(name: Any) -> str:
    """Return what is wrong with the name of a schedule; '' if nothing is."""
    is_fit = isinstance(name, str) and name.isprintable() and ' ' not in name
    if is_fit and 0 < len(name.encode()) <= LONGEST_NAME:
        return ''
    return f'the name of a schedule must be 1 to {LONGEST_NAME} printable bytes without spaces, not {name!r}'


def read_trigger(text: bytes | str) -> Trigger:
    """Make a trigger from its JSON. Raises ConfigError."""
    try:
        found = dict(msgspec.json.decode(text))
        kind = next(kind for kind in _KINDS if kind in found)
        return _KINDS[kind](found.pop(kind), **found)
    except (msgspec.MsgspecError, UnicodeError, ValueError, TypeError, StopIteration) as error:
        raise ConfigError(f'not a trigger: {text!r}: {error}') from error


_KINDS: dict[str, Callable[..., Trigger]] = {'cron': Crontab, 'fields': Fields, 'date': Date, 'every': Every}


def id_of_firing(name: str, milliseconds: int) -> str:
    """Return the id of the run that a schedule starts at a time: every worker computes the same one."""
    at = moment_at(milliseconds).replace(tzinfo=None)
    return f'{name}@{at.isoformat(timespec="seconds" if at.microsecond == 0 else "milliseconds")}Z'
