"""A subscription: one pub/sub connection with one reader."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from redis.client import PubSub
from redis.exceptions import RedisError

from pytask.core.fields import text
from pytask.errors import Unavailable
from pytask.store.connection.errors import explained

if TYPE_CHECKING:
    from pytask.store.connection.server import ServerAddress


class _Once(PubSub):
    """redis-py subscribes again on each connection: endlessly, if a server accepts and closes them."""

    def on_connect(self, connection: Any) -> None:
        """Do nothing: a reader that lost a subscription makes another."""


class Subscription:
    """A subscription to channels and patterns. Messages are hints: readers read the hashes too."""

    def __init__(
        self,
        client: Any,
        server: ServerAddress,
        timeout_s: float,
        channels: tuple[str, ...],
        patterns: tuple[str, ...],
    ) -> None:
        self._server = server
        self._pubsub: Any = _Once(client.connection_pool)
        self._early: deque[tuple[str, bytes]] = deque()  # received before all was subscribed
        self._waiting_for = len(channels) + len(patterns)
        try:
            self._subscribe(channels, patterns)
            while self._waiting_for > 0:
                before = self._waiting_for
                got = self._next(timeout_s)
                if got is not None:
                    self._early.append(got)
                elif self._waiting_for == before:
                    raise Unavailable(f'cannot use Redis at {server.url} (no reply to a subscription)')
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
            raise explained(error, self._server) from error

    def read(self, *, timeout_s: float) -> tuple[str, bytes] | None:
        """Return the next message as (channel, text), or None after `timeout_s`.

        Raises Unavailable, also once the server has moved.
        """
        return self._early.popleft() if self._early else self._next(timeout_s)

    def _next(self, timeout_s: float) -> tuple[str, bytes] | None:
        if self._pubsub.connection.is_out_of_date:
            # A frozen primary never closes a subscription, and one that was replaced keeps publishing.
            raise Unavailable(f'cannot use Redis at {self._server.url} (the subscription is at the old primary)')
        try:
            raw = self._pubsub.get_message(timeout=timeout_s)
        except (RedisError, OSError, ValueError) as error:
            raise explained(error, self._server) from error
        if raw is None:
            return None
        if raw['type'] in ('subscribe', 'psubscribe'):
            self._waiting_for -= 1
        if raw['type'] not in ('message', 'pmessage'):
            return None
        return text(raw['channel']), raw['data']

    def close(self) -> None:
        self._pubsub.close()
