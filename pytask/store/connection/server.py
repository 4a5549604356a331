"""The address of Redis: a URL becomes a `ServerAddress`, which makes pools and notices moves.

Servers move: sentinels name another primary, a DNS name gets another address, a primary becomes a replica.
Connections made before a move are replaced before their next use (`transports`).
"""

from __future__ import annotations

import contextlib
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import RedisError
from redis.retry import Retry

from pytask.config.settings import redacted
from pytask.core.clock import monotonic_s
from pytask.errors import ConfigError
from pytask.store.connection.sentinel import ANSWER_WITHIN_S, NoPrimary, Sentinels, split_sentinel_url
from pytask.store.connection.transports import (
    PlainTcp,
    PlainTls,
    Tcp,
    Tls,
    Unix,
    greet_in_tls,
    greet_primary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = (
    'write redis://host:6379/0\n'
    '  - or rediss://host:6379/0 (TLS), unix:///path/to/redis.sock?db=0,\n'
    '    redis+sentinel://host:26379,host2:26379/service/0'
)
LOOK_EVERY_S = 2.0
# Limits of pools: if another program shares the URL, they are meant for its pools.
_OF_POOLS = frozenset({'max_connections', 'timeout'})
_KINDS: dict[Any, Any] = {redis.Connection: Tcp, redis.SSLConnection: Tls, redis.UnixDomainSocketConnection: Unix}
_FILES = ('ssl_ca_certs', 'ssl_ca_path', 'ssl_certfile', 'ssl_keyfile')


class ServerAddress:
    """The server that a URL names. Raises ConfigError for a bad URL."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url = shown(url)
        self.moves = 0
        self._place: tuple[str, int] | None = None
        self._look_at = 0.0
        try:
            places, service, plain = split_sentinel_url(url)
            kind, options = _parsed(plain)
            self._sentinels = Sentinels(places, service, _asking(options)) if places else None
            self._options = options | _ours(timeout_s) | {'connection_class': kind, 'server': self}
            if places:
                self._options['redis_connect_func'] = greet_primary
            elif kind is Tls:
                self._options['redis_connect_func'] = greet_in_tls
            # Bad options raise here, not at the first command.
            self.pool(redis.ConnectionPool).make_connection()
        except (ValueError, TypeError, RedisError) as error:
            raise ConfigError(f'not a Redis URL: {self.url}; {_why_not(error)}') from None
        self.user: str = options.get('username') or 'default'

    def pool(self, kind: type[redis.ConnectionPool], **bounds: Any) -> Any:
        return kind(**self._options, **bounds)

    def moved(self) -> None:
        """Assume that another server has taken over: every connection is replaced before its next use."""
        self.moves += 1

    def locate(self, connection: Any) -> None:
        """Set host and port of a connection. Raises NoPrimary if no sentinel knows the primary."""
        if self._sentinels is not None:
            connection.host, connection.port = self._ask(self._sentinels)

    def look(self) -> None:
        """Ask the sentinels again every few seconds: an old primary that returns takes writes for up to 10 s."""
        if self._sentinels is not None and monotonic_s() > self._look_at:
            with contextlib.suppress(NoPrimary):  # the present connections may be fine
                self._ask(self._sentinels)

    def _ask(self, sentinels: Sentinels) -> tuple[str, int]:
        begun = monotonic_s()
        self._look_at = begun + LOOK_EVERY_S  # one caller asks, the others continue
        try:
            place = sentinels.primary()
        finally:
            # So silent sentinels take at most a tenth of the time.
            took_s = monotonic_s() - begun
            self._look_at = begun + max(LOOK_EVERY_S, 10 * took_s)
        if place != self._place:
            self._place = place
            self.moved()
        return place


def shown(url: str) -> str:
    """Return a URL without passwords, including those of sentinels and of keys."""
    return re.sub(r'([?&]\w*password=)[^&#]*', r'\1***', redacted(url))


def _parsed(url: str) -> tuple[Any, dict[str, Any]]:
    """Return the connection class that a URL asks for, and its options."""
    options = {key: value for key, value in parse_url(url).items() if key not in _OF_POOLS}  # type: ignore[no-untyped-call]
    kind = _KINDS[options.pop('connection_class', redis.Connection)]
    if kind is Unix and (urlsplit(url).hostname or 'path' not in options):
        raise ValueError('a path must begin with a slash')
    if kind is Tls:
        _check_hosts(options)
    for name in _FILES:
        if name in options and not Path(options[name]).exists():
            raise ConfigError(f'{name}={options[name]}: no such file')
    return kind, options


def _asking(options: dict[str, Any]) -> Callable[..., Any]:
    """Return a factory of connections to sentinels; their options are removed from `options`."""
    own = {key: options.pop(key) for key in list(options) if key.startswith('sentinel_')}
    kind: Any = PlainTcp
    if own.pop('sentinel_ssl', 'no').lower() in {'yes', 'true', '1'}:
        kind = PlainTls
        own |= {key: value for key, value in options.items() if key.startswith('ssl_')}
        _check_hosts(own)
    connection = partial(kind, **{key.removeprefix('sentinel_'): own[key] for key in own}, **_ours(ANSWER_WITHIN_S))
    connection()  # raises for unknown options
    return connection


def _check_hosts(options: dict[str, Any]) -> None:
    # redis-py before 6 accepts a valid certificate of any host.
    options.setdefault('ssl_check_hostname', options.get('ssl_cert_reqs') != 'none')


def _why_not(error: Exception) -> str:
    # Errors about the form of a URL may quote a password.
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown:
        return f'unknown option {unknown[1]!r}'
    return str(error) if isinstance(error, RedisError) else EXAMPLES


def _ours(timeout_s: float) -> dict[str, Any]:
    """Return the options that no URL may set: another program that shares the URL may want others."""
    options: dict[str, Any] = {
        'protocol': 2,
        'decode_responses': False,
        'retry': Retry(NoBackoff(), 0),
        'socket_timeout': timeout_s,
        'socket_connect_timeout': timeout_s,
        'health_check_interval': 0,
    }
    # Keep redis-py from introducing itself on each connection: old servers answer with two errors, in 0.3 ms.
    if int(redis.__version__.split('.')[0]) >= 8:
        return options | {'driver_info': None}
    return options | {'lib_name': None, 'lib_version': None}
