"""The questions of `pytask doctor`: what the server reports, which keys are in the way, which rights are missing.

It may ask what a user with few rights may not (INFO, CONFIG GET, TYPE); that is then reported as unknown.
It writes one key under a name of its own, which expires if it is not deleted.
"""

from __future__ import annotations

import re
import secrets
import statistics
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from pytask.core.clock import monotonic_s, wall_s
from pytask.core.fields import text
from pytask.core.states import ENDED
from pytask.errors import Unavailable
from pytask.store.lua_source import sources
from pytask.store.records import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys

PINGS = 11
# A shared database may hold very many keys of other programs.
MOST_KEYS, PAGE = 20_000, 1000
EXPIRES_AFTER_MS = 60_000
MOST_ARGUMENTS = 5
# What the store sends outside of scripts; a test compares all commands with the rights in the docs.
OUTSIDE_SCRIPTS = {
    'blmove', 'blpop', 'echo', 'evalsha', 'exists', 'expire', 'hgetall', 'hstrlen', 'llen', 'lrange', 'ping',
    'publish', 'scan', 'script|load', 'smembers', 'time', 'zcard', 'zmscore', 'zrevrange',
}  # fmt: skip

REFUSED = object()  # no right to ask that, or the server does not know the command
_NONCE = secrets.token_hex(6)


