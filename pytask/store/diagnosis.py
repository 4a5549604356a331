"""The checkup: what a server says of itself, what is in our way there, and which rights lack.

For `pytask doctor`. It may ask what the minimal user may not (INFO, CONFIG GET, TYPE): then that is not known.
What it writes is one list under a name of its own, which ends by itself if it is not deleted.
"""

from __future__ import annotations

import secrets
import statistics
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from pytask.core.clock import monotonic_s, wall_s
from pytask.core.fields import text
from pytask.core.states import ENDED
from pytask.errors import Unavailable
from pytask.store.records import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys

PINGS = 11
# Keys of other programs are many where they share a database.
MOST_KEYS, PAGE = 20_000, 1000
ENDS_AFTER_MS = 60_000

REFUSED = object()  # asked in vain: no right to ask that, or the server does not know it


class Checkup:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._db, self._keys = db, keys

    def info(self) -> dict[str, str]:
        """Return what INFO says; nothing where we may not ask. Raises Unavailable."""
        found = self._ask('INFO')
        return {} if found is REFUSED else {str(key): str(value) for key, value in found.items()}

    def config(self, *names: str) -> dict[str, str]:
        """Return settings of the server; those that we may not see are left out."""
        answers = {name: self._ask('CONFIG GET', name) for name in names}
        return {name: _text(found.get(name, '')) for name, found in answers.items() if found is not REFUSED}

    def latency_ms(self) -> float:
        """Return how long a question takes: the median of some."""
        spans = []
        for _ in range(PINGS):
            begun = monotonic_s()
            self._db.call('PING')
            spans.append(monotonic_s() - begun)
        return statistics.median(spans) * 1000

    def ahead_s(self) -> float:
        """Return how far the server's clock is ahead of this machine's."""
        before = wall_s()
        return self._db.now_ms() / 1000 - (before + wall_s()) / 2

    def foreign_keys(self, limit: int = 10) -> list[tuple[str, str, str]] | None:
        """Return (key, its type, ours) of keys with our names that are something else; None if we may not look."""
        if self._ask('TYPE', self._keys.lines) is REFUSED:
            return None
        found: list[tuple[str, str, str]] = []
        fixed = self._fixed()
        expected = fixed | {key: self._type_of(key) for key in self._scanned() if key not in fixed}
        for page in chunks([pair for pair in expected.items() if pair[1]], PAGE):
            kinds = self._db.pipe([('TYPE', key) for key, _ in page])
            pairs = zip(page, map(_text, kinds), strict=True)
            found += [(key, kind, ours) for (key, ours), kind in pairs if kind not in ('none', ours)]
        return found[:limit]

    def lacking(self) -> list[str]:
        """Return the rights that pytask needs and this user lacks: commands, keys, channels."""
        commands = [name for name, call in self._calls() if self._is_refused(*call)]
        self._ask('DEL', self._probe)
        keys = [f'key {key}' for key in [*self._fixed(), *self._samples()] if self._is_refused('EXISTS', key)]
        return [*commands, *([] if 'exists' in commands else keys), *self._deaf()]

    def _ask(self, *command: Any) -> Any:
        execute: Any = self._db.client.execute_command
        try:
            return execute(*command)
        except ResponseError:
            return REFUSED
        except RedisError as error:
            raise Unavailable(f'cannot use Redis at {self._db.url} ({error})') from error

    def _is_refused(self, *command: Any) -> bool:
        execute: Any = self._db.client.execute_command
        try:
            execute(*command)
        except NoPermissionError:
            return True
        except ResponseError:  # wrong type, no such script: it was let through to that
            return False
        except RedisError as error:
            raise Unavailable(f'cannot use Redis at {self._db.url} ({error})') from error
        return False

    @property
    def _probe(self) -> str:
        return self._keys.answer(f'doctor-{_NONCE}')

    def _calls(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield (command, a harmless call of it): on nothing, or on a list, which refuses what is for others."""
        nothing, probe = self._keys.answer(f'none-{_NONCE}'), self._probe
        calls: list[tuple[Any, ...]] = [
            ('blmove', nothing, nothing, 'RIGHT', 'RIGHT', 0.01), ('blpop', nothing, 0.01), ('del', nothing),
            ('echo', ''), ('evalsha', '0' * 40, 0), ('exists', nothing), ('hdel', nothing, 'f'),
            ('hexists', nothing, 'f'), ('hget', nothing, 'f'), ('hgetall', nothing), ('hmget', nothing, 'f'),
            ('hstrlen', nothing, 'f'),
            ('lindex', nothing, 0), ('llen', nothing), ('lpop', nothing), ('lrange', nothing, 0, 0),
            ('ltrim', nothing, 0, 0), ('persist', nothing), ('ping',), ('expire', nothing, 60),
            ('pexpire', nothing, ENDS_AFTER_MS), ('scan', 0, 'MATCH', nothing, 'COUNT', 1), ('smembers', nothing),
            ('srem', nothing, 'x'), ('time',), ('unlink', nothing), ('zcard', nothing), ('zrange', nothing, 0, 0),
            ('zrangebyscore', nothing, 0, 0), ('zrem', nothing, 'x'), ('zremrangebyscore', nothing, 0, 0),
            ('zrevrange', nothing, 0, 0), ('zscore', nothing, 'x'), ('zmscore', nothing, 'x'),
            ('publish', self._keys.run(_NONCE), ''),
        ]  # fmt: skip
        yield from ((call[0], call) for call in calls)
        yield 'script|load', ('SCRIPT LOAD', 'return 1')
        yield 'rpush', ('rpush', probe, 'x')
        yield 'lpush', ('lpush', probe, 'x')
        if self._ask('PEXPIRE', probe, ENDS_AFTER_MS) == 1:  # else there is no list to be refused by
            writes = [
                ('hincrby', probe, 'f', 1), ('hset', probe, 'f', 1), ('hsetnx', probe, 'f', 1), ('sadd', probe, 1),
                ('set', probe, 1, 'NX'), ('zadd', probe, 1, 1),
            ]  # fmt: skip
            yield from ((str(call[0]), call) for call in writes)

    def _deaf(self) -> Iterator[str]:
        """Yield what may not be subscribed to."""
        wanted: list[dict[str, list[str]]] = [
            {'channels': [self._keys.run(_NONCE)]},
            {'channels': [self._keys.worker_control(_NONCE)]},
            {'patterns': [f'{self._keys.runs}*']},
            {'patterns': [f'{self._keys.runs}*-control']},
        ]
        for how in wanted:
            try:
                self._db.subscription(**how).close()
            except Unavailable:
                self._db.call('PING')  # where it is away, that is to be told
                kind, names = next(iter(how.items()))
                yield f'{"subscribe" if kind == "channels" else "psubscribe"} {names[0]}'

    def _fixed(self) -> dict[str, str]:
        """Return our keys with names that do not vary, and their types."""
        keys = self._keys
        return {
            keys.lines: 'list', keys.queues: 'set', keys.leases: 'zset', keys.due: 'zset', keys.held: 'zset',
            keys.paused: 'hash', keys.dead: 'list', keys.parked_names: 'set', keys.suspects: 'list',
            keys.end_task: 'zset', keys.end_handler: 'string', keys.schedules: 'zset',
            keys.workers: 'zset', keys.stats: 'hash',
            **{keys.ended_in(state): 'zset' for state in sorted(ENDED)},
        }  # fmt: skip

    def _samples(self) -> list[str]:
        keys = self._keys
        varying = (
            keys.run, keys.inbox, keys.parked_list, keys.schedule, keys.worker_hash, keys.claim_record, keys.answer,
        )  # fmt: skip
        return [f'{keys.lines}-{_NONCE}', *(name(_NONCE) for name in varying)]

    def _type_of(self, key: str) -> str:
        """Return the type that a key of this name has where it is ours; '' for a name that is not ours."""
        keys = self._keys
        families = {
            keys.runs: 'hash', f'{keys.lines}-': 'list', keys.inboxes: 'list', keys.parked: 'list',
            keys.schedule_hashes: 'hash', keys.worker_hashes: 'hash', keys.claim_record(''): 'list',
            keys.answer(''): 'list',
        }  # fmt: skip
        return next((kind for family, kind in families.items() if key.startswith(family)), '')

    def _scanned(self) -> Iterator[str]:
        cursor, seen = b'0', 0
        while seen < MOST_KEYS:
            cursor, page = self._db.call('SCAN', cursor, 'MATCH', f'{self._keys.prefix}*', 'COUNT', PAGE)
            seen += PAGE
            yield from map(text, page)
            if cursor == b'0':
                return


_NONCE = secrets.token_hex(6)


def _text(value: Any) -> str:
    return text(value) if isinstance(value, bytes) else str(value)
