"""The writer: sends every event and outcome of this worker's runs, in order and in batches.

Both share one line, so a run's events precede its outcome. A batch takes one round trip and leaves the line only
when Redis has answered. Events are bounded per run: while Redis is available, a task that emits too many waits;
while it is away, its oldest events are dropped, and one `lost` event says how many.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent import monkey
from gevent.event import Event

from pytask.core import codec
from pytask.core import events as events_
from pytask.core.clock import monotonic_s
from pytask.core.states import Outcome, State
from pytask.errors import PytaskError, Unavailable
from pytask.store import Ended, Note
from pytask.worker.live import Notes
from pytask.worker.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.store import Store
    from pytask.worker.lifetime import Lifetime
    from pytask.worker.live import Live
    from pytask.worker.slots import Slots

_allocate_lock = monkey.get_original('_thread', 'allocate_lock')
_get_ident = monkey.get_original('_thread', 'get_ident')  # gevent's tells greenlets apart

BATCH = 256
BATCH_BYTES = 2**20
RUN_NOTES = 1000
RUN_BYTES = 2**20


class Pending:
    """An event waiting to be sent. One that is dropped stays in the line, but is not sent."""

    __slots__ = ('done', 'head', 'is_dropped', 'kept', 'live', 'seq', 'target')

    def __init__(
        self, live: Live, head: bytes, done: int | str = '', target: int | str = '', kept: bytes = b''
    ) -> None:
        self.live, self.head, self.done, self.target, self.kept = live, head, done, target, kept
        self.seq = 0  # set when it joins the line
        self.is_dropped = False


class Final(NamedTuple):
    """An outcome waiting to be recorded."""

    live: Live
    outcome: Outcome
    seq: int


class Writer(Service):
    """Records outcomes and publishes events. `end` and `note` may be called from any thread."""

    def __init__(self, store: Store, slots: Slots, lifetime: Lifetime) -> None:
        super().__init__('writer', lifetime)
        self._store, self._slots = store, slots
        self._line: deque[Pending | Final] = deque()
        # Tasks emit from native threads, too. Never held across a switch or a call to Redis.
        self._lock = _allocate_lock()
        self._wake = Event()
        self._moved = Event()
        self._hub_thread = _get_ident()
        self._nudge = gevent.get_hub().loop.async_()
        self._nudge.start(self._wake.set)
        self.is_away = False

    def end(self, live: Live, outcome: Outcome) -> None:
        """Queue the outcome of an attempt, behind its events. Never waits."""
        live.took_s = monotonic_s() - live.begun_at
        with self._lock:
            self._line.append(Final(live, outcome, live.next_seq()))
        self._rouse()

    def note(
        self, live: Live, head: bytes, *, done: int | str = '', target: int | str = '', kept: bytes = b''
    ) -> None:
        """Queue an event; wait while the run's buffer is full and Redis is available."""
        pending = Pending(live, head, done, target, kept)
        self.insist(lambda: self.has_queued(pending))

    def insist(self, has_queued: Callable[[], bool]) -> None:
        """Call `has_queued` until it succeeds."""
        while not has_queued():
            if _get_ident() == self._hub_thread:
                self._moved.clear()
                self._moved.wait(1.0)
            else:
                gevent.sleep(0.01)  # a native thread sleeps in its own hub
        self._rouse()

    def has_queued(self, pending: Pending) -> bool:
        """Queue an event if there is room, and tell whether there was. Never switches greenlets."""
        live, size = pending.live, len(pending.head)
        with self._lock:
            notes = live.notes
            if notes is None:
                notes = live.notes = Notes()
            while notes.line and (len(notes.line) >= RUN_NOTES or notes.size + size > RUN_BYTES):
                if not self.is_away and live.end.reason != 'lost':
                    return False
                notes.line[0].is_dropped = True
                self._take_out(notes.line[0])
                notes.lost += 1
            pending.seq = live.next_seq()
            notes.line.append(pending)
            notes.size += size
            self._line.append(pending)
            return True

    @staticmethod
    def _take_out(pending: Pending) -> None:
        notes = pending.live.notes
        if notes is not None and notes.line and notes.line[0] is pending:
            notes.line.popleft()
            notes.size -= len(pending.head)

    def _rouse(self) -> None:
        if _get_ident() != self._hub_thread:
            self._nudge.send()
        elif not self._wake.ready():
            self._wake.set()

    def turn(self) -> None:
        if not self._line:
            self._wake.clear()
            self._wake.wait(1.0)
        if self._line:
            batch = self._next_batch()
            try:
                self._record(batch)
            except Unavailable:
                self.is_away = True
                self._moved.set()
                raise
            self.is_away = False
            with self._lock:
                for _ in batch:
                    self._line.popleft()
            self._moved.set()

    def _next_batch(self) -> list[Any]:
        with self._lock:
            first = list(islice(self._line, BATCH))
        batch: list[Any] = []
        size = 0
        for item in first:
            size += len(item.head) if isinstance(item, Pending) else len(item.outcome.output)
            if batch and size > BATCH_BYTES:
                break
            batch.append(item)
        return batch

    def _record(self, batch: Sequence[Any]) -> None:
        events = [item for item in batch if isinstance(item, Pending)]
        endings = [item for item in batch if not isinstance(item, Pending)]
        notes = [note for event in events for note in _notes(event)]
        if not notes and not endings:
            return
        try:
            self._send(notes, endings)
        except Unavailable:
            raise
        except PytaskError as error:
            self._split(batch, error)
            return
        with self._lock:
            for event in events:
                self._take_out(event)

    def _send(self, notes: Sequence[Note], finals: Sequence[Final]) -> None:
        items = [Ended(live.run_id, live.token, outcome, seq) for live, outcome, seq in finals]
        answers = self._store.queues.record(notes, items)
        for (live, outcome, _), answer in zip(finals, answers, strict=True):
            self._slots.remove(live)
            self._report.recorded(live, outcome, answer.decode())

    def _split(self, batch: Sequence[Any], error: PytaskError) -> None:
        # Redis rejects something in here: halve until it is alone, so that it cannot hold up the others.
        if len(batch) > 1:
            middle = len(batch) // 2
            self._record(batch[:middle])
            self._record(batch[middle:])
        elif isinstance(batch[0], Pending):
            with self._lock:
                self._take_out(batch[0])
            self._report.refused(batch[0].live, str(error))
        else:
            live, _, seq = batch[0]
            short = codec.encode({'type': 'PytaskError', 'message': str(error)[:500], 'traceback': ''})
            self._send([], [Final(live, Outcome(State.EXCEPTION, short), seq)])


def _notes(item: Pending) -> list[Note]:
    if item.is_dropped:
        return []
    live = item.live
    notes = [Note(live.run_id, live.token, item.done, item.target, item.head, item.seq, item.kept)]
    if live.notes is not None and live.notes.lost:
        head = events_.event_head(events_.LOST, live.notes.lost)
        notes.insert(0, Note(live.run_id, live.token, '', '', head, item.seq))
        live.notes.lost = 0
    return notes
