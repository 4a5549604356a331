"""The feed: all events, from one subscription, to every client that follows them.

Each event is encoded once. Events that arrive within 40 ms leave as one chunk, made once for all clients with the
same filter, so each client costs one write however much happens. The feed has a thread of its own, a greenlet in a
patched process, which runs only while clients follow.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from pytask.core.clock import monotonic_s
from pytask.core.codec import encode
from pytask.errors import PytaskError, Unavailable
from pytask.web.redaction.known_runs import KnownRuns
from pytask.web.streaming.history import Filter, History, SentEvent
from pytask.web.streaming.subscriber import RESET, STILL_HERE, Subscriber, framed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.web.redaction.redactor import Redactor

    Read = Callable[..., Event | None]

# Events within this time leave together: people do not see the delay, and it bounds the number of writes.
TOGETHER_S = 0.04
LARGEST_EVENT = 64 * 1024
# The limit on a server other than ours, which sets its own.
MOST_SUBSCRIBERS = 900
STILL_HERE_EVERY_S = 15.0
# How long the subscription outlives its last client: a page that is reloaded misses nothing.
IDLE_S = 30.0
RETRY_S = 1.0
# The longest wait for an event: `close` waits for it.
TURN_S = 0.25
SUBSCRIBED_WITHIN_S = 5.0


class Feed:
    def __init__(self, client: Client, redactor: Redactor) -> None:
        self._client, self._redactor = client, redactor
        self._lock = threading.Lock()
        self._groups: dict[Filter, set[Subscriber]] = {}
        self._history = History()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._is_subscribed, self._used_at = threading.Event(), monotonic_s()
        self._known_runs = KnownRuns(client, redactor)
        self.most_subscribers = MOST_SUBSCRIBERS

    @property
    def size(self) -> int:
        """How many clients follow."""
        return sum(len(group) for group in list(self._groups.values()))

    def join(self, wanted: Filter, last_id: str = '', socket: Any = None) -> Subscriber:
        """Add a client, which first gets what it missed since `last_id`, or a `reset`. Raises Unavailable.

        `socket` is its own on our server, None on another one. Close it when the client has gone.
        """
        if self._is_closed:
            raise Unavailable('the web is shutting down')
        subscriber = Subscriber(socket)
        subscriber.close = partial(self._part, subscriber, wanted)
        self._wake()
        while not self._has_joined(subscriber, wanted, last_id):  # the thread went idle in between
            self._wake()
        return subscriber

    def _part(self, subscriber: Subscriber, wanted: Filter) -> None:
        subscriber.leave()
        with self._lock:
            group = self._groups.get(wanted, set())
            group.discard(subscriber)
            if not group:
                self._groups.pop(wanted, None)

    def close(self) -> None:
        self._is_closed = True
        for subscriber in self._all():
            subscriber.leave()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * TURN_S)

    def _wake(self) -> None:
        with self._lock:
            self._used_at = monotonic_s()  # before the thread checks whether it is still needed
            if self._thread is None and not self._is_closed:
                self._is_subscribed.clear()
                self._thread = threading.Thread(target=self._run, daemon=True, name='pytask-web-feed')
                self._thread.start()
        if not self._is_subscribed.wait(SUBSCRIBED_WITHIN_S) or self._is_closed:
            raise Unavailable('cannot subscribe to events')

    def _has_joined(self, subscriber: Subscriber, wanted: Filter, last_id: str) -> bool:
        with self._lock:
            if self._thread is None:
                return False
            if last_id:
                _give([subscriber], self._history.since(last_id, wanted))
            self._groups.setdefault(wanted, set()).add(subscriber)
            return True

    def _run(self) -> None:
        try:
            while not self._is_closed and self._is_needed():
                try:
                    with closing(self._client.store.events()) as stream:
                        self._begin()
                        self._follow(stream.read)
                except PytaskError:
                    time.sleep(RETRY_S)
        finally:
            with self._lock:
                self._thread = None
                everyone = self._all()
            for subscriber in everyone:  # they reconnect
                subscriber.leave()

    def _begin(self) -> None:
        # Events before this subscription are lost, so clients that are already here must read everything again.
        with self._lock:
            self._history.restart()
            self._used_at = monotonic_s()
            self._is_subscribed.set()
        self._to_all(RESET)

    def _is_needed(self) -> bool:
        now = monotonic_s()
        if self._groups:
            self._used_at = now
        return now - self._used_at < IDLE_S

    def _follow(self, read: Read) -> None:
        """Read and send events until no client has followed for a while."""
        said_at = monotonic_s()
        while not self._is_closed and self._is_needed():
            events = _gathered(read)
            if events:
                self._send(events)
            if monotonic_s() - said_at > STILL_HERE_EVERY_S:
                said_at = monotonic_s()
                self._to_all(STILL_HERE)
            time.sleep(0)  # yield to other greenlets, however many events there are

    def _send(self, events: list[Event]) -> None:
        known = self._known_runs.of(events)
        sent = [self._encoded(event, *known[event.run_id]) for event in events]
        with self._lock:
            self._history.keep(sent)
            groups = [(wanted, list(group)) for wanted, group in self._groups.items()]
        by_run: dict[str, list[SentEvent]] = {}
        for one in sent:
            by_run.setdefault(one.run, []).append(one)
        for wanted, group in groups:
            candidates = by_run.get(wanted.run, ()) if wanted.run else sent
            _give(group, b''.join(one.text for one in candidates if wanted.takes(one)))

    def _encoded(self, event: Event, task: str, secrets: list[str]) -> SentEvent:
        fields = {
            'run': event.run_id, 'event': event.event, 'at': event.at, 'seq': event.seq,
            'data': self._redactor.clean(event.data, secrets),
        }  # fmt: skip
        text = _as_json(fields)
        if len(text) > LARGEST_EVENT:
            text = _as_json(fields | {'data': None, 'is_cut': True})
        name = ''.join(c for c in event.event[:100] if c.isprintable())
        head = f'id: {self._history.next_id()}\nevent: {name}\ndata: '
        return SentEvent(self._history.number, event.run_id, task, head.encode('utf-8', 'replace') + text + b'\n\n')

    def _to_all(self, text: bytes) -> None:
        with self._lock:
            everyone = self._all()
        _give(everyone, text)

    def _all(self) -> list[Subscriber]:
        return [subscriber for group in self._groups.values() for subscriber in group]


def _gathered(read: Read) -> list[Event]:
    """Wait for an event, and return it with those that follow shortly."""
    event = read(timeout_s=TURN_S)
    if event is None:
        return []
    events = [event]
    limit = monotonic_s() + TOGETHER_S
    while (left := limit - monotonic_s()) > 0:
        event = read(timeout_s=left)
        if event is not None:
            events.append(event)
    return events


def _give(group: Iterable[Subscriber], text: bytes) -> None:
    if not text:
        return
    chunk = framed(text)
    for subscriber in group:
        subscriber.put(chunk if subscriber.is_direct else text)


def _as_json(fields: dict[str, Any]) -> bytes:
    # Anyone with access to Redis can publish anything; a value that is not JSON must not end the stream.
    try:
        return encode(fields)
    except (TypeError, PytaskError):
        return encode({name: _plain(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode('utf-8', 'replace').decode()
    return value if isinstance(value, int) and abs(value) < 2**53 else None
