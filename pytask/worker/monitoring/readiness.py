"""Readiness: what keeps a worker from doing its work, read from stamps and never by asking anybody.

`/ready`, `pytask workers`, systemd and the log all say what `reasons` says. Reads only, without a lock
and without a switch, so the heartbeat's thread may ask too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.worker.service import Service
    from pytask.worker.worker import Worker

# A turn waits for 1 s at most, and for 5 s on a Redis that does not answer.
TURNED_WITHIN_S = 10.0
# Proofs are asked for every 2 s; after 6 s without one the listener subscribes anew.
PROVED_WITHIN_S = 9.0
# A connection that was cut is back within a second: not worth a word.
AWAY_FOR_S = 3.0
# Redis or not, every turn ends within half of this: several replies of 5 s each, none of which comes.
STUCK_AFTER_S = 60.0


def reasons(worker: Worker) -> list[str]:
    """Return why this worker is not ready, in plain words; nothing where it is."""
    if not worker.is_ready:
        return ['the worker is starting']
    if worker.reason_to_stop.is_set():
        return ['the worker is shutting down']
    return [reason for check in CHECKS for reason in check(worker)]


def troubles(worker: Worker) -> list[str]:
    """Return the reasons that are trouble: to start and to shut down is none."""
    return reasons(worker) if worker.is_ready and not worker.reason_to_stop.is_set() else []


def ills(worker: Worker) -> list[str]:
    """Return why only a new process would help; an outage of Redis is no such reason."""
    now = monotonic_s()
    found = [
        f'{service.name} is stuck: it began its turn {_ago(now - service.tried_at)}'
        for service in services(worker)
        if service.is_going and now - service.tried_at > STUCK_AFTER_S
    ]
    return ['a service is broken', *found] if worker.is_broken else found


def services(worker: Worker) -> list[Service]:
    """Return the loops that run the queue; pytask's own tasks turn only when they end."""
    return [worker.writer, worker.listener, worker.fetcher, *worker.fetcher.waiters]


def _redis(worker: Worker) -> Iterator[str]:
    away_s = worker.report.away_s()
    if away_s > AWAY_FOR_S:
        yield f'Redis has been away for {away_s:.0f} s'


def _turns(worker: Worker) -> Iterator[str]:
    now = monotonic_s()
    for service in services(worker):
        if now - service.turned_at > TURNED_WITHIN_S:
            yield f'{service.name} turned last {_ago(now - service.turned_at)}'


def _subscription(worker: Worker) -> Iterator[str]:
    age_s = monotonic_s() - worker.listener.echoed_at
    if age_s > PROVED_WITHIN_S:
        yield f'the control subscription was heard last {_ago(age_s)}'


def _leases(worker: Worker) -> Iterator[str]:
    late_s = worker.heartbeat.late_s()
    if late_s:
        yield f'leases were renewed last {_ago(late_s)}'


def _ago(seconds: float) -> str:
    return f'{seconds:.0f} s ago'


def _pressure(worker: Worker) -> Iterator[str]:
    if worker.backpressure.why:
        yield f'claims nothing, short of {worker.backpressure.why}'


def _hub(worker: Worker) -> Iterator[str]:
    block = worker.heartbeat.hub_monitor.block()
    if block is not None:
        yield str(block)


CHECKS = (_hub, _redis, _turns, _subscription, _leases, _pressure)
