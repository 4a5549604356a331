"""The drain: how a worker lets go of its runs, in order: let finish, ask, interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.core.clock import monotonic_s
from pytask.worker.attempt.outcome import outcome_of

if TYPE_CHECKING:
    from gevent.event import Event

    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker

# What stop() with its GRACE, and the interruptions after it, may take. Runs whose GRACE has no limit, or a longer
# one, are interrupted a second before: their `finally` blocks run, and they are given back.
STOP_LIMIT_S, HURRY_AFTER_S = 13.0, 12.0
RECORD_LIMIT_S = 2.0


def drain(worker: Worker, hurry: Event) -> None:
    """Let runs finish for as long as the settings say, then stop the rest; `hurry` cuts either short."""
    since = monotonic_s()
    while not hurry.is_set() and not worker.slots.empty.is_set() and _is_waited_for(worker):
        if monotonic_s() - since >= worker.app.settings.drain_s:
            break
        hurry.wait(0.02)
    was_hurried = _tell(worker, hurry=hurry.is_set())
    since = monotonic_s()
    while _is_waited_for(worker) and monotonic_s() - since < STOP_LIMIT_S:
        if not was_hurried and (hurry.is_set() or monotonic_s() - since >= HURRY_AFTER_S):
            worker.report.hurrying()
            was_hurried = _tell(worker, hurry=True)
        gevent.sleep(0.01)


def time_out(worker: Worker) -> None:
    """Record the ends of runs that ignore their TIMEOUT: they end with this process, and are not to run again."""
    for live in _others(worker):
        if live.ending == 'timeout' and live.is_open and live.run_id in worker.stopper.unkillable:
            worker.writer.end(live, outcome_of(live, None, None))
    since = monotonic_s()
    while any(live.took_s for live in _others(worker)) and monotonic_s() - since < RECORD_LIMIT_S:
        gevent.sleep(0.01)


def _tell(worker: Worker, *, hurry: bool) -> bool:
    for live in _others(worker):
        # What it was told first stands, but for a reload.
        worker.stopper.end(live, 'shutdown', grace_s=0 if hurry else None)
    return hurry


def _is_waited_for(worker: Worker) -> bool:
    # What is over and can not be recorded, since Redis is away, is not: others recover it. Nor is what only a new
    # process ends.
    others = [live for live in _others(worker) if live.run_id not in worker.stopper.unkillable]
    return any(live.is_open for live in others) or bool(others and not worker.writer.is_away)


def _others(worker: Worker) -> list[Live]:
    # All but pytask's own, which go on until the last run has ended.
    return [live for live in worker.slots.all() if not worker.local_runs.is_builtin(live)]
