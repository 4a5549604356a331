"""The claimer: one claim at a time, and what follows from its answer: runs begin, other entries are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.core.clock import boot_s
from pytask.errors import Unavailable
from pytask.worker.heartbeat import FENCE_AT

if TYPE_CHECKING:
    from pytask.store import Grant, Line, Store
    from pytask.worker.attempt.launcher import Launcher
    from pytask.worker.control.dispatcher import Dispatcher
    from pytask.worker.registration import Registration
    from pytask.worker.reporter import Reporter


class Claimer:
    """Claims runs for one worker, and launches them."""

    def __init__(
        self, registration: Registration, store: Store, launcher: Launcher, dispatcher: Dispatcher, report: Reporter
    ) -> None:
        self._registration, self._store, self._report = registration, store, report
        self._launcher, self._dispatcher = launcher, dispatcher
        self._nonces = 0
        self._is_answered = True
        self.between_claims = Event()
        self.between_claims.set()

    def claim(self, line: Line, limit: int) -> Grant:
        """Claim up to `limit` runs; they begin before this returns. Raises Unavailable."""
        if self._is_answered:  # else the last grant, whose answer was lost, is given again
            self._nonces += 1
        self._is_answered = False
        self.between_claims.clear()
        self._dispatcher.expect()
        try:
            grant = self._granted(line, limit)
        finally:
            self.between_claims.set()
            self._dispatcher.catch_up()
        if not grant.is_registered:
            self._registration.register()
        for entry, why in grant.dead:
            self._report.dead_entry(entry, why)
        if grant.runs:
            gevent.sleep(0)  # let them begin before the next claim
        if grant.parked:
            self._explain(grant)
        return grant

    def _granted(self, line: Line, limit: int) -> Grant:
        who = self._registration.claimant(f'{self._nonces:x}')
        asked_at = boot_s()
        try:
            grant = self._store.queues.claim(who, line, limit)
        except Unavailable:
            # Perhaps only the answer was lost: ask for the same grant again.
            asked_at = boot_s()
            grant = self._store.queues.claim(who, line, limit)
        self._is_answered = True
        is_late = boot_s() - asked_at > FENCE_AT * who.lease_ms / 1000
        for claimed in grant.runs:
            live = self._launcher.launch(claimed, asked_at, line.queue)
            if is_late:  # the process was frozen, or the answer slow: another worker may run it
                live.end.reason = 'lost'
            self._dispatcher.begin(live, has_messages=claimed.has_messages)
        return grant

    def _explain(self, grant: Grant) -> None:
        reasons = [(run_id, self._registration.why_parked(task)) for run_id, task in grant.parked]
        self._store.parked.explain(reasons)
        for run_id, why in reasons:
            self._report.parked(run_id, why)
