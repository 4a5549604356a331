"""The shutdown of a worker's runs, in order: let them finish, ask them to end, interrupt them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.core.clock import monotonic_s
from pytask.worker.attempt.outcome import outcome_of
from pytask.worker.local_runs import is_builtin

if TYPE_CHECKING:
    from gevent.event import Event

    from pytask.worker.control.stopper import Stopper
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter
    from pytask.worker.slots import Slots
    from pytask.worker.writer import Writer

# For stop() with its GRACE (10 s by default) and the interruptions after it. Runs with a longer GRACE are
# interrupted a second earlier, so that their `finally` blocks run and they are requeued.
STOP_LIMIT_S, HURRY_AFTER_S = 13.0, 12.0
RECORD_LIMIT_S = 2.0


class Shutdown:
    """Ends the runs of one worker, all but pytask's own."""

    def __init__(self, slots: Slots, report: Reporter, writer: Writer, stopper: Stopper) -> None:
        self._slots, self._report = slots, report
        self._writer, self._stopper = writer, stopper

    def drain(self, drain_s: float, hurry: Event) -> None:
        """Let runs finish for `drain_s` seconds, then stop the rest; `hurry` cuts either short."""
        since = monotonic_s()
        while not hurry.is_set() and not self._slots.empty.is_set() and self._is_waited_for():
            if monotonic_s() - since >= drain_s:
                break
            hurry.wait(0.02)
        was_hurried = self._tell(hurry=hurry.is_set())
        since = monotonic_s()
        while self._is_waited_for() and monotonic_s() - since < STOP_LIMIT_S:
            if not was_hurried and (hurry.is_set() or monotonic_s() - since >= HURRY_AFTER_S):
                self._report.hurrying()
                was_hurried = self._tell(hurry=True)
            gevent.sleep(0.01)

    def time_out(self) -> None:
        """Record runs that ignore their TIMEOUT: they end with this process, and must not run again."""
        for live in self._others():
            if live.end.reason == 'timeout' and live.is_open and live.run_id in self._stopper.unkillable:
                self._writer.end(live, outcome_of(live, None, None))
        since = monotonic_s()
        while any(live.took_s for live in self._others()) and monotonic_s() - since < RECORD_LIMIT_S:
            gevent.sleep(0.01)

    def _tell(self, *, hurry: bool) -> bool:
        for live in self._others():
            # A run that was already told to end keeps that reason, unless it was a reload.
            self._stopper.end(live, 'shutdown', grace_s=0 if hurry else None)
        return hurry

    def _is_waited_for(self) -> bool:
        # Not for ended runs that cannot be recorded because Redis is away: other workers recover them. Nor for runs
        # that only a new process ends.
        others = [live for live in self._others() if live.run_id not in self._stopper.unkillable]
        return any(live.is_open for live in others) or bool(others and not self._writer.is_away)

    def _others(self) -> list[Live]:
        # Not pytask's own: they keep running until the last run has ended.
        return [live for live in self._slots.all() if not is_builtin(live)]
