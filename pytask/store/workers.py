"""Workers: which are alive, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.fields import text
from pytask.errors import ConfigError
from pytask.store.records import Registered, pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.scripts import Scripts


class Workers:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts) -> None:
        self._db, self._keys, self._scripts = db, keys, scripts

    def register(
        self,
        worker_id: str,
        *,
        lease_ms: int,
        fields: Mapping[str, Any],
        local_ids: Iterable[str] = (),
        handles_ends: bool = False,
    ) -> Registered:
        """Record that a worker is alive for one more lease; return what it and its local runs were told.

        Raises ConfigError if other workers of this prefix have another lease length.
        """
        locals_ = list(local_ids)
        flat = [part for pair in fields.items() for part in pair]
        answer = self._scripts.register(
            worker_id, lease_ms, lease_ms, int(handles_ends), len(locals_), *locals_, *flat,
            worker_hash=self._keys.worker_hash(worker_id),
        )  # fmt: skip
        if not isinstance(answer, list):
            other = int(answer) / 1000
            raise ConfigError(
                f'the other workers of this prefix use a lease of {other:g} s, this one {lease_ms / 1000:g} s; '
                f'start it with --lease {other:g}'
            )
        stop, forgotten, verdicts = answer
        return Registered(bool(stop), list(map(text, forgotten)), pairs(verdicts))

    def stop(self, worker_id: str) -> str:
        """Tell a worker to shut down; return REQUESTED or NOT_FOUND."""
        return self._scripts.stop_worker.answer(worker_id, worker_hash=self._keys.worker_hash(worker_id))

    def forget(self, worker_id: str) -> None:
        """Delete the record of a worker that has shut down."""
        self._db.pipe([
            ('ZREM', self._keys.workers, worker_id),
            ('UNLINK', self._keys.worker_hash(worker_id), self._keys.claim_record(worker_id)),
        ])  # fmt: skip

    def alive(self) -> list[dict[str, str]]:
        """Return the hashes of all live workers, each with its `id`."""
        ids = list(map(text, self._db.call('ZRANGEBYSCORE', self._keys.workers, self._db.now_ms(), '+inf')))
        hashes = self._db.pipe([('HGETALL', self._keys.worker_hash(worker_id)) for worker_id in ids])
        return [_worker(worker_id, flat) for worker_id, flat in zip(ids, hashes, strict=True) if flat]


def _worker(worker_id: str, flat: list[bytes]) -> dict[str, str]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {'id': worker_id} | {text(key): text(value) for key, value in pairs}
