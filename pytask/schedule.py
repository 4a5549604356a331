"""Schedules: standing orders to start runs, as code declares them and as they stand in Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytask.cron import Crontab, Fields
from pytask.errors import ConfigError
from pytask.trigger import Date, Every, Trigger
from pytask.zones import at_ms

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_NAME = 200


class Declared(NamedTuple):
    """A schedule as the code of an app declares it: every worker of that app writes it down when it starts."""

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
    """A schedule as it stands in Redis. Times are Unix seconds, None for never.

    `is_missed` says that its date was past when it was declared: it never runs. `is_declared` says whether a living
    worker has it in its code; where none has, it does not fire.
    """

    name: str
    task: str
    data: Any
    trigger: str
    tz: str
    next_at: float | None
    last_at: float | None = None
    last_run: str = ''
    is_paused: bool = False
    missed: bool = False
    is_declared: bool = True

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def check_name(name: Any) -> str:
    """Return what is wrong with the name of a schedule; '' where nothing is."""
    is_fit = isinstance(name, str) and name.isprintable() and ' ' not in name
    return (
        ''
        if is_fit and 0 < len(name.encode()) <= LONGEST_NAME
        else (f'a schedule is named by 1 to {LONGEST_NAME} printable bytes without blanks, not {name!r}')
    )


def read_trigger(text: bytes | str) -> Trigger:
    """Make a trigger from its JSON. Raises ConfigError."""
    try:
        found = dict(msgspec.json.decode(text))
        kind = next(kind for kind in _KINDS if kind in found)
        return _KINDS[kind](found.pop(kind), **found)
    except (msgspec.MsgspecError, UnicodeError, ValueError, TypeError, StopIteration) as error:
        raise ConfigError(f'no trigger of a schedule: {text!r}: {error}') from error


_KINDS: dict[str, Callable[..., Trigger]] = {'cron': Crontab, 'fields': Fields, 'date': Date, 'every': Every}


def id_of_firing(name: str, milliseconds: int) -> str:
    """Return the id of the run that a schedule starts at a time: whoever computes it gets the same."""
    at = at_ms(milliseconds).replace(tzinfo=None)
    return f'{name}@{at.isoformat(timespec="seconds" if at.microsecond == 0 else "milliseconds")}Z'
