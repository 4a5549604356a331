"""Ends runs from outside, each on its own: mark, ask, wait, interrupt, interrupt again.

An interruption is delivered by a hub callback that checks that the run is still open, so that it
never hits what runs next. Nothing is recorded here: the run's own greenlet judges how it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.definition import current
from pytask.errors import Interrupted
from pytask.worker import children

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
        if live.ending in ('', 'reload') or reason == 'lost':
            live.ending = reason
        live.stopping_event().set()
        gevent.spawn_raw(self._escalate, live, hurry=hurry or reason == 'lost')

    def outlast(self, older: Live) -> None:
        """End an attempt, and return when it is over.

        A process that stood still for longer than a lease may be granted what it itself still runs.
        """
        if not older.greenlet.dead:
            self._report.lost(older)
            self.end(older, 'lost')
            older.ended_event().wait()

    def _escalate(self, live: Live, *, hurry: bool) -> None:
        task = live.task
        if task is not None and not hurry and self._is_patient(live):
            if hasattr(task, 'stop'):
                self._call_stop(live)
            live.ended_event().wait(task.GRACE)
        for _ in range(INTERRUPTIONS):
            if not self._is_still(live, task):
                return
            self.interrupt(live, task)
            live.ended_event().wait(PATIENCE_S)
        if self._is_still(live, task):
            self.unkillable.add(live.run_id)
            self._report.unkillable(live)

    def interrupt(self, live: Live, task: Task | None) -> None:
        """Deliver an interruption to every greenlet of a run, at the hub's next turn."""
        gevent.get_hub().loop.run_callback(self._deliver, live, task)

    def _is_still(self, live: Live, task: Task | None) -> bool:
        # The run is the one that was told to end: not over, and no successor of a reload.
        same = task is None or live.task is task
        return live.is_open and same and bool(live.ending)

    def _deliver(self, live: Live, task: Task | None) -> None:
        if not self._is_still(live, task):
            return
        reason = live.ending
        children.interrupt(live.task, reason)
        greenlet = live.greenlet
        if greenlet is not None and not greenlet.dead:
            greenlet.throw(Interrupted(reason))

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
