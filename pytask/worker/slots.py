"""The runs a worker holds. The table owns their leases, not the greenlets: a greenlet killed before
its first switch never enters a `finally`.

A run stands here from its claim until its outcome is recorded, so that its lease is renewed to the end.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gevent.event import Event

from pytask.core.clock import monotonic_s

if TYPE_CHECKING:
    from pytask.authoring.task import Task
    from pytask.core.port import Port
    from pytask.store import Claimed

# `start` goes on, or has not begun; it is over, and its end is under way; only the context is still to be left.
STARTED, CLOSING, LEAVING = range(3)


class Live:
    """One attempt of one run, inside this worker.

    `ending` is the reason it was told to end, '' while it was not. `is_open` is true while user code
    runs, which is when an interruption may be delivered; `guard` names the hook that runs in phase
    CLOSING. `failure` is the error of a child that ends the run. `queue` is the one it was claimed from, if any.
    """

    __slots__ = (
        'asked',
        'attempt',
        'begun_at',
        'claimed',
        'data',
        'ended',
        'ending',
        'failure',
        'fenced_at',
        'flow',
        'greenlet',
        'guard',
        'halt',
        'interrupt_at',
        'is_local',
        'is_open',
        'limit',
        'lost_notes',
        'note_bytes',
        'notes',
        'phase',
        'queue',
        'reload_again',
        'reload_id',
        'renewed_at',
        'run_id',
        'seq',
        'stopping',
        'successor',
        'task',
        'task_name',
        'timeout',
        'token',
        'took_s',
    )  # fmt: skip

    def __init__(self, claimed: Claimed, renewed_at: float, queue: str = '', *, is_local: bool = False) -> None:
        self.claimed = claimed
        self.run_id, self.task_name, self.data, self.attempt, self.token, _, self.timeout, _ = claimed
        self.renewed_at = renewed_at
        self.queue = queue
        self.begun_at = monotonic_s()
        self.took_s = self.fenced_at = 0.0
        self.is_local = is_local
        self.ending = self.reload_id = ''
        # When it is interrupted, on the monotonic clock; and the instance whose `stop` was called.
        self.interrupt_at = inf
        self.asked: Task | None = None
        self.is_open = False
        self.phase = STARTED
        self.flow: Any = None  # its passage, where it is one
        self.guard: object | None = None
        self.failure: BaseException | None = None
        self.limit: Any = None
        self.seq = self.note_bytes = self.lost_notes = 0
        self.greenlet: Any = None
        self.task: Task | None = None
        self.successor: tuple[Task, bytes, str] | None = None
        self.halt: Halt | None = None  # while it is paused
        self.reload_again: bool | None = None  # heard while one was under way: whether it is durable
        # Made when first asked for: most runs are over before anybody asks.
        self.stopping: Event | None = None
        self.ended: Event | None = None
        self.notes: deque[Any] | None = None

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def stopping_event(self) -> Event:
        if self.stopping is None:
            self.stopping = Event()
            if self.ending:
                self.stopping.set()
        return self.stopping

    def ended_event(self) -> Event:
        if self.ended is None:
            self.ended = Event()
        return self.ended


class Slots:
    """Run id → Live, and how many more may come. Local runs take no slot."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self.room = Event()
        self.room.set()
        self.empty = Event()
        self.empty.set()
        self._live: dict[str, Live] = {}

    @property
    def free(self) -> int:
        return self.size - self.taken

    def add(self, live: Live) -> Live | None:
        """Take a slot. An older attempt of the same run is returned, and the later one takes its slot."""
        older = self._live.get(live.run_id)
        self._live[live.run_id] = live
        if not live.is_local and older is None:
            self.taken += 1
            self.empty.clear()
            if self.taken >= self.size:
                self.room.clear()
        return older

    def remove(self, live: Live) -> None:
        """Let go of a run; twice is fine."""
        if self._live.get(live.run_id) is not live:
            return
        del self._live[live.run_id]
        if not live.is_local:
            self.taken -= 1
            self.room.set()
            if not self.taken:
                self.empty.set()

    def get(self, run_id: str) -> Live | None:
        return self._live.get(run_id)

    def all(self) -> list[Live]:
        """Return a copy, atomic also as seen from the heartbeat's native thread."""
        return list(self._live.values())


_thread_id = monkey.get_original('_thread', 'get_ident')


class Halt:
    """One pause of one run inside this worker. Made in the hub's thread; native threads never halt."""

    __slots__ = ('_thread', 'over')

    def __init__(self) -> None:
        self.over = Event()
        self._thread = _thread_id()

    def holds(self, live: Live, port: Port) -> bool:
        if live.ending or live.guard is not None or not goes_on(live) or _thread_id() != self._thread:
            return False
        # While it is made, the successor of a reload must not wait: else nobody would answer.
        return live.task is None or live.task.pytask_port is port


def wait_while_paused(live: Live, port: Port) -> None:
    """Return when the run is not paused, or is told to end: this is what a control point does."""
    while (halt := live.halt) is not None and halt.holds(live, port):
        gevent.wait([halt.over, live.stopping_event()], count=1)


def has_any(task: Task | None) -> bool:
    return task is not None and bool(task.pytask_port.children)  # type: ignore[attr-defined]


def goes_on(live: Live) -> bool:
    """Tell whether a run is at its work: in `start`, or a graceful one in the children that `start` has left."""
    task = live.task
    is_joining = live.phase == CLOSING and task is not None and task.graceful and has_any(task)
    return live.is_open and (live.phase == STARTED or is_joining)
