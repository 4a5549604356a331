"""Ends runs from outside, each on its own: mark, ask, wait, interrupt, interrupt again.

An interruption is delivered by a hub callback that checks that the run is still open, so that it
never hits what runs next. Nothing is recorded here: the run's own greenlet judges how it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.clock import monotonic_s
from pytask.definition import current
from pytask.errors import Interrupted
from pytask.worker import children
from pytask.worker.slots import CLOSING, STARTED

if TYPE_CHECKING:
    from pytask.definition import Task
    from pytask.worker.report import Reporter
    from pytask.worker.slots import Live

# Between one interruption and the next, and before a run counts as unkillable.
PATIENCE_S = 1.0
INTERRUPTIONS = 3


class Stopper:
    def __init__(self, report: Reporter) -> None:
        self._report = report
        self.unkillable: set[str] = set()

    def end(self, live: Live, reason: str, *, hurry: bool = False) -> None:
        """Tell a run to end, and see to it; returns at once. What it was told first stands, but for `lost`."""
        if live.ending not in ('', 'reload') and reason != 'lost' and not hurry:
            return
        if live.phase != STARTED and reason == 'reload':
            return
        if live.ending in ('', 'reload') or reason == 'lost':
            live.ending, live.told_at = reason, monotonic_s()
        live.stopping_event().set()
        gevent.spawn_raw(self._escalate, live, reason, hurry=hurry or reason == 'lost')

    def cut(self, live: Live, guard: object) -> None:
        """Interrupt a hook that has had its time; returns when it is over, or the run unkillable."""
        for _ in range(INTERRUPTIONS):
            gevent.get_hub().loop.run_callback(self._throw, live, guard)
            live.ended_event().wait(PATIENCE_S)
            if live.guard is not guard:
                return
        self.give_up(live)

    def give_up(self, live: Live) -> None:
        """Say that a run can not be ended."""
        self.unkillable.add(live.run_id)
        self._report.unkillable(live)

    def outlast(self, older: Live) -> None:
        """End an attempt, and return when it is over.

        A process that stood still for longer than a lease may be granted what it itself still runs.
        """
        if not older.greenlet.dead:
            self._report.lost(older)
            self.end(older, 'lost')
            older.ended_event().wait()

    def _escalate(self, live: Live, reason: str, *, hurry: bool) -> None:
        task = live.task
        if task is not None and reason != 'failed' and not hurry and self._is_patient(live):
            if hasattr(task, 'stop') and live.phase == STARTED:
                self._call_stop(live)
            live.ended_event().wait(task.GRACE)
        for _ in range(INTERRUPTIONS):
            while live.phase == CLOSING and not hurry and not live.ended_event().wait(PATIENCE_S):
                pass  # what happens after `start` has limits of its own
            if not self._is_still(live, task):
                return
            self.interrupt(live, task, hurry=hurry)
            live.ended_event().wait(PATIENCE_S)
        if self._is_still(live, task) and (hurry or live.phase != CLOSING):
            self.give_up(live)

    def interrupt(self, live: Live, task: Task | None, *, hurry: bool = False) -> None:
        """Deliver an interruption to every greenlet of a run, at the hub's next turn."""
        gevent.get_hub().loop.run_callback(self._deliver, live, task, hurry)

    def _is_still(self, live: Live, task: Task | None) -> bool:
        # The run is the one that was told to end: not over, and no successor of a reload.
        same = task is None or live.task is task
        return live.is_open and same and bool(live.ending)

    def _deliver(self, live: Live, task: Task | None, hurry: bool) -> None:  # noqa: FBT001 - a callback
        if not self._is_still(live, task) or (live.phase == CLOSING and not hurry):
            return
        children.interrupt(live.task, live.ending)
        if live.phase != CLOSING or live.guard is not None:  # else it is ours, and waits for the children
            self._throw(live, live.guard if hurry else None)

    @staticmethod
    def _throw(live: Live, guard: object | None) -> None:
        greenlet = live.greenlet
        if live.guard is guard and greenlet is not None and not greenlet.dead:
            greenlet.throw(Interrupted(live.ending or 'timeout'))

    @staticmethod
    def _is_patient(live: Live) -> bool:
        return hasattr(live.task, 'stop') or bool(live.task and live.task.graceful)

    def _call_stop(self, live: Live) -> None:
        # Under a copy of the run's context as it is inside (same Flask `g`), in a child of the run: a stop
        # that hangs ends with it.
        context = live.greenlet.gr_context.copy()
        context.run(current.set, live.task)
        context.run(gevent.spawn, self._stop_body, live)

    def _stop_body(self, live: Live) -> None:
        task = live.task
        try:
            task.stop()  # type: ignore[union-attr]
        except BaseException as error:  # noqa: BLE001 - user code; a failing stop means the interruption comes sooner
            self._report.stop_failed(live, error)
            self.interrupt(live, task)
