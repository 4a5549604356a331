"""Answers of workers. The client that asks makes up a name and waits for the answer under it; it is taken once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.clock import monotonic_s

if TYPE_CHECKING:
    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys

# An answer expires if the client that asked is gone.
KEPT_S = 60
TURN_S = 1


class Answers:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._db, self._keys = db, keys

    def give(self, name: str, answer: bytes) -> None:
        """Leave an answer. Raises Unavailable."""
        key = self._keys.answer(name)
        self._db.pipe([('RPUSH', key, answer), ('EXPIRE', key, KEPT_S)])

    def take(self, name: str, *, timeout_s: float) -> bytes | None:
        """Return the answer, or None after about `timeout_s`. Raises Unavailable."""
        limit = monotonic_s() + timeout_s
        while True:
            left_s = max(0.01, min(TURN_S, limit - monotonic_s()))
            found = self._db.call('BLPOP', self._keys.answer(name), left_s)
            if found is not None:
                answer: bytes = found[1]
                return answer
            if monotonic_s() >= limit:
                return None
