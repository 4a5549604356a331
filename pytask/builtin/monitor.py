"""pytask/monitor: requeues runs of dead workers, queues due runs, and repairs running runs without a lease.

It runs in every worker at once, safely: recovery takes two looks (a deadline seen overdue must be unchanged half a
lease later), and the script compares again. A run is requeued within 1.7 leases: one for the lease, half for the
second look, a fifth between looks.

A RUNNING run without a lease (which was deleted) would never be found, so each look also sweeps a page of all runs:
100,000 of them in ten minutes.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from pytask.authoring.task import Task
from pytask.core.clock import boot_s

if TYPE_CHECKING:
    from pytask.store import Store

LOOKS_PER_LEASE = 5
SECOND_LOOK = 0.5  # of a lease, after the first
PAGE, CHUNK = 1000, 100
PROMOTE_EVERY_S = 1.0
PROMOTE_PAGE = 500

log = logging.getLogger('pytask')


class Monitor(Task):
    """Looks five times a lease, and queues due runs every second."""

    NAME = 'pytask/monitor'

    def start(self) -> None:
        store: Store = self.client.store
        lease_s = self.app.settings.lease_s
        seen: dict[tuple[str, float], float] = {}
        look_every_s = lease_s / LOOKS_PER_LEASE
        turn_s = min(PROMOTE_EVERY_S, look_every_s)
        looked_at, cursor = 0.0, '0'
        while not self.stopping.is_set():
            while store.queues.promote(PROMOTE_PAGE) == PROMOTE_PAGE:
                pass
            # Jitter, so that workers that started together do not always look together.
            if boot_s() - looked_at >= look_every_s * random.uniform(0.8, 1.0) - turn_s / 2:
                looked_at = boot_s()
                seen = self._look(store, seen, lease_s)
                cursor = self._sweep(store, cursor)
            self.stopping.wait(turn_s)

    @staticmethod
    def _sweep(store: Store, cursor: str) -> str:
        cursor, mended = store.queues.sweep(cursor)
        if mended:
            log.warning('found %d RUNNING runs without a lease; they will be requeued', mended)
        return cursor

    def _look(
        self, store: Store, seen: dict[tuple[str, float], float], lease_s: float
    ) -> dict[tuple[str, float], float]:
        now, lease_ms = boot_s(), int(lease_s * 1000)
        overdue = store.queues.overdue(lease_ms=lease_ms, limit=PAGE)
        still = {pair: seen.get(pair, now) for pair in overdue}
        ripe = [pair for pair, since in still.items() if now - since >= SECOND_LOOK * lease_s]
        for at in range(0, len(ripe), CHUNK):
            recovered = store.queues.recover(ripe[at : at + CHUNK], lease_ms=lease_ms)
            if recovered:
                log.warning(
                    'requeued %d runs of a dead or frozen worker: %s', len(recovered), ', '.join(recovered[:5])
                )
        return still
