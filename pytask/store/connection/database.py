"""The only place that talks to Redis: connections are taken, used for one round trip, and given back.

redis-py 8 retries by itself, which runs writes twice and loses pops; here every connection is made with
no retry at all (`address`), and what may be retried (scripts, all idempotent) is retried above, knowingly.
Errors leave as pytask's own (`trouble`): `Unavailable` when the server can not serve just now, whatever
class they came as.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from pytask.errors import PytaskError
from pytask.store.connection.errors import explained
from pytask.store.connection.server import ServerAddress
from pytask.store.connection.subscription import Subscription
from pytask.store.lua_source import sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ['Database', 'Subscription']

# redis-py before 5.3 wants to be told what a connection is for, and does nothing with it; later ones complain.
_TAKE = ('',) if tuple(map(int, redis.__version__.split('.')[:2])) < (5, 3) else ()


class Database:
    """A pool of connections to one Redis, and the few ways we talk through it. Safe in threads and greenlets.

    `timeout_s` bounds every reply; `size` the connections for commands, for one of which a caller waits.
    Raises ConfigError for a bad URL.
    """

    def __init__(self, url: str, *, size: int = 32, timeout_s: float = 5.0) -> None:
        self.timeout_s = timeout_s
        self._server = ServerAddress(url, timeout_s)
        self.url = self._server.url
        self._pool = self._server.pool(redis.BlockingConnectionPool, max_connections=size, timeout=timeout_s)
        self.client: redis.Redis = redis.Redis(connection_pool=self._pool)
        # Subscriptions are held for long: out of the bounded pool, or many that wait would starve each other.
        self.listening: redis.Redis = redis.Redis(connection_pool=self._server.pool(redis.ConnectionPool))

    def call(self, *command: Any) -> Any:
        """Send one command and return the bare reply. Raises Unavailable."""
        return self.pipe([command])[0]

    def pipe(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one round trip. Raises for the first that failed; the others have been done."""
        replies = self._send(commands)
        forgotten = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if forgotten:  # the server was restarted, or is another one: those commands have not run
            self.pipe([('SCRIPT', 'LOAD', source.text) for source in sources()])
            for i, reply in zip(forgotten, self._send([commands[i] for i in forgotten]), strict=True):
                replies[i] = reply
        return [self._checked(reply) for reply in replies]

    def read(self, reads: Sequence[tuple[Any, ...]], otherwise: Any) -> list[Any]:
        """Send reads in one round trip; a key that another program uses as another type reads as `otherwise`."""
        replies = self._send(reads) if reads else []
        return [
            otherwise if isinstance(reply, ResponseError) and 'WRONGTYPE' in str(reply) else self._checked(reply)
            for reply in replies
        ]

    def now_ms(self) -> int:
        """Return the time by Redis, in Unix milliseconds. Raises Unavailable."""
        return unix_ms(self.call('TIME'))

    def _checked(self, reply: Any) -> Any:
        if isinstance(reply, Exception):
            raise explained(reply, self._server)
        return reply

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            connection = self._pool.get_connection(*_TAKE)
        except (RedisError, OSError, ValueError) as error:  # ValueError: it was closed by another meanwhile
            raise explained(error, self._server) from error
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_read(connection) for _ in commands]
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise explained(error, self._server) from error
        except UnicodeError as error:  # a lone surrogate, before anything was sent
            raise PytaskError(f'Redis takes no text that is no UTF-8: {error}') from error
        except BaseException:
            # Interrupted between question and answer: the answer must not be read by the next caller.
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)

    def subscription(self, *, channels: Iterable[str] = (), patterns: Iterable[str] = ()) -> Subscription:
        """Subscribe, and return once the server has said so. Raises Unavailable."""
        return Subscription(self.listening, self._server, self.timeout_s, tuple(channels), tuple(patterns))

    def close(self) -> None:
        for client in (self.client, self.listening):
            client.close()
            client.connection_pool.disconnect()


def unix_ms(time: Sequence[bytes]) -> int:
    """Return a reply to TIME as Unix milliseconds."""
    return int(time[0]) * 1000 + int(time[1]) // 1000


def _read(connection: Any) -> Any:
    try:
        return connection.read_response(disconnect_on_error=True)
    except ResponseError as error:
        return error
