"""The life of a run in Redis: accepted, claimed, renewed, requeued, recorded.

Most methods are one script, atomic and safe to repeat, so a caller that lost the reply can ask again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.fields import text
from pytask.store.flows import Held, arguments_of
from pytask.store.records import Claimed, Grant, chunks, pairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.records import Claimant, Ended, Line, NewRun, Note
    from pytask.store.scripts import Scripts

# A grant is cut at this size: parsing the reply must not block other greenlets.
MAX_GRANT_BYTES = 4 * 2**20
# Items per call; even the slowest script then takes about 5 ms of Redis' time.
CHUNK = 500


class Queues:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts) -> None:
        self._db, self._keys, self._scripts = db, keys, scripts

    def start(self, runs: Sequence[NewRun]) -> list[bool]:
        """Accept runs in one round trip; return for each whether its id was new."""
        calls = [
            self._scripts.start.command(*(part for run in chunk for part in run)) for chunk in chunks(runs, CHUNK)
        ]
        return [answer == b'OK' for answers in self._db.pipe(calls) for answer in answers]

    def claim(self, who: Claimant, line: Line, limit: int) -> Grant:
        """Claim up to `limit` runs from a line."""
        reply = self._scripts.claim(
            who.worker_id, who.nonce, who.lease_ms, limit, MAX_GRANT_BYTES, line.queue, line.parked, *line.held,
            line=line.key, record=self._keys.claim_record(who.worker_id),
            worker_hash=self._keys.worker_hash(who.worker_id),
        )  # fmt: skip
        if reply[0] == b'UNREGISTERED':
            return Grant(is_registered=False)
        if reply[0] == b'PAUSED':
            return Grant(is_paused=True)
        tail = f':{who.nonce}:{who.worker_id}'
        rows, parts = iter(reply[4]), iter(reply[5:])
        extras = {
            run_id: {'timeout': text(limit), 'has_messages': has == 1}
            for run_id, limit, has in zip(rows, rows, rows, strict=True)
        }
        runs = [
            Claimed(
                text(run_id), text(task), data, int(n), text(n) + tail, waited_ms,
                **extras.get(run_id, {}),
            )
            for run_id, task, data, n, waited_ms in zip(parts, parts, parts, parts, parts, strict=True)
        ]  # fmt: skip
        return Grant(runs, reply[1] == 1, pairs(reply[2]), pairs(reply[3]))

    def begin_local(self, run: Claimed, *, worker_id: str, ttl_ms: int) -> None:
        """Begin a local run; its hash expires after `ttl_ms` unless the worker registers again."""
        self._scripts.begin_local(run.run_id, run.task, run.data, worker_id, run.token, ttl_ms)

    def record(self, notes: Sequence[Note], endings: Sequence[Ended]) -> list[bytes]:
        """Publish events, then record outcomes, in one round trip; return OK, DUP or STALE for each outcome."""
        ended = [ending for ending in endings if not ending.outcome.is_given_back]
        held = [ending for ending in endings if isinstance(ending.outcome, Held)]
        back = [ending for ending in endings if ending.outcome.is_given_back and ending not in held]
        calls = []
        if notes:
            calls.append(self._scripts.emit.command(*(part for note in notes for part in note)))
        if ended:
            calls.append(self._scripts.finish.command(*_flat(ended)))
        if back:
            items = (part for e in back for part in (e.run_id, e.token, e.outcome.reason))
            calls.append(self._scripts.release.command(*items))
        calls += [self._scripts.hold_flow.command(e.run_id, e.token, *arguments_of(e.outcome)) for e in held]
        replies = self._db.pipe(calls)[1 if notes else 0 :]
        by_id = dict(
            zip([e.token + e.run_id for e in (*ended, *back, *held)], [a for r in replies for a in r], strict=True)
        )
        return [by_id[e.token + e.run_id] for e in endings]

    def renew(self, held: Sequence[tuple[str, str]], *, lease_ms: int) -> list[tuple[str, str]]:
        """Renew the leases of (run id, token) pairs; return (run id, verdict) pairs that need action."""
        return pairs(self._scripts.renew(lease_ms, *(part for pair in held for part in pair)))

    def overdue(self, *, lease_ms: int, limit: int) -> list[tuple[str, float]]:
        """Return (run id, deadline in ms) of leases that have expired, or end impossibly far ahead."""
        now_ms = self._db.now_ms()
        page = ('WITHSCORES', 'LIMIT', 0, limit)
        leases = self._keys.leases
        found = self._db.pipe([
            ('ZRANGEBYSCORE', leases, '-inf', now_ms, *page),
            ('ZRANGEBYSCORE', leases, now_ms + 2 * lease_ms, '+inf', *page),
        ])  # fmt: skip
        return [(run_id, float(score)) for flat in found for run_id, score in pairs(flat)]

    def recover(self, seen: Sequence[tuple[str, float]], *, lease_ms: int) -> list[str]:
        """Requeue the runs whose lease still has the deadline that was seen; return their ids."""
        return list(map(text, self._scripts.recover(lease_ms, *(p for pair in seen for p in pair))))

    def sweep(self, cursor: str) -> tuple[str, int]:
        """Give RUNNING runs without a lease an expired one, one page per call; return (next cursor, how many)."""
        after, mended = self._scripts.sweep(cursor, CHUNK)
        return text(after), mended

    def promote(self, limit: int) -> int:
        """Queue up to `limit` runs whose time has come; return how many entries were looked at."""
        found: int = self._scripts.promote(limit)
        return found

    def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        """Return the number of entries in each queue."""
        names = list(queues)
        lengths = self._db.pipe([('LLEN', self._keys.line(name)) for name in names])
        return dict(zip(names, lengths, strict=True))


def _flat(endings: Sequence[Ended]) -> list[object]:
    flat: list[object] = []
    for run_id, token, outcome, seq in endings:
        flat += (run_id, token, outcome.state.value, outcome.reason, outcome.output, seq)
    return flat
