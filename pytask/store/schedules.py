"""Stored schedules: declared by workers, fired by any of them, read and paused by clients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytask.core.fields import text
from pytask.schedules.schedule import Schedule
from pytask.store.connection.database import unix_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.schedules.schedule import Declared
    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.scripts import Scripts
    from pytask.store.workers import Workers

NEVER = '+inf'


class StoredSchedules:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts, workers: Workers) -> None:
        self._db, self._keys, self._scripts, self._workers = db, keys, scripts, workers

    def now_ms(self) -> int:
        """Return the time by Redis, in Unix milliseconds."""
        return self._db.now_ms()

    def times(self, names: Sequence[str]) -> tuple[int, dict[str, float | None]]:
        """Return the time and when each schedule fires next, in ms: infinity for never, None if unknown."""
        time, scores = self._db.pipe([('TIME',), ('ZMSCORE', self._keys.schedules, *names)])
        found = (None if score is None else float(score) for score in scores)
        return unix_ms(time), dict(zip(names, found, strict=True))

    def declare(self, declared: Declared, next_ms: int | None) -> str:
        """Store a schedule; return NEW, CHANGED, SAME, REFUSED, or MISSED if it is new and has no next time."""
        return self._scripts.declare_schedule.answer(
            declared.name, declared.task, declared.queue, declared.data, declared.trigger_text, _score(next_ms),
            int(next_ms is None),
        )  # fmt: skip

    def fire(self, name: str, at_ms: int, next_ms: int | None, run_id: str) -> str:
        """Start the run of a schedule that is due; return OK, EXISTS, STALE or REFUSED."""
        return self._scripts.fire_schedule.answer(name, at_ms, _score(next_ms), run_id)

    def pause(self, name: str) -> str:
        """Pause a schedule; return APPLIED or NOT_FOUND."""
        return self._scripts.pause_schedule.answer(name)

    def resume(self, name: str, next_ms: int | None, *, is_missed: bool) -> str:
        """Resume a schedule; return APPLIED, REFUSED or NOT_FOUND."""
        return self._scripts.resume_schedule.answer(name, _score(next_ms), int(is_missed))

    def remove(self, name: str) -> str:
        """Remove a schedule; return APPLIED, REFUSED or NOT_FOUND."""
        return self._scripts.remove_schedule.answer(name)

    def trigger(self, name: str) -> bytes:
        """Return the stored text of a trigger, b'' for none."""
        return self._db.call('HGET', self._keys.schedule(name), 'trigger') or b''

    def names(self) -> list[str]:
        """Return all names, the one that fires next first."""
        return [text(raw) for raw in self._db.call('ZRANGE', self._keys.schedules, 0, -1)]

    def read(self, names: Sequence[str]) -> list[Schedule]:
        """Read schedules; names without one are left out."""
        if not names:
            return []
        hashes = [('HGETALL', self._keys.schedule(name)) for name in names]
        scores, *raws = self._db.pipe([('ZMSCORE', self._keys.schedules, *names), *hashes])
        living = {name for worker in self._workers.alive() for name in worker.get('schedules', '').split('\n')}
        return [
            Schedule.from_hash(
                name, dict(zip(flat[::2], flat[1::2], strict=True)), float(score), is_declared=name in living
            )
            for name, score, flat in zip(names, scores, raws, strict=True)
            if score is not None and flat
        ]


def _score(next_ms: float | None) -> str:
    return NEVER if next_ms is None or next_ms == math.inf else str(round(next_ms))
