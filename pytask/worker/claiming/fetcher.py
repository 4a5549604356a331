"""The fetcher: claims waiting runs while slots are free, one claim in flight.

Waiting consumes nothing: a `QueueWaiter` per queue blocks until an entry stands there, then the fetcher
claims. A full claim is followed at once by the next and by a larger one; an empty one backs off with
jitter, so that neither a herd of idle workers nor an entry nobody may claim makes it spin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.core.clock import boot_s
from pytask.core.names import no_such_task
from pytask.errors import Unavailable
from pytask.store import Claimant, Line
from pytask.worker.claiming.parked import ParkedRuns
from pytask.worker.claiming.queue_waiter import PEEK_S, QueueWaiter
from pytask.worker.heartbeat import FENCE_AT
from pytask.worker.registration import register
from pytask.worker.service import Service

if TYPE_CHECKING:
    from pytask.store import Grant
    from pytask.worker.worker import Worker

FIRST_BATCH, LARGEST_BATCH = 16, 256
LATE_PAUSE_S = 0.05


class Fetcher(Service):
    def __init__(self, worker: Worker, queues: tuple[str, ...]) -> None:
        super().__init__('fetcher', worker.report, worker.broken)
        self._worker, self._store, self._slots = worker, worker.store, worker.slots
        self._heard = Event()
        self.waiters = [
            QueueWaiter(name, self._store, self._report, worker.broken) for name in dict.fromkeys(queues)
        ]
        self._batch = FIRST_BATCH
        self._nonces = 0
        self._is_answered = True
        self._aside = ParkedRuns(worker, self._claim, self.waiters)
        self._between_claims = Event()
        self._between_claims.set()
        for waiter in self.waiters:
            waiter.heard = self._heard

    def start(self) -> None:
        for waiter in self.waiters:
            waiter.start()
        super().start()

    def stop(self, timeout_s: float = 1.0) -> None:
        # Not in the middle of a claim: what it grants is to be run, or given back, by this worker.
        self._is_stopping = True
        self._between_claims.wait(timeout_s)
        super().stop(timeout_s)
        for waiter in self.waiters:
            waiter.stop(timeout_s)

    @property
    def is_claiming(self) -> bool:
        return not self._between_claims.is_set()

    def turn(self) -> None:
        if not (self._slots.room.wait(PEEK_S) and self._worker.backpressure.relieved.wait(PEEK_S)):
            return
        if self._worker.heartbeat.late_s():  # what is not renewed would be lost again: it is for other workers
            gevent.sleep(LATE_PAUSE_S)
            return
        ready = [waiter for waiter in self.waiters if waiter.may_claim]
        for waiter in ready:
            if not self._is_stopping:
                self._fetch(waiter)
        # The next turn begins with another queue: one that is always full does not starve the others.
        self.waiters.append(self.waiters.pop(0))
        has_more = not self._is_stopping and self._aside.fetch()
        if not ready and not has_more:
            self._heard.clear()
            if not any(waiter.may_claim for waiter in self.waiters):
                self._heard.wait(PEEK_S)

    def _fetch(self, waiter: QueueWaiter) -> None:
        limit = min(self._batch, self._slots.free)
        if limit <= 0:
            return
        grant = self._claim(Line(self._store.keys.line(waiter.queue), queue=waiter.queue), limit)
        if grant.is_paused:
            waiter.open.clear()  # `ParkedRuns` looks when it is open again
        elif len(grant.runs) == limit:
            self._batch = min(LARGEST_BATCH, 2 * self._batch)
        elif not grant.has_more:
            self._batch = FIRST_BATCH
            waiter.ask(was_empty=not grant.runs)

    def _claim(self, line: Line, limit: int) -> Grant:
        if self._is_answered:  # else what was granted and not heard of is granted once more
            self._nonces += 1
        self._is_answered = False
        who = Claimant(self._worker.id, f'{self._nonces:x}', self._worker.lease_ms)
        self._between_claims.clear()
        try:
            grant = self._granted(who, line, limit)
        finally:
            self._between_claims.set()
            self._worker.dispatcher.catch_up()
        if not grant.is_registered:
            register(self._worker, self._worker.store)
        self._tell(grant)
        return grant

    def _granted(self, who: Claimant, line: Line, limit: int) -> Grant:
        asked_at = boot_s()
        try:
            grant = self._store.queues.claim(who, line, limit)
        except Unavailable:
            # Perhaps granted, and only the answer was lost: ask for the same grant once more.
            asked_at = boot_s()
            grant = self._store.queues.claim(who, line, limit)
        self._is_answered = True
        is_late = boot_s() - asked_at > FENCE_AT * self._worker.lease_ms / 1000
        for claimed in grant.runs:
            live = self._worker.launch(claimed, asked_at, line.queue)
            if is_late:  # this process stood still, or the answer was long on its way: another may run it by now
                live.ending = 'lost'
            self._worker.inbox.begin(live, has_messages=claimed.has_messages)
        return grant

    def _tell(self, grant: Grant) -> None:
        for entry, why in grant.dead:
            self._report.dead_entry(entry, why)
        if grant.runs:
            gevent.sleep(0)  # let them begin before the next claim
        if grant.parked:
            known = self._worker.app.registry.names()
            reasons = [(run_id, no_such_task(task, known)) for run_id, task in grant.parked]
            self._store.parked.explain(reasons)
            for run_id, why in reasons:
                self._report.parked(run_id, why)
