"""Readiness: what keeps a worker from working, read from time stamps and never by asking a service.

`/ready`, `pytask workers`, systemd and the log all show `reasons`. It takes no lock and never switches, so the
heartbeat's thread may call it, too.
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

# A turn takes 1 s at most, or 5 s while Redis does not answer.
TURNED_WITHIN_S = 10.0
# The listener asks for proof every 2 s; after 6 s without one it subscribes again.
PROVED_WITHIN_S = 9.0
# A broken connection is back within a second; that is not worth a warning.
AWAY_FOR_S = 3.0
# Twice what a turn can take at most: several replies that each time out after 5 s.
STUCK_AFTER_S = 60.0


class Readiness:
    """Judges one worker. `observe` completes it, since the parts that it looks at are made later."""

    def __init__(self, lifetime: Lifetime, backpressure: Backpressure, hub_monitor: HubMonitor) -> None:
        self._lifetime, self._report = lifetime, lifetime.report
        self._backpressure, self._hub_monitor = backpressure, hub_monitor
        self.services: tuple[Service, ...] = ()
        self.checks = (self._hub, self._redis, self._turns, self._subscription, self._leases, self._pressure)

    def observe(
        self, services: Iterable[Service], late_s: Callable[[], float], silent_s: Callable[[], float]
    ) -> None:
        """Set the services to look at, how late leases are, and how long the subscription has been silent."""
        # Without the supervisors of pytask's own tasks: their turns last as long as the task runs.
        self.services = tuple(services)
        self._late_s, self._silent_s = late_s, silent_s

    def reasons(self) -> list[str]:
        """Return why this worker is not ready, in plain words; an empty list if it is."""
        if not self._lifetime.is_ready:
            return ['the worker is starting']
        if self._lifetime.is_stopping:
            return ['the worker is shutting down']
        return [reason for check in self.checks for reason in check()]

    def troubles(self) -> list[str]:
        """Return the reasons that are trouble; starting and shutting down are not."""
        return self.reasons() if self._lifetime.is_ready and not self._lifetime.is_stopping else []

    def ills(self) -> list[str]:
        """Return why only a new process would help. An outage of Redis is not a reason."""
        now = monotonic_s()
        found = [
            f'{service.name} is stuck: its turn began {_ago(now - service.tried_at)}'
            for service in self.services
            if service.is_going and now - service.tried_at > STUCK_AFTER_S
        ]
        return ['a service is broken', *found] if self._lifetime.is_broken else found

    def fields(self) -> dict[str, Any]:
        """Return fields of the worker's record: whether it drains, its troubles, and blocks of the hub."""
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
                yield f'{service.name} last finished a turn {_ago(now - service.turned_at)}'

    def _subscription(self) -> Iterator[str]:
        age_s = self._silent_s()
        if age_s > PROVED_WITHIN_S:
            yield f'the control subscription last proved alive {_ago(age_s)}'

    def _leases(self) -> Iterator[str]:
        late_s = self._late_s()
        if late_s:
            yield f'leases were last renewed {_ago(late_s)}'

    def _pressure(self) -> Iterator[str]:
        if self._backpressure.why:
            yield f'not claiming runs, short of {self._backpressure.why}'


def _ago(seconds: float) -> str:
    return f'{seconds:.0f} s ago'
