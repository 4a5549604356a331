"""The feed: all events, from one subscription, to whoever listens.

An event is written as bytes once. What comes within a short while leaves as one chunk, made once for all who hear
the same: every client costs one write, however much happened. The last ones are kept, so that a client that was
away for a moment says where it was (Last-Event-ID) and misses nothing; else it is told to read everything anew
(`reset`).

It runs in a thread of its own, a greenlet where the process is patched, and only while somebody listens.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from pytask.core.clock import monotonic_s
from pytask.core.codec import encode
from pytask.errors import PytaskError, Unavailable
from pytask.web.redaction.known_runs import Familiar
from pytask.web.streaming.subscriber import RESET, STILL_HERE, Listener, framed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.store import EventStream
    from pytask.web.redaction.redactor import Redactor

# What comes within so long leaves together: nobody sees the difference, and it bounds the writes.
TOGETHER_S = 0.04
LONGEST_NUMBER = 20
KEPT, KEPT_BYTES = 2000, 2 * 1024 * 1024
LARGEST_EVENT = 64 * 1024
# Where the server below does not say.
MOST_LISTENERS = 900
STILL_HERE_EVERY_S = 15.0
# The subscription outlives the last listener by so long: a page that is loaded anew has missed nothing.
IDLE_S = 30.0
AGAIN_S = 1.0
# The longest single look at the subscription: who closes waits no longer.
TURN_S = 0.25
SUBSCRIBED_WITHIN_S = 5.0


class Filter(NamedTuple):
    """What a client wants to hear of: one run, one task, both or all."""

    run: str = ''
    task: str = ''

    def takes(self, told: Told) -> bool:
        return self.run in ('', told.run) and self.task in ('', told.task)


class Told(NamedTuple):
    """An event as it is sent."""

    number: int
    run: str
    task: str
    text: bytes


class Feed:
    def __init__(self, client: Client, redactor: Redactor) -> None:
        self._client, self._redactor = client, redactor
        self._lock = threading.Lock()
        self._groups: dict[Filter, set[Listener]] = {}
        self._kept: deque[Told] = deque()
        self._kept_bytes = 0
        self._epoch, self._number = '', 0
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._is_subscribed, self._used_at = threading.Event(), monotonic_s()
        self._familiar = Familiar(client, redactor)
        self.most_listeners = MOST_LISTENERS

    @property
    def size(self) -> int:
        """How many listen."""
        return sum(len(group) for group in list(self._groups.values()))

    def join(self, listener: Listener, wanted: Filter, last_id: str) -> None:
        """Let a client hear; first what it has missed since `last_id`, or that it is to read everything anew.

        What happens after this is heard. Raises Unavailable.
        """
        if self._is_closed:
            raise Unavailable('the web ends')
        self._wake()
        while not self._has_joined(listener, wanted, last_id):  # the thread went to sleep just then
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            self._used_at = monotonic_s()  # before the thread looks whether it is wanted
            if self._thread is None and not self._is_closed:
                self._is_subscribed.clear()
                self._thread = threading.Thread(target=self._run, daemon=True, name='pytask-web-feed')
                self._thread.start()
        if not self._is_subscribed.wait(SUBSCRIBED_WITHIN_S) or self._is_closed:
            raise Unavailable('no subscription to events')

    def _has_joined(self, listener: Listener, wanted: Filter, last_id: str) -> bool:
        with self._lock:
            if self._thread is None:
                return False
            missed = self._since(last_id, wanted) if last_id else b''
            if missed:
                listener.put(framed(missed) if listener.is_direct else missed)
            self._groups.setdefault(wanted, set()).add(listener)
            return True

    def part(self, listener: Listener, wanted: Filter) -> None:
        listener.leave()
        with self._lock:
            group = self._groups.get(wanted, set())
            group.discard(listener)
            if not group:
                self._groups.pop(wanted, None)

    def close(self) -> None:
        self._is_closed = True
        for listener in self._everybody():
            listener.leave()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * TURN_S)

    def _since(self, last_id: str, wanted: Filter) -> bytes:
        epoch, _, number = last_id.rpartition('-')
        oldest = self._kept[0].number if self._kept else self._number + 1
        is_number = number.isdecimal() and len(number) <= LONGEST_NUMBER
        if not (is_number and epoch == self._epoch and oldest - 1 <= int(number) <= self._number):
            return RESET
        return b''.join(told.text for told in self._kept if told.number > int(number) and wanted.takes(told))

    def _run(self) -> None:
        try:
            while not self._is_closed and self._is_wanted():
                try:
                    with _subscribed(self._client) as stream:
                        self._begin()
                        self._follow(stream)
                except PytaskError:
                    time.sleep(AGAIN_S)
        finally:
            with self._lock:
                self._thread = None
                everybody = self._everybody()
            for listener in everybody:  # they ask again
                listener.leave()

    def _begin(self) -> None:
        # What happened while nobody was subscribed is lost: who listened already reads everything anew.
        with self._lock:
            self._kept.clear()
            self._kept_bytes, self._number, self._epoch = 0, 0, secrets.token_hex(4)
            self._used_at = monotonic_s()
            self._is_subscribed.set()
        self._to_all(RESET)

    def _is_wanted(self) -> bool:
        now = monotonic_s()
        if self._groups:
            self._used_at = now
        return now - self._used_at < IDLE_S

    def _follow(self, stream: EventStream) -> None:
        """Read and send, until nobody has listened for a while."""
        said_at = monotonic_s()
        while not self._is_closed and self._is_wanted():
            events = _gathered(stream)
            if events:
                self._send(events)
            if monotonic_s() - said_at > STILL_HERE_EVERY_S:
                said_at = monotonic_s()
                self._to_all(STILL_HERE)
            time.sleep(0)  # who is never out of work gives way all the same

    def _send(self, events: list[Event]) -> None:
        known = self._familiar.of(events)
        told = [self._told(event, *known[event.run_id]) for event in events]
        with self._lock:
            self._keep(told)
            groups = [(wanted, list(group)) for wanted, group in self._groups.items()]
        by_run: dict[str, list[Told]] = {}
        for one in told:
            by_run.setdefault(one.run, []).append(one)
        for wanted, group in groups:
            heard = by_run.get(wanted.run, ()) if wanted.run else told
            _give(group, b''.join(one.text for one in heard if wanted.takes(one)))

    def _told(self, event: Event, task: str, hidden: list[str]) -> Told:
        self._number += 1
        fields = {
            'run': event.run_id, 'event': event.event, 'at': event.at, 'seq': event.seq,
            'data': self._redactor.clean(event.data, hidden),
        }  # fmt: skip
        text = _encoded(fields)
        if len(text) > LARGEST_EVENT:
            text = _encoded(fields | {'data': None, 'is_cut': True})
        name = ''.join(c for c in event.event[:100] if c.isprintable())
        head = f'id: {self._epoch}-{self._number}\nevent: {name}\ndata: '
        return Told(self._number, event.run_id, task, head.encode('utf-8', 'replace') + text + b'\n\n')

    def _keep(self, told: Iterable[Told]) -> None:
        for one in told:
            self._kept.append(one)
            self._kept_bytes += len(one.text)
        while len(self._kept) > KEPT or self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().text)

    def _to_all(self, text: bytes) -> None:
        with self._lock:
            everybody = self._everybody()
        _give(everybody, text)

    def _everybody(self) -> list[Listener]:
        return [listener for group in self._groups.values() for listener in group]


class _subscribed:  # noqa: N801 - reads as a function
    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> EventStream:
        self._stream = self._client.store.events()
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _gathered(stream: EventStream) -> list[Event]:
    """Wait for an event, and return it with what comes within a short while."""
    event = stream.read(timeout_s=TURN_S)
    if event is None:
        return []
    events = [event]
    limit = monotonic_s() + TOGETHER_S
    while (left := limit - monotonic_s()) > 0:
        event = stream.read(timeout_s=left)
        if event is not None:
            events.append(event)
    return events


def _give(group: Iterable[Listener], text: bytes) -> None:
    if not text:
        return
    chunk = framed(text)
    for listener in group:
        listener.put(chunk if listener.is_direct else text)


def _encoded(fields: dict[str, Any]) -> bytes:
    # Whoever may publish can write anything there: it ends nobody's stream.
    try:
        return encode(fields)
    except (TypeError, PytaskError):
        return encode({name: _plain(value) for name, value in fields.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode('utf-8', 'replace').decode()
    return value if isinstance(value, int) and abs(value) < 2**53 else None
