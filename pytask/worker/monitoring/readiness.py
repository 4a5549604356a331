"""Readiness: what keeps a worker from doing its work, read from stamps and never by asking anybody.

`/ready`, `pytask workers`, systemd and the log all say what `reasons` says. Reads only, without a lock
and without a switch, so the heartbeat's thread may ask too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytask.worker.lifetime import Lifetime
    from pytask.worker.monitoring.backpressure import Backpressure
    from pytask.worker.monitoring.hub_monitor import HubMonitor
    from pytask.worker.service import Service

# A turn waits for 1 s at most, and for 5 s on a Redis that does not answer.
TURNED_WITHIN_S = 10.0
# Proofs are asked for every 2 s; after 6 s without one the listener subscribes anew.
PROVED_WITHIN_S = 9.0
# A connection that was cut is back within a second: not worth a word.
AWAY_FOR_S = 3.0
# Redis or not, every turn ends within half of this: several replies of 5 s each, none of which comes.
STUCK_AFTER_S = 60.0


class Readiness:
    """Looks at one worker. `observe` completes it: the parts that it looks at begin after it."""

    def __init__(self, lifetime: Lifetime, backpressure: Backpressure, hub_monitor: HubMonitor) -> None:
        self._lifetime, self._report = lifetime, lifetime.report
        self._backpressure, self._hub_monitor = backpressure, hub_monitor
        self.services: tuple[Service, ...] = ()
        self.checks = (self._hub, self._redis, self._turns, self._subscription, self._leases, self._pressure)

    def observe(
        self, services: Iterable[Service], late_s: Callable[[], float], silent_s: Callable[[], float]
    ) -> None:
        """Look at the loops that run the queue, too, at late leases and at a subscription that hears nothing."""
        # Not the supervisors of pytask's own tasks: a turn of theirs is as long as the task runs.
        self.services = tuple(services)
        self._late_s, self._silent_s = late_s, silent_s

    def reasons(self) -> list[str]:
        """Return why this worker is not ready, in plain words; nothing where it is."""
        if not self._lifetime.is_ready:
            return ['the worker is starting']
        if self._lifetime.is_stopping:
            return ['the worker is shutting down']
        return [reason for check in self.checks for reason in check()]

    def troubles(self) -> list[str]:
        """Return the reasons that are trouble: to start and to shut down is none."""
        return self.reasons() if self._lifetime.is_ready and not self._lifetime.is_stopping else []

    def ills(self) -> list[str]:
        """Return why only a new process would help; an outage of Redis is no such reason."""
        now = monotonic_s()
        found = [
            f'{service.name} is stuck: it began its turn {_ago(now - service.tried_at)}'
            for service in self.services
            if service.is_going and now - service.tried_at > STUCK_AFTER_S
        ]
        return ['a service is broken', *found] if self._lifetime.is_broken else found

    def fields(self) -> dict[str, Any]:
        """Return what stands in the worker's record about this."""
        draining = int(self._lifetime.is_stopping)
        return {'draining': draining, 'troubles': '; '.join(self.troubles()), **self._hub_monitor.fields()}

    def _hub(self) -> Iterator[str]:
        block = self._hub_monitor.block()
        if block is not None:
            yield str(block)

    def _redis(self) -> Iterator[str]:
        away_s = self._report.away_s()
        if away_s > AWAY_FOR_S:
            yield f'Redis has been away for {away_s:.0f} s'

    def _turns(self) -> Iterator[str]:
        now = monotonic_s()
        for service in self.services:
            if now - service.turned_at > TURNED_WITHIN_S:
                yield f'{service.name} turned last {_ago(now - service.turned_at)}'

    def _subscription(self) -> Iterator[str]:
        age_s = self._silent_s()
        if age_s > PROVED_WITHIN_S:
            yield f'the control subscription was heard last {_ago(age_s)}'

    def _leases(self) -> Iterator[str]:
        late_s = self._late_s()
        if late_s:
            yield f'leases were renewed last {_ago(late_s)}'

    def _pressure(self) -> Iterator[str]:
        if self._backpressure.why:
            yield f'claims nothing, short of {self._backpressure.why}'


def _ago(seconds: float) -> str:
    return f'{seconds:.0f} s ago'
