"""Claims runs that were set aside, once a second: parked runs whose task this worker knows, and quarantined runs.

The same look tells what is paused: paused queues are not asked, runs of paused tasks not claimed. How many
quarantined runs to grant, and when, the script decides: it sees how long those held have survived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.clock import monotonic_s
from pytask.store import Line
from pytask.store.pauses import QUEUE, TASK

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from pytask.authoring.registry import Registry
    from pytask.store import Store
    from pytask.worker.claiming.claimer import Claimer
    from pytask.worker.claiming.queue_waiter import QueueWaiter
    from pytask.worker.slots import Slots

EVERY_S = 1.0
BATCH = 16
SUSPECTS = 256
# A run whose task no worker knows ends as ERROR after a day: long enough for any rolling deploy.
LIMIT_S = 86_400.0
LIMIT_EVERY_S = 60.0


class ParkedRuns:
    """Claims them for one worker, and opens and closes the `waiters` of its queues."""

    def __init__(
        self, claimer: Claimer, store: Store, slots: Slots, registry: Registry, waiters: Sequence[QueueWaiter]
    ) -> None:
        self._claimer, self._store, self._slots = claimer, store, slots
        self._registry, self._waiters = registry, tuple(waiters)
        self._looked_at = self._aged_at = 0.0
        self._suspects: list[str] = []

    def fetch(self) -> bool:
        """Claim, at most once a second, what is there for this worker; tell whether there is more."""
        now = monotonic_s()
        if now < self._looked_at + EVERY_S:
            return False
        self._looked_at = now
        names, has_suspects, paused = self._store.parked.look()
        closed = {pause[:2] for pause in paused}
        self._open_waiters(closed)
        names = [name for name in names if (TASK, name) not in closed]
        has_more = sum(self._fetch_parked(name) for name in self._for_me(names, now)) > 0
        if has_more:
            self._looked_at = 0.0
        self._suspects = [run_id for run_id in self._suspects if self._slots.get(run_id) is not None]
        if has_suspects:
            self._fetch_suspects()
        return has_more

    def _open_waiters(self, closed: Set[tuple[str, str]]) -> None:
        for waiter in self._waiters:
            (waiter.open.clear if (QUEUE, waiter.queue) in closed else waiter.open.set)()

    def _fetch_parked(self, name: str) -> bool:
        limit = min(BATCH, self._slots.free)
        if limit <= 0:
            return False
        grant = self._claimer.claim(Line(self._store.keys.parked_list(name), parked=name), limit)
        return len(grant.runs) == limit  # as after a pause: then continue at once

    def _for_me(self, names: Sequence[str], now: float) -> list[str]:
        # Tasks this worker knows, and those that no worker has known for a day.
        mine = [name for name in names if self._registry.get(name)]
        if names and now >= self._aged_at + LIMIT_EVERY_S:
            self._aged_at = now
            ages = self._store.parked.oldest([name for name in names if name not in mine])
            mine += [name for name, age_s in ages if age_s > LIMIT_S]
        return mine

    def _fetch_suspects(self) -> None:
        limit = min(SUSPECTS, self._slots.free)
        if limit > 0:
            grant = self._claimer.claim(Line(self._store.keys.suspects, held=self._suspects), limit)
            self._suspects += [claimed.run_id for claimed in grant.runs]
