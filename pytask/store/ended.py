"""Ended runs on their way to the end handler: each at least once, owned here until it has returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.store.records import pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.scripts import Scripts


class Ends:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts) -> None:
        self._db, self._keys, self._scripts = db, keys, scripts

    def take(self, limit: int, *, visible_s: float) -> list[tuple[str, int]]:
        """Take ended runs for so many seconds; return (run id, how often it was taken)."""
        return [
            (run_id, int(times)) for run_id, times in pairs(self._scripts.take_ended(limit, int(visible_s * 1000)))
        ]

    def let_go(self, run_ids: Sequence[str]) -> None:
        """Say that the end handler has returned for these."""
        if run_ids:
            self._scripts.release_ended(*run_ids)

    def forget_unwanted(self) -> None:
        """Forget ended runs that were kept for an end handler that no worker has had for a day."""
        if not self._db.call('EXISTS', self._keys.end_handler):
            self._db.call('UNLINK', self._keys.end_task)
