"""Where Redis is: a URL becomes a `ServerAddress`, which makes pools and knows when a connection is outdated.

Servers move: sentinels name another primary, a name in DNS gets another address, a primary becomes a
replica. Connections made before a move are made anew before they are used again (`connection`).
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
# They bound pools: those of a URL that is shared with another program are not meant for ours.
_OF_POOLS = frozenset({'max_connections', 'timeout'})
_KINDS: dict[Any, Any] = {redis.Connection: Tcp, redis.SSLConnection: Tls, redis.UnixDomainSocketConnection: Unix}
_FILES = ('ssl_ca_certs', 'ssl_ca_path', 'ssl_certfile', 'ssl_keyfile')


class ServerAddress:
    """The server that a URL stands for. Raises ConfigError for a URL that is none."""

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
            # What is wrong with the options is told here, not when the first command is sent.
            self.pool(redis.ConnectionPool).make_connection()
        except (ValueError, TypeError, RedisError) as error:
            raise ConfigError(f'not a Redis URL: {self.url}; {_why_not(error)}') from None
        self.user: str = options.get('username') or 'default'

    def pool(self, kind: type[redis.ConnectionPool], **bounds: Any) -> Any:
        return kind(**self._options, **bounds)

    def moved(self) -> None:
        """Take it that another server has its part now: every connection is made anew before it is used again."""
        self.moves += 1

    def locate(self, connection: Any) -> None:
        """Tell a connection where to. Raises NoPrimary where no sentinel knows."""
        if self._sentinels is not None:
            connection.host, connection.port = self._ask(self._sentinels)

    def look(self) -> None:
        """Ask the sentinels again from time to time: an old primary that comes back takes writes for 10 s."""
        if self._sentinels is not None and monotonic_s() > self._look_at:
            with contextlib.suppress(NoPrimary):  # what is connected may be well
                self._ask(self._sentinels)

    def _ask(self, sentinels: Sentinels) -> tuple[str, int]:
        begun = monotonic_s()
        self._look_at = begun + LOOK_EVERY_S  # one asks, the others go on meanwhile
        try:
            place = sentinels.primary()
        finally:
            # Sentinels that do not answer take a tenth of the time at most.
            took_s = monotonic_s() - begun
            self._look_at = begun + max(LOOK_EVERY_S, 10 * took_s)
        if place != self._place:
            self._place = place
            self.moved()
        return place


def shown(url: str) -> str:
    """Return a URL without its secrets, those of sentinels and keys too."""
    return re.sub(r'([?&]\w*password=)[^&#]*', r'\1***', redacted(url))


def _parsed(url: str) -> tuple[Any, dict[str, Any]]:
    """Return the kind of connection that a URL asks for, and its options."""
    options = {key: value for key, value in parse_url(url).items() if key not in _OF_POOLS}  # type: ignore[no-untyped-call]
    kind = _KINDS[options.pop('connection_class', redis.Connection)]
    if kind is Unix and (urlsplit(url).hostname or 'path' not in options):
        raise ValueError('a path begins with a slash')
    if kind is Tls:
        _check_hosts(options)
    for name in _FILES:
        if name in options and not Path(options[name]).exists():
            raise ConfigError(f'{name}={options[name]}: there is no such file')
    return kind, options


def _asking(options: dict[str, Any]) -> Callable[..., Any]:
    """Return what makes connections to sentinels; their part of the options is taken out."""
    own = {key: options.pop(key) for key in list(options) if key.startswith('sentinel_')}
    kind: Any = PlainTcp
    if own.pop('sentinel_ssl', 'no').lower() in {'yes', 'true', '1'}:
        kind = PlainTls
        own |= {key: value for key, value in options.items() if key.startswith('ssl_')}
        _check_hosts(own)
    connection = partial(kind, **{key.removeprefix('sentinel_'): own[key] for key in own}, **_ours(ANSWER_WITHIN_S))
    connection()  # complains about what it does not know
    return connection


def _check_hosts(options: dict[str, Any]) -> None:
    # redis-py before 6 takes any good certificate for that of the host it was told.
    options.setdefault('ssl_check_hostname', options.get('ssl_cert_reqs') != 'none')


def _why_not(error: Exception) -> str:
    # Errors of a URL's form may quote a password.
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown:
        return f'there is no option {unknown[1]!r}'
    return str(error) if isinstance(error, RedisError) else EXAMPLES


def _ours(timeout_s: float) -> dict[str, Any]:
    """Return what no URL decides: it may be shared with a program that wants these otherwise."""
    options: dict[str, Any] = {
        'protocol': 2,
        'decode_responses': False,
        'retry': Retry(NoBackoff(), 0),
        'socket_timeout': timeout_s,
        'socket_connect_timeout': timeout_s,
        'health_check_interval': 0,
    }
    # redis-py introduces itself on each connection: two errors and 0.3 ms on servers that do not care.
    if int(redis.__version__.split('.')[0]) >= 8:
        return options | {'driver_info': None}
    return options | {'lib_name': None, 'lib_version': None}
