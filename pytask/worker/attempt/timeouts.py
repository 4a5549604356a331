"""Timeouts: a run's own, else its task's TIMEOUT; and how a run gets more time.

Each limited run has a timer. An extension is stored in the run's hash first, so a worker that missed the command
reads it there when the timer goes off, before it ends the run.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import gevent

from pytask.core.clock import monotonic_s
from pytask.core.limits import LONGEST_S
from pytask.errors import PytaskError, TaskError, Unavailable

if TYPE_CHECKING:
    from pytask.authoring.task import Task
    from pytask.core.commands import Command
    from pytask.store import Store
    from pytask.worker.control.stopper import Stopper
    from pytask.worker.live import Live

# While Redis is away it is unknown whether the run has more time. Its lease ends the wait.
ASK_AGAIN_S = 0.5


class Deadline:
    """When the time of a run is up, on the monotonic clock, and its timer."""

    __slots__ = ('at', 'timer')

    def __init__(self, left_s: float) -> None:
        self.at = monotonic_s() + left_s
        self.timer: Any = gevent.get_hub().loop.timer(max(0.0, left_s))


class Timeouts:
    """Keeps the timeouts of one worker's runs."""

    def __init__(self, store: Store, stopper: Stopper) -> None:
        self._store, self._stopper = store, stopper

    def begin(self, live: Live, task_class: type[Task]) -> None:
        """Start the timer of an attempt. Raises TaskError for an invalid timeout, written by hand."""
        limit_s = limit_of(live.timeout, task_class.TIMEOUT)
        if limit_s is not None:
            self._set(live, limit_s)

    def obey(self, live: Live, command: Command) -> None:
        """Carry out an `extend`: the run has `seconds` from now, but never less than before."""
        seconds: Any = command.fields.get('seconds')
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if live.deadline is not None and is_number and 0 < seconds <= LONGEST_S:
            self._set(live, max(seconds, live.deadline.at - monotonic_s()))

    def end(self, live: Live) -> None:
        """Stop the timer. May be called twice."""
        limit, live.deadline = live.deadline, None
        if limit is not None:
            limit.timer.close()

    def _set(self, live: Live, left_s: float) -> None:
        self.end(live)
        live.deadline = limit = Deadline(min(left_s, LONGEST_S))
        limit.timer.start(gevent.spawn_raw, self._look, live, limit)

    def _look(self, live: Live, limit: Deadline) -> None:
        while live.deadline is limit:
            try:
                left_s = self._store.runs.extended(live.run_id, live.attempt)
            except Unavailable:
                gevent.sleep(ASK_AGAIN_S)
                continue
            except PytaskError:
                left_s = 0.0
            if live.deadline is not limit:
                return
            if left_s <= 0:
                self._stopper.end(live, 'timeout')
                return
            self._set(live, left_s)


def limit_of(given: str, own_s: float | None) -> float | None:
    """Return how many seconds an attempt may take, None for no limit.

    `given` is the run's own timeout in seconds, '' for none, or `+30` for 30 seconds more than the task's.
    """
    if not given:
        return own_s
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise TaskError(f'timeout must be more than 0 seconds, not {given!r}')
    if given.startswith('+'):
        return None if own_s is None else own_s + seconds
    return seconds
