"""The fetcher claims waiting runs while slots are free, one claim at a time.

Waiting consumes nothing: a `QueueWaiter` per queue blocks until the queue has an entry, then the fetcher claims. A
full claim is followed at once by a larger one; after an empty one it backs off with jitter, so that it does not
spin when many workers are idle or an entry cannot be claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.worker.claiming.queue_waiter import PEEK_S
from pytask.worker.service import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.worker.claiming.claimer import Claimer
    from pytask.worker.claiming.parked import ParkedRuns
    from pytask.worker.claiming.queue_waiter import QueueWaiter
    from pytask.worker.heartbeat import Heartbeat
    from pytask.worker.lifetime import Lifetime
    from pytask.worker.monitoring.backpressure import Backpressure
    from pytask.worker.slots import Slots

FIRST_BATCH, LARGEST_BATCH = 16, 256
LATE_PAUSE_S = 0.05


class Gate:
    """Whether a worker may claim: it has a free slot, no shortage, and its leases are renewed."""

    def __init__(self, slots: Slots, backpressure: Backpressure, heartbeat: Heartbeat) -> None:
        self._slots, self._backpressure, self._heartbeat = slots, backpressure, heartbeat

    def wait(self) -> bool:
        """Wait a second or two until it may claim; tell whether it may."""
        if not (self._slots.room.wait(PEEK_S) and self._backpressure.relieved.wait(PEEK_S)):
            return False
        if self._heartbeat.late_s():  # leave the runs to workers that can renew their leases
            gevent.sleep(LATE_PAUSE_S)
            return False
        return True

    def limit(self, most: int) -> int:
        """Return how many runs to claim, `most` or the free slots."""
        return min(most, self._slots.free)


class Fetcher(Service):
    """Goes from queue to queue; `waiters` begins with the queue whose turn it is."""

    def __init__(
        self,
        claimer: Claimer,
        gate: Gate,
        waiters: Sequence[QueueWaiter],
        parked_runs: ParkedRuns,
        lifetime: Lifetime,
    ) -> None:
        super().__init__('fetcher', lifetime)
        self._claimer, self._gate, self._parked_runs = claimer, gate, parked_runs
        self._heard = Event()
        self.waiters = list(waiters)
        self._batch = FIRST_BATCH
        for waiter in self.waiters:
            waiter.heard = self._heard

    def start(self) -> None:
        for waiter in self.waiters:
            waiter.start()
        super().start()

    def stop(self, timeout_s: float = 1.0) -> None:
        # Not during a claim: this worker must run, or requeue, what is granted.
        self._is_stopping = True
        self._claimer.between_claims.wait(timeout_s)
        super().stop(timeout_s)
        for waiter in self.waiters:
            waiter.stop(timeout_s)

    def turn(self) -> None:
        if not self._gate.wait():
            return
        ready = [waiter for waiter in self.waiters if waiter.may_claim]
        for waiter in ready:
            if not self._is_stopping:
                self._fetch(waiter)
        # The next turn begins with another queue, so that one that is always full does not starve the others.
        self.waiters.append(self.waiters.pop(0))
        has_more = not self._is_stopping and self._parked_runs.fetch()
        if not ready and not has_more:
            self._heard.clear()
            if not any(waiter.may_claim for waiter in self.waiters):
                self._heard.wait(PEEK_S)

    def _fetch(self, waiter: QueueWaiter) -> None:
        limit = self._gate.limit(self._batch)
        if limit <= 0:
            return
        grant = self._claimer.claim(waiter.line, limit)
        if grant.is_paused:
            waiter.open.clear()  # until `ParkedRuns` sees that it is resumed
        elif len(grant.runs) == limit:
            self._batch = min(LARGEST_BATCH, 2 * self._batch)
        elif not grant.has_more:
            self._batch = FIRST_BATCH
            waiter.ask(was_empty=not grant.runs)
