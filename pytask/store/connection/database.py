"""The only place that talks to Redis: it takes a connection, uses it for one round trip, and releases it.

redis-py 8 retries by itself, which repeats writes and loses what was popped. Here no connection retries (`server`);
callers retry what is safe to repeat, as all scripts are. Errors become pytask's own (`errors`): `Unavailable` if
the server cannot serve now, whatever redis-py calls it.
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

# redis-py before 5.3 requires an argument here, which it ignores; later versions warn about it.
_TAKE = ('',) if tuple(map(int, redis.__version__.split('.')[:2])) < (5, 3) else ()


class Database:
    """A pool of connections to one Redis. Safe in threads and greenlets.

    `timeout_s` limits the time of every reply, `size` the connections for commands; callers wait for a free one.
    Raises ConfigError for a bad URL.
    """

    def __init__(self, url: str, *, size: int = 32, timeout_s: float = 5.0) -> None:
        self.timeout_s = timeout_s
        self._server = ServerAddress(url, timeout_s)
        self.url = self._server.url
        self._pool = self._server.pool(redis.BlockingConnectionPool, max_connections=size, timeout=timeout_s)
        self.client: redis.Redis = redis.Redis(connection_pool=self._pool)
        # Subscriptions last long, so they are not taken from the bounded pool: callers would starve each other.
        self.listening: redis.Redis = redis.Redis(connection_pool=self._server.pool(redis.ConnectionPool))

    def call(self, *command: Any) -> Any:
        """Send one command and return the raw reply. Raises Unavailable."""
        return self.pipe([command])[0]

    def pipe(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one round trip. Raises the first error; the other commands were executed."""
        replies = self._send(commands)
        forgotten = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if forgotten:  # the server is new or was restarted: those commands did not run
            self.pipe([('SCRIPT', 'LOAD', source.text) for source in sources()])
            for i, reply in zip(forgotten, self._send([commands[i] for i in forgotten]), strict=True):
                replies[i] = reply
        return [self._checked(reply) for reply in replies]

    def read(self, reads: Sequence[tuple[Any, ...]], otherwise: Any) -> list[Any]:
        """Send reads in one round trip; a key of another type, which another program uses, reads as `otherwise`."""
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
        except (RedisError, OSError, ValueError) as error:  # ValueError: another thread has just closed it
            raise explained(error, self._server) from error
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_read(connection) for _ in commands]
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise explained(error, self._server) from error
        except UnicodeError as error:  # a lone surrogate, before anything was sent
            raise PytaskError(f'text for Redis must be valid Unicode: {error}') from error
        except BaseException:
            # Interrupted between command and reply: the next caller must not read that reply.
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)

    def subscription(self, *, channels: Iterable[str] = (), patterns: Iterable[str] = ()) -> Subscription:
        """Subscribe, and return once the server has confirmed it. Raises Unavailable."""
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
