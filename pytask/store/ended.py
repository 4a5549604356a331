"""Ended runs for the end handler: each is kept until the handler has returned for it."""

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
        """Take ended runs for `visible_s`; return (run id, how often it was taken) pairs."""
        return [
            (run_id, int(times)) for run_id, times in pairs(self._scripts.take_ended(limit, int(visible_s * 1000)))
        ]

    def let_go(self, run_ids: Sequence[str]) -> None:
        """Release runs for which the end handler has returned."""
        if run_ids:
            self._scripts.release_ended(*run_ids)

    def forget_unwanted(self) -> None:
        """Forget ended runs that are kept for an end handler, if no worker has had one for a day."""
        if not self._db.call('EXISTS', self._keys.end_handler):
            self._db.call('UNLINK', self._keys.end_task)
