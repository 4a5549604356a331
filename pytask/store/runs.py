"""Stored runs: read, list, command, retry and delete them."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING, Any

from pytask.core.events import parse_message
from pytask.core.fields import text
from pytask.core.run import Run
from pytask.core.states import ENDED, State
from pytask.store.connection.database import unix_ms
from pytask.store.lifecycle import CHUNK
from pytask.store.records import Reload, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytask.core.events import Message
    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.pauses import StoredPauses
    from pytask.store.scripts import Scripts
    from pytask.store.workers import Workers

PAGE = 200
# The most data and output to read at once.
PAGE_BYTES = 4 * 1024 * 1024


class Runs:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts, workers: Workers, pauses: StoredPauses) -> None:
        self._db, self._keys, self._scripts, self._workers = db, keys, scripts, workers
        self._pauses = pauses

    def read(self, run_ids: Sequence[str], client: Any = None) -> list[Run | None]:
        """Read runs in one round trip; None for an id without a run."""
        raws = self._db.read([('HGETALL', self._keys.run(run_id)) for run_id in run_ids], [])
        found = zip(run_ids, (dict(zip(flat[::2], flat[1::2], strict=True)) for flat in raws), strict=True)
        runs = [Run.from_hash(run_id, raw, client) if b'task' in raw else None for run_id, raw in found]
        self._pauses.explain(runs)
        return runs

    def messages(self, run_id: str) -> list[Message] | None:
        """Return the messages that a run published, oldest first; None if there is no such run."""
        facts, kept = self._db.pipe([
            ('HMGET', self._keys.run(run_id), 'task', 'messages'),
            ('LRANGE', self._keys.said(run_id), 0, -1),
        ])  # fmt: skip
        if facts[0] is None:
            return None
        return [parse_message(text) for text in kept] if facts[1] else []

    def ids(self, states: Sequence[State], queues: Sequence[str]) -> Iterator[str]:
        """Yield the ids in the indexes, page by page: running, waiting, then ended runs, newest first.

        An index is only a hint: the caller reads the hashes. An id may come twice.
        """
        if State.RUNNING in states:
            yield from self._local_ids()
            yield from self._leased()
        if State.WAIT in states:
            for line in self._waiting_lines(queues):
                yield from self._pages('LRANGE', line)
            yield from self._pages('ZREVRANGE', self._keys.due)
            yield from self._pages('ZREVRANGE', self._keys.held)
            if State.RUNNING in states:  # those claimed meanwhile
                yield from self._leased()
        for state in states:
            if state in ENDED:
                yield from self._pages('ZREVRANGE', self._keys.ended_in(state))

    def listed(self, states: Sequence[State], queues: Sequence[str], client: Any) -> Iterator[Run]:
        """Yield the runs behind `ids`, each once. They are read in pages; in smaller ones if the runs are large."""
        ids = _once(self.ids(states, queues))
        while page := list(islice(ids, PAGE)):
            for part in self._parts(page):
                yield from filter(None, self.read(part, client))

    def _parts(self, page: list[str]) -> Iterator[list[str]]:
        keys = [self._keys.run(run_id) for run_id in page]
        sizes = self._db.read([('HSTRLEN', key, name) for key in keys for name in ('data', 'output')], 0)
        part: list[str] = []
        size = 0
        for run_id, data, output in zip(page, sizes[::2], sizes[1::2], strict=True):
            if part and size + data + output > PAGE_BYTES:
                yield part
                part, size = [], 0
            part.append(run_id)
            size += data + output
        yield part

    def command(self, run_id: str, command: str, **how: Any) -> str:
        """Give a command; return APPLIED, REQUESTED, REFUSED, NOT_FOUND or the end state. `how`: see `_command`.

        The owner passes the `attempt` that it runs: the command is recorded and not published. The answer is STALE
        if that attempt is over.
        """
        return text(self._db.call(*self._command(run_id, command, **how)))

    def command_many(self, run_ids: Sequence[str], command: str, *, grace_s: float | None = None) -> list[str]:
        """Give many runs the same command, in chunks of one round trip each."""
        answers: list[bytes] = []
        for chunk in chunks(run_ids, CHUNK):
            answers += self._db.pipe([self._command(run_id, command, grace_s=grace_s) for run_id in chunk])
        return list(map(text, answers))

    def extend(self, run_id: str, seconds: str) -> str:
        """Give a run more time; return what `command` does."""
        return self._scripts.extend.answer(run_id, seconds)

    def extended(self, run_id: str, attempt: int) -> float:
        """Return the seconds that an extension leaves this attempt from now on; 0 or less for none."""
        given, time = self._db.pipe([('HGET', self._keys.run(run_id), 'extended'), ('TIME',)])
        of, _, until_ms = text(given).partition(':')
        if of != str(attempt) or not until_ms.isdecimal():
            return 0.0
        return (int(until_ms) - unix_ms(time)) / 1000

    def _command(  # noqa: PLR0913 - what a command may carry
        self,
        run_id: str,
        command: str,
        *,
        data: bytes = b'',
        command_id: str = '',
        grace_s: float | None = None,
        attempt: int | None = None,
    ) -> tuple[Any, ...]:
        grace, meant = '' if grace_s is None else f'{grace_s:.3f}', '' if attempt is None else attempt
        return self._scripts.command.command(run_id, command, data, command_id, grace, meant)

    def reloaded(self, run_id: str, token: str, reload_id: str, error: str, data: bytes, seq: int) -> bool:  # noqa: PLR0913, PLR0917 - the fields of one answer
        """Record the result of a reload; return False if the token no longer holds the run."""
        return bool(self._scripts.answer_reload(run_id, token, reload_id, error, data, seq) == b'OK')

    def begin_reload(self, run_id: str, token: str, last_id: str) -> Reload | None:
        """Take the requested reload and record that it is being built; None if the token does not hold the run.

        `last_id` is the reload that was taken last; it is not begun again.
        """
        found = self._scripts.begin_reload(run_id, token, 'building', last_id)
        return Reload(text(found[0]), found[1], found[2]) if found else None

    def reload_is_built(self, run_id: str, token: str, reload_id: str) -> None:
        """Record that the new instance was made, so its data is good."""
        self._scripts.begin_reload(run_id, token, 'built', reload_id)

    def reload_answer(self, run_id: str) -> tuple[str, str]:
        """Return the last answered reload (its id, a space, why it failed) and the state; '' for none."""
        found = self._db.call('HMGET', self._keys.run(run_id), 'reloaded', 'task', 'state')
        reloaded, task, state = map(text, found)
        return reloaded, (state or 'WAIT') if task else ''

    def retry(self, run_id: str, position: int | None = None) -> str:
        """Run an ended run again; return APPLIED, REFUSED, NOT_FOUND, or the state of one that has not ended."""
        return self._scripts.retry.answer(run_id, '' if position is None else position)

    def remove(self, run_ids: Sequence[str], *, takes_kept: bool) -> list[str]:
        """Delete ended runs; return for each OK, KEPT, NOT_FOUND, or the state of one that has not ended."""
        if not run_ids:
            return []
        return list(map(text, self._scripts.prune(int(takes_kept), *run_ids)))

    def oldest_ended(self, state: State, *, keep_s: float, keep_count: int, offset: int) -> list[str]:
        """Return a page of ids from the `offset`-th oldest on: older than `keep_s`, or beyond `keep_count`."""
        key = self._keys.ended_in(state)
        time, size = self._db.pipe([('TIME',), ('ZCARD', key)])
        cutoff_ms = int(unix_ms(time) - keep_s * 1000)
        surplus = min(PAGE, max(0, size - keep_count - offset))
        old, many = self._db.pipe([
            ('ZRANGEBYSCORE', key, '-inf', f'({cutoff_ms}', 'LIMIT', offset, PAGE),
            ('ZRANGE', key, offset, offset + surplus - 1) if surplus else ('ECHO', ''),
        ])  # fmt: skip
        longest = max(old, many or [], key=len)
        return list(map(text, longest))

    def counts(self) -> dict[State, int]:
        """Return the number of runs in each state, by the indexes."""
        lines = list(self._waiting_lines(()))
        apart = (self._keys.leases, self._keys.due, self._keys.held)
        queries = [('ZCARD', key) for key in (*apart, *map(self._keys.ended_in, State))]
        found = self._db.pipe([*queries, *(('LLEN', line) for line in lines)])
        running, *waiting = found[:3]
        counts = dict(zip(State, found[3 : 3 + len(State)], strict=True))
        return counts | {State.RUNNING: running, State.WAIT: sum(waiting) + sum(found[3 + len(State) :])}

    def starting_with(self, prefix: str, limit: int) -> list[str]:
        """Return up to `limit` ids that begin with `prefix`. It scans all keys: for ids typed by hand."""
        escaped = ''.join(f'\\{c}' if c in '*?[]\\' else c for c in prefix)
        pattern, cursor = f'{self._keys.runs}{escaped}*', b'0'
        found: list[str] = []
        while len(found) < limit:
            cursor, keys = self._db.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000, 'TYPE', 'hash')
            found += [self._keys.run_id(text(key)) for key in keys]
            if cursor == b'0':
                break
        return sorted(set(found))[:limit]

    def ids_out_of_line(self) -> Iterator[str]:
        """Yield the ids of runs that are running, due or held."""
        yield from self._local_ids()
        for index in (self._keys.leases, self._keys.due, self._keys.held):
            yield from self._pages('ZREVRANGE', index)

    def _local_ids(self) -> list[str]:
        return [i for worker in self._workers.alive() for i in worker.get('locals', '').split('\n') if i]

    def _waiting_lines(self, queues: Sequence[str]) -> Iterator[str]:
        names = set(queues) or {'default', *self._served_queues(), *self._used_queues()}
        yield from sorted(self._keys.line(name) for name in names)
        yield self._keys.suspects
        for raw in self._db.call('SMEMBERS', self._keys.parked_names):
            yield self._keys.parked_list(text(raw))

    def _served_queues(self) -> list[str]:
        return [queue for worker in self._workers.alive() for queue in worker.get('queues', '').split(',')]

    def _used_queues(self) -> list[str]:
        return [text(raw) for raw in self._db.call('SMEMBERS', self._keys.queues)]

    def _leased(self) -> list[str]:
        # All at once: renewals change the order, so a run renewed between two pages would be on neither.
        return [text(raw) for raw in self._db.call('ZREVRANGE', self._keys.leases, 0, -1)]

    def _pages(self, command: str, key: str) -> Iterator[str]:
        for at in count(0, PAGE):
            page = self._db.call(command, key, at, at + PAGE - 1)
            yield from map(text, page)
            if len(page) < PAGE:
                return


def _once(ids: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for run_id in ids:
        if run_id not in seen:
            seen.add(run_id)
            yield run_id
