"""Parked runs, as a worker sees them: once a second, which lists of them are for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.clock import monotonic_s

if TYPE_CHECKING:
    from pytask.registry import Registry
    from pytask.store import Store

EVERY_S = 1.0
# A run nobody knows ends as ERROR after a day: long enough for any rolling deploy.
LIMIT_S = 86_400.0
LIMIT_EVERY_S = 60.0


class ParkedLook:
    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry
        self._looked_at = self._aged_at = 0.0

    def claimable(self) -> list[str]:
        """Return the tasks whose parked runs are for this worker: known ones, and those nobody knew for a day."""
        now = monotonic_s()
        if now < self._looked_at + EVERY_S:
            return []
        self._looked_at = now
        names = self._store.parked.names()
        mine = [name for name in names if self._registry.get(name)]
        if names and now >= self._aged_at + LIMIT_EVERY_S:
            self._aged_at = now
            ages = self._store.parked.oldest([name for name in names if name not in mine])
            mine += [name for name, age_s in ages if age_s > LIMIT_S]
        return mine
