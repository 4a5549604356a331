"""Sentinels: they know which server of a service is the primary.

Each question opens a connection and closes it: questions are rare, a kept connection may be half-open, and
connections must not move between threads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import redis
from redis.exceptions import RedisError

from pytask.core.fields import text, texts

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 26379
# A healthy sentinel answers at once; if this one does not, the next one may.
ANSWER_WITHIN_S = 0.5

Place = tuple[str, int]


class NoPrimary(redis.ConnectionError):
    """No sentinel names a primary; each has its reason."""


class Sentinels:
    """The sentinels of one service. `connection` makes a connection to a host and port."""

    def __init__(self, places: list[Place], service: str, connection: Callable[..., Any]) -> None:
        self._places, self._service, self._connection = places, service, connection

    def primary(self) -> Place:
        """Return the host and port of the primary. Raises NoPrimary."""
        answers = []
        for place in list(self._places):
            answer = self._ask(place)
            if not isinstance(answer, str):
                # The next question goes to this one first.
                self._places = [place, *(other for other in self._places if other != place)]
                return answer
            answers.append(f'{place[0]}:{place[1]} {answer}')
        raise NoPrimary(f'no sentinel knows the primary of {self._service!r}: {"; ".join(answers)}')

    def _ask(self, place: Place) -> Place | str:
        """Return the primary that a sentinel names, or the reason why it names none."""
        connection = self._connection(host=place[0], port=place[1])
        try:
            connection.connect()
            # During a fail-over the address is already the new one, while the state is still that of the old one.
            connection.send_command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', self._service)
            named = connection.read_response()
            connection.send_command('SENTINEL', 'MASTER', self._service)
            state = connection.read_response()
        except RedisError as error:
            return _in_words(str(error))
        finally:
            connection.disconnect()
        facts = texts(dict(zip(state[::2], state[1::2], strict=True)))
        found = text(named[0]), int(named[1])
        is_down = {'s_down', 'o_down'} & set(facts['flags'].split(','))
        if is_down and found == (facts['ip'], int(facts['port'])):
            return f'says that {found[0]}:{found[1]} is down'
        return found


def split_sentinel_url(url: str) -> tuple[list[Place], str, str]:
    """Return the sentinels and the service of a URL, and a plain URL with its user, database and options.

    A URL without sentinels is returned unchanged. Raises ValueError.
    """
    scheme, has_sentinels, _ = url.partition('+sentinel://')
    if not has_sentinels:
        return [], '', url
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition('@')
    service, _, db = parts.path.strip('/').partition('/')
    if scheme not in {'redis', 'rediss'} or not service or (db and not db.isdigit()):
        raise ValueError('it needs /service or /service/db after the sentinels')
    return (
        [_place(host) for host in hosts.split(',')],
        unquote(service),
        f'{scheme}://{user}{at}/{db}?{parts.query}',
    )


def _place(host: str) -> Place:
    parts = urlsplit(f'//{host}')
    if not parts.hostname:
        raise ValueError('a sentinel needs a host')
    return parts.hostname, parts.port or PORT


def _in_words(text: str) -> str:
    if 'Authentication required' in text:
        return 'requires a password: ?sentinel_password=…'
    if 'username-password' in text or 'without any password' in text:
        return 'rejects the user or password of the URL: ?sentinel_username=…&sentinel_password=…'
    if 'unknown command' in text:
        return 'is not a sentinel'
    if 'No such master' in text:
        return 'does not know this service'
    return re.sub(r'^Error -?\d+ connecting to \S+ ', '', text).rstrip('.').lower()
