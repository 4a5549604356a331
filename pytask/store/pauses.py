"""Pauses: of a run by a field of its own, of queues and tasks by the fields of one hash.

The claim script reads that hash, so a pause takes effect at once; workers read it every second, only to stop
asking for paused queues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytask.core.fields import as_number, text
from pytask.core.states import State
from pytask.store.records import chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytask.core.run import Run
    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.scripts import Scripts

RUN, QUEUE, TASK = 'run', 'queue', 'task'
PAGE = 200


class Pause(NamedTuple):
    """One pause: `kind` is run, queue or task; `since` is in Unix seconds by Redis."""

    kind: str
    name: str
    since: float


class StoredPauses:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts) -> None:
        self._db, self._keys, self._scripts = db, keys, scripts

    def pause(self, run_id: str) -> str:
        """Pause a run; return APPLIED, REQUESTED, REFUSED, NOT_FOUND or the end state."""
        return self._scripts.pause.answer(run_id)

    def resume(self, run_id: str) -> str:
        """Resume a run; return what `pause` does, or the state of a run that was not paused."""
        return self._scripts.resume.answer(run_id)

    def close(self, kind: str, name: str) -> None:
        """Pause a queue or task; an existing pause keeps its time."""
        self._db.call('HSETNX', self._keys.paused, f'{kind}:{name}', f'{self._db.now_ms() / 1000:.3f}')

    def open(self, kind: str, name: str) -> bool:
        """Resume a queue or task; return whether it was paused."""
        return bool(self._db.call('HDEL', self._keys.paused, f'{kind}:{name}'))

    def named(self) -> list[Pause]:
        """Return the pauses of queues and tasks, sorted by kind and name."""
        return read_pauses(self._db.call('HGETALL', self._keys.paused))

    def of_runs(self, run_ids: Iterable[str]) -> Iterator[Pause]:
        """Yield the pauses of these runs."""
        for page in chunks(list(run_ids), PAGE):
            found = self._db.read([('HGET', self._keys.run(run_id), 'paused') for run_id in page], None)
            yield from (
                Pause(RUN, run_id, as_number(text(raw)) or 0.0)
                for run_id, raw in zip(page, found, strict=True)
                if raw is not None
            )

    def explain(self, runs: Iterable[Run | None]) -> None:
        """Give waiting runs without a reason the pause of their queue or task as the reason."""
        waiting = [run for run in runs if run is not None and run.state is State.WAIT and not run.reason]
        closed = {pause[:2] for pause in self.named()} if waiting else ()
        for run in waiting:
            for kind, name in ((QUEUE, run.queue), (TASK, run.task)):
                if (kind, name) in closed:
                    run.reason = f'{kind} {name} is paused'
                    break


def read_pauses(flat: Sequence[bytes]) -> list[Pause]:
    """Return the pauses in the reply to HGETALL of the hash of queues and tasks."""
    found = []
    for field, since in zip(flat[::2], flat[1::2], strict=True):
        kind, _, name = text(field).partition(':')
        if kind in (QUEUE, TASK):
            found.append(Pause(kind, name, as_number(text(since)) or 0.0))
    return sorted(found)
