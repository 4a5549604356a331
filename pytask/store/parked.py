"""Parked runs, whose task no worker knows yet, and whether there are suspects, which workers died with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.fields import text
from pytask.store.connection.database import unix_ms
from pytask.store.pauses import read_pauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.pauses import Pause
    from pytask.store.scripts import Scripts


class Parked:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts) -> None:
        self._db, self._keys, self._scripts = db, keys, scripts

    def explain(self, reasons: Sequence[tuple[str, str]]) -> None:
        """Give parked runs a better reason: (run id, reason) pairs."""
        self._scripts.explain_parked(*(part for pair in reasons for part in pair))

    def names(self) -> list[str]:
        """Return the tasks that have parked runs."""
        return self.look()[0]

    def look(self) -> tuple[list[str], bool, list[Pause]]:
        """Return the tasks with parked runs, whether there are suspects, and the pauses of queues and tasks."""
        names, has_suspects, paused = self._db.pipe([
            ('SMEMBERS', self._keys.parked_names), ('EXISTS', self._keys.suspects),
            ('HGETALL', self._keys.paused),
        ])  # fmt: skip
        return [text(raw) for raw in names], bool(has_suspects), read_pauses(paused)

    def oldest(self, tasks: Sequence[str]) -> list[tuple[str, float]]:
        """Return for each task that has parked runs how many seconds the oldest has been parked."""
        if not tasks:
            return []
        ids = self._db.pipe([('LINDEX', self._keys.parked_list(task), -1) for task in tasks])
        known = [(task, text(run_id)) for task, run_id in zip(tasks, ids, strict=True) if run_id]
        reads = [('HGET', self._keys.run(run_id), 'parked') for _, run_id in known]
        time, *since = self._db.pipe([('TIME',), *reads])
        return [(task, unix_ms(time) // 1000 - float(at or 0)) for (task, _), at in zip(known, since, strict=True)]