class Checkup:
    """The questions of `pytask doctor`. Each method raises Unavailable if the server does not answer."""

    def __init__(self, db: Database, keys: Keys) -> None:
        self._db, self._keys = db, keys
        self._fixed = {
            keys.lines: 'list', keys.queues: 'set', keys.leases: 'zset', keys.due: 'zset', keys.held: 'zset',
            keys.paused: 'hash', keys.dead: 'list', keys.parked_names: 'set', keys.suspects: 'list',
            keys.end_task: 'zset', keys.end_handler: 'string', keys.schedules: 'zset',
            keys.workers: 'zset', keys.stats: 'hash',
            **{keys.ended_in(state): 'zset' for state in sorted(ENDED)},
        }  # fmt: skip
        # Keys that end with a name, by their beginning.
        self._families = {
            keys.runs: 'hash', f'{keys.lines}-': 'list', keys.inboxes: 'list', keys.parked: 'list',
            keys.schedule_hashes: 'hash', keys.worker_hashes: 'hash', keys.claim_record(''): 'list',
            keys.answer(''): 'list',
        }  # fmt: skip

    def info(self) -> dict[str, str]:
        """Return the reply to INFO; an empty dict if this user may not ask."""
        found = self._ask('INFO')
        return {} if found is REFUSED else {str(key): str(value) for key, value in found.items()}

    def config(self, *names: str) -> dict[str, str]:
        """Return settings of the server, without those that this user may not see."""
        answers = {name: self._ask('CONFIG GET', name) for name in names}
        return {name: str(found.get(name, '')) for name, found in answers.items() if found is not REFUSED}

    def latency_ms(self) -> float:
        """Return the median time of a round trip, in milliseconds."""
        spans = []
        for _ in range(PINGS):
            begun = monotonic_s()
            self._db.call('PING')
            spans.append(monotonic_s() - begun)
        return statistics.median(spans) * 1000

    def ahead_s(self) -> float:
        """Return by how many seconds the server's clock is ahead of this machine's."""
        before = wall_s()
        return self._db.now_ms() / 1000 - (before + wall_s()) / 2

    def foreign_keys(self, limit: int = 10) -> list[tuple[str, str, str]] | None:
        """Return (key, its type, the type pytask uses) of keys in the way; None if this user may not look."""
        if self._ask('TYPE', self._keys.lines) is REFUSED:
            return None
        found: list[tuple[str, str, str]] = []
        ours = self._fixed | {key: self._type_of(key) for key in self._scanned() if key not in self._fixed}
        for page in chunks([pair for pair in ours.items() if pair[1]], PAGE):
            kinds = map(text, self._db.pipe([('TYPE', key) for key, _ in page]))
            found += [
                (key, kind, our) for (key, our), kind in zip(page, kinds, strict=True) if kind not in ('none', our)
            ]
        return found[:limit]

    def lacking(self) -> list[str]:
        """Return the rights that pytask needs and this user lacks: commands, keys, channels."""
        return [*self._lacking_commands(), *self._lacking_keys(), *self._lacking_channels()]

    def _lacking_commands(self) -> list[str]:
        """Try each command with a probe key as its every argument. Nothing else is touched.

        ACL DRYRUN would be simpler, but the users whose rights are limited may not call it. The probe is a string:
        a command that is allowed then fails for its type or arguments. The number of arguments is checked before
        the right to run it, so several numbers are tried.
        """
        probe = self._keys.answer(f'doctor-{_NONCE}')
        fill = ('SET', probe, '', 'PX', EXPIRES_AFTER_MS)
        if self._refusals([fill]) == ['run']:
            return ['set']  # without the string, other commands would write
        tries = [(name, count) for name in sorted(needed_commands()) for count in range(MOST_ARGUMENTS + 1)]
        calls = [(*name.upper().split('|'), *[probe] * count) for name, count in tries]
        refusals = self._refusals([call for each in calls for call in (fill, each)])[1::2]
        self._ask('DEL', probe)
        return list(dict.fromkeys(name for (name, _), why in zip(tries, refusals, strict=True) if why == 'run'))

    def _lacking_keys(self) -> list[str]:
        keys = [*self._fixed, *(family + _NONCE for family in self._families)]
        refusals = self._refusals([('EXISTS', key) for key in keys])
        return [f'key {key}' for key, why in zip(keys, refusals, strict=True) if why == 'access']

    def _lacking_channels(self) -> Iterator[str]:
        runs, worker = self._keys.runs, self._keys.worker_control(_NONCE)
        channels, patterns = (f'{runs}{_NONCE}', worker), (f'{runs}*', f'{runs}*-control')
        for kind, name in (*(('channels', name) for name in channels), *(('patterns', name) for name in patterns)):
            try:
                self._db.subscription(**{kind: [name]}).close()
            except Unavailable:
                self._db.call('PING')  # raises if the server itself is away
                yield f'{"subscribe" if kind == "channels" else "psubscribe"} {name}'

    def _ask(self, *command: Any) -> Any:
        execute: Any = self._db.client.execute_command
        try:
            return execute(*command)
        except ResponseError:
            return REFUSED
        except RedisError as error:
            raise Unavailable(f'cannot use Redis at {self._db.url} ({error})') from error

    def _refusals(self, calls: Sequence[tuple[Any, ...]]) -> list[str]:
        """Return for each call the right it lacks: `run` the command, `access` its keys; '' for none."""
        pipeline: Any = self._db.client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call)
        try:
            return [_missing_right(reply) for reply in pipeline.execute(raise_on_error=False)]
        except RedisError as error:
            raise Unavailable(f'cannot use Redis at {self._db.url} ({error})') from error

    def _type_of(self, key: str) -> str:
        """Return the type of pytask's keys with such a name; '' for any other name."""
        return next((kind for family, kind in self._families.items() if key.startswith(family)), '')

    def _scanned(self) -> Iterator[str]:
        cursor, seen = b'0', 0
        while seen < MOST_KEYS:
            cursor, page = self._db.call('SCAN', cursor, 'MATCH', f'{self._keys.prefix}*', 'COUNT', PAGE)
            seen += PAGE
            yield from map(text, page)
            if cursor == b'0':
                return


def needed_commands() -> set[str]:
    """Return every command that pytask sends, by its name in an ACL."""
    called = (re.findall(r"redis\.p?call\('([A-Z]+)'", source.text) for source in sources())
    return OUTSIDE_SCRIPTS.union(name.lower() for names in called for name in names)


def _missing_right(reply: Any) -> str:
    if not isinstance(reply, NoPermissionError):
        return ''
    # Redis 6.2 to 8 and Valkey: `… no permissions to run the 'hset' command`, `… to access a key`.
    return 'run' if ' to run the ' in str(reply) else 'access'
