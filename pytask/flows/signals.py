"""Signals: what a step returns to steer its flow, `wait` and `spawn`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytask.authoring.decorator import as_task_class
from pytask.core.moments import moment_ms
from pytask.errors import PytaskError

LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True)
class Signal:
    """Hold the flow, and say why. `until_ms` is when it is checked again, if at all."""

    reason: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Wait(Signal):
    """Until a person, or a time, lets the flow continue."""


@dataclass(frozen=True, slots=True)
class Spawn(Signal):
    """Until the child has ended: a run of a task, or a flow of a routine."""

    task: str = ''
    routine: str = ''
    args: tuple[Any, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)


def wait(reason: str = '', until: Any = None) -> Wait:
    """Make the signal that holds a flow: a step returns it from `start`, or from `check`.

    `until` is when the flow continues at the latest, or its `check` is called: Unix seconds, a datetime (local
    if it has no zone) or ISO 8601 text. The first 1,000 characters of the reason are stored. Raises PytaskError
    if `until` is not a time.
    """
    return Wait(_reason(reason), None if until is None else max(0, moment_ms(until, 'until')))


def spawn(
    reason: str = '',
    task: Any = None,
    args: Sequence[Any] = (),
    data: Mapping[str, Any] | None = None,
    routine: Any = None,
) -> Spawn:
    """Make the signal that starts a child and holds the flow until its end: a step returns it.

    The child is a run of `task`, or a flow of `routine` (its name). Raises PytaskError for both or neither.
    """
    if (task is None) == (routine is None):
        raise PytaskError('spawn takes either a task or a routine')
    if routine is not None and args:
        raise PytaskError('spawn: a routine takes data by name, not args')
    task_class = as_task_class(task)
    return Spawn(
        _reason(reason),
        task='' if task is None else task_class.NAME if task_class else _name('task', task),
        routine='' if routine is None else _name('routine', getattr(routine, 'name', routine)),
        args=tuple(args),
        data=dict(data or {}),
    )


def _reason(given: Any) -> str:
    # Lone surrogates come from file names, and cannot be encoded.
    return str(given).encode('utf-8', 'backslashreplace').decode()[:LONGEST_REASON]


def _name(what: str, given: Any) -> str:
    name = str(given)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise PytaskError(f'spawn: {what} {name!r} is not valid UTF-8') from None
    return name
