"""The launcher gives each granted run a greenlet and a slot, and its outcome to the writer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent

from pytask.core.names import FLOW
from pytask.core.states import Outcome, State
from pytask.worker.attempt.flow_attempt import FlowAttempt
from pytask.worker.attempt.outcome import outcome_of
from pytask.worker.live import Live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.store import Claimed
    from pytask.worker.attempt.runner import Runner
    from pytask.worker.control.stopper import Stopper
    from pytask.worker.reporter import Reporter
    from pytask.worker.slots import Slots
    from pytask.worker.writer import Writer


class Launcher:
    """Begins the attempts of one worker."""

    def __init__(self, slots: Slots, report: Reporter, writer: Writer, stopper: Stopper, runner: Runner) -> None:
        self._slots, self._report, self._writer = slots, report, writer
        self._stopper, self._runner = stopper, runner

    def launch(self, claimed: Claimed, asked_at: float, queue: str = '', *, is_local: bool = False) -> Live:
        """Begin an attempt in its own greenlet; its lease was asked for at `asked_at` of the boot clock."""
        live = Live(claimed, asked_at, queue, is_local=is_local)
        live.flow = FlowAttempt() if claimed.task == FLOW else None
        older = self._slots.add(live)
        self._report.metrics.started(live, claimed.waited_ms)
        live.greenlet = gevent.spawn_raw(self.run, live, older)
        return live

    def run(self, live: Live, older: Live | None) -> None:
        """Be the body of an attempt's greenlet. An older attempt that still runs here is ended first."""
        if older is not None:
            self._stopper.outlast(older)
        outcome = self._runner.perform(live) if live.flow is None else self._runner.perform_flow(live)
        live.is_open = False
        live.task = None  # task → port → live → task would be a cycle: a sixth of the time went to the collector
        if live.end.over is not None:
            live.end.over.set()
        self._writer.end(live, outcome)

    @contextmanager
    def holding(self, live: Live) -> Iterator[None]:
        """Keep a local run in the table while the caller performs it."""
        self._slots.add(live)
        try:
            yield
        finally:
            live.is_open = False
            self._slots.remove(live)

    def perform(self, live: Live) -> Outcome:
        """Run the user code of a local run in the current greenlet, and judge it. Never raises."""
        return self._runner.perform(live)

    def mend(self) -> None:
        """Record attempts whose greenlet was killed before its first step: nothing else would."""
        for live in self._slots.all():
            if live.greenlet is not None and live.greenlet.dead and not live.took_s:
                self._report.killed(live)
                killed = gevent.GreenletExit('its greenlet was killed before its first step')
                is_free = not (live.end.reason or live.is_local)
                outcome = Outcome(State.WAIT, reason='killed') if is_free else outcome_of(live, None, killed)
                self._writer.end(live, outcome)
