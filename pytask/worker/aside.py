"""Claims what was laid aside, once a second: parked runs whose task this worker knows, and suspects.

How many of the suspects, and when it is time for more, the script knows: it sees how long those
held have lived.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.clock import monotonic_s
from pytask.store import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.store import Grant
    from pytask.worker.worker import Worker

EVERY_S = 1.0
BATCH = 16
SUSPECTS = 256
# A run nobody knows ends as ERROR after a day: long enough for any rolling deploy.
LIMIT_S = 86_400.0
LIMIT_EVERY_S = 60.0


class Aside:
    def __init__(self, worker: Worker, claim: Callable[[Line, int], Grant]) -> None:
        self._store, self._registry, self._slots = worker.store, worker.app.registry, worker.slots
        self._claim = claim
        self._looked_at = self._aged_at = 0.0
        self._suspects: list[str] = []

    def fetch(self) -> None:
        """Claim what is there for this worker; nothing before a second has gone by."""
        now = monotonic_s()
        if now < self._looked_at + EVERY_S:
            return
        self._looked_at = now
        names, has_suspects = self._store.parked.look()
        for name in self._for_me(names, now):
            limit = min(BATCH, self._slots.free)
            if limit > 0:
                self._claim(Line(self._store.keys.parked_list(name), parked=name), limit)
        self._suspects = [run_id for run_id in self._suspects if self._slots.get(run_id) is not None]
        if has_suspects:
            self._fetch_suspects()

    def _for_me(self, names: Sequence[str], now: float) -> list[str]:
        # Tasks this worker knows, and those that nobody knew for a day.
        mine = [name for name in names if self._registry.get(name)]
        if names and now >= self._aged_at + LIMIT_EVERY_S:
            self._aged_at = now
            ages = self._store.parked.oldest([name for name in names if name not in mine])
            mine += [name for name, age_s in ages if age_s > LIMIT_S]
        return mine

    def _fetch_suspects(self) -> None:
        limit = min(SUSPECTS, self._slots.free)
        if limit > 0:
            grant = self._claim(Line(self._store.keys.suspects, held=self._suspects), limit)
            self._suspects += [claimed.run_id for claimed in grant.runs]
