"""The only builder of Redis clients, and the only place that sees redis-py's errors.

redis-py 8 retries by itself, which runs writes twice and loses pops; here every client is built
with no retry at all, and what may be retried (scripts, all idempotent) is retried above, knowingly.
Errors leave as `Unavailable` when the server can not serve just now, whatever class they came as.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from pytask.errors import ConfigError, PytaskError, Unavailable
from pytask.settings import redacted
from pytask.store.scripts import sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A server that says one of these can not serve now, and may later; everything else it says is a bug of ours.
# Older servers wrap it when a script meets it: `Error running script …: -OOM command not allowed`.
_NOT_NOW = re.compile(
    r'(?:^|: -)(?:OOM|MISCONF|READONLY|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|NOAUTH|NOPERM'
    r'|WRONGPASS|UNBLOCKED|ERR max number of clients)'
)
_NOT_NOW_CLASSES = (redis.ReadOnlyError, redis.exceptions.NoPermissionError, redis.exceptions.OutOfMemoryError)


class Database:
    """A pool of connections to one Redis, and the few ways we talk through it. Safe in threads and greenlets.

    `timeout_s` bounds every reply; `size` the connections for commands, for one of which a caller waits.
    """

    def __init__(self, url: str, *, size: int = 32, timeout_s: float = 5.0) -> None:
        self.url = redacted(url)
        self.timeout_s = timeout_s
        options = _options(timeout_s)
        try:
            pool = redis.BlockingConnectionPool.from_url(url, max_connections=size, timeout=timeout_s, **options)
            # Subscriptions are held for long: out of the bounded pool, or many that wait would starve each other.
            self.listening = redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, **options))
        except ValueError:
            # The error itself may quote a password.
            raise ConfigError(f'not a Redis URL: {self.url}; write redis://host:6379/0') from None
        self.client: redis.Redis = redis.Redis(connection_pool=pool)

    def call(self, *command: Any) -> Any:
        """Send one command and return the bare reply. Raises Unavailable."""
        return self.pipe([command])[0]

    def pipe(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one round trip. Raises for the first that failed; the others have been done."""
        replies = self._send(commands)
        forgotten = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if forgotten:  # the server was restarted, or is another one: those commands have not run
            self._send([('SCRIPT', 'LOAD', source.text) for source in sources()])
            for i, reply in zip(forgotten, self._send([commands[i] for i in forgotten]), strict=True):
                replies[i] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise self._explained(reply)
        return replies

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        pool: Any = self.client.connection_pool
        try:
            connection = pool.get_connection()
        except (RedisError, OSError) as error:
            raise self._explained(error) from error
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_read(connection) for _ in commands]
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise self._explained(error) from error
        except BaseException:
            # Interrupted between question and answer: the answer must not be read by the next caller.
            connection.disconnect()
            raise
        finally:
            pool.release(connection)

    def subscription(self, *, channels: Iterable[str] = (), patterns: Iterable[str] = ()) -> Subscription:
        """Subscribe, and return once the server has said so. Raises Unavailable."""
        return Subscription(self, tuple(channels), tuple(patterns))

    def close(self) -> None:
        for client in (self.client, self.listening):
            client.close()
            client.connection_pool.disconnect()

    def _explained(self, error: Exception) -> Exception:
        text = str(error)
        is_plain = isinstance(error, ResponseError) and not isinstance(error, _NOT_NOW_CLASSES)
        if is_plain and not _NOT_NOW.search(text):
            return PytaskError(f'Redis refused a command of pytask: {text}')
        why = re.sub(r'^Error -?\d+ connecting to \S+ ', '', text).rstrip('.') or type(error).__name__
        return Unavailable(
            f'cannot use Redis at {self.url} ({why[:1].lower() + why[1:] if "Error" in text else why})'
        )


class Subscription:
    """One pub/sub connection with one reader. What it says is a hint: a reader re-reads the hashes too."""

    def __init__(self, db: Database, channels: tuple[str, ...], patterns: tuple[str, ...]) -> None:
        self._db = db
        client: Any = db.listening  # redis-py leaves much of itself untyped
        self._pubsub = client.pubsub()
        self._waiting_for = len(channels) + len(patterns)
        try:
            self._subscribe(channels, patterns)
            while self._waiting_for:
                before = self._waiting_for
                self.read(timeout_s=db.timeout_s)
                if self._waiting_for == before:
                    raise Unavailable(f'cannot use Redis at {db.url} (a subscription is not answered)')
        except BaseException:
            self.close()
            raise

    def _subscribe(self, channels: tuple[str, ...], patterns: tuple[str, ...]) -> None:
        try:
            if channels:
                self._pubsub.subscribe(*channels)
            if patterns:
                self._pubsub.psubscribe(*patterns)
        except (RedisError, OSError) as error:
            raise self._db._explained(error) from error  # noqa: SLF001 - the two are one unit

    def read(self, *, timeout_s: float) -> tuple[str, bytes] | None:
        """Return the next message as (channel, text), or None after so many seconds. Raises Unavailable."""
        try:
            raw = self._pubsub.get_message(timeout=timeout_s)
        except (RedisError, OSError, ValueError) as error:
            raise self._db._explained(error) from error  # noqa: SLF001 - the two are one unit
        if raw is None:
            return None
        if raw['type'] in ('subscribe', 'psubscribe'):
            self._waiting_for -= 1
        if raw['type'] not in ('message', 'pmessage'):
            return None
        return raw['channel'].decode('utf-8', 'replace'), raw['data']

    def close(self) -> None:
        self._pubsub.close()


def _read(connection: Any) -> Any:
    try:
        return connection.read_response(disconnect_on_error=True)
    except ResponseError as error:
        return error


def _options(timeout_s: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        'protocol': 2,
        'retry': Retry(NoBackoff(), 0),
        'socket_timeout': timeout_s,
        'socket_connect_timeout': timeout_s,
        'socket_keepalive': True,
        'health_check_interval': 0,
    }
    # redis-py introduces itself on each connection: two errors and 0.3 ms on servers that do not care.
    if int(redis.__version__.split('.')[0]) >= 8:
        return options | {'driver_info': None}
    return options | {'lib_name': None, 'lib_version': None}
