"""A run that this worker holds: one attempt, its lease, its end, its events.

Most runs end within milliseconds, so what few of them need is made on first use.
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

# Until `start` has returned or raised; while hooks and children end; while the context is left.
STARTED, CLOSING, LEAVING = range(3)

_thread_id = monkey.get_original('_thread', 'get_ident')


class Lease:
    """When a lease was last renewed, and when its run was fenced (0 for not), on the boot clock."""

    __slots__ = ('fenced_at', 'renewed_at')

    def __init__(self, renewed_at: float) -> None:
        self.renewed_at, self.fenced_at = renewed_at, 0.0


class RunEnd:
    """Why and how a run is told to end; the successor of a reload gets a new one.

    `reason` is '' until the run is told to end. It is interrupted at `interrupt_at` on the monotonic clock. `asked`
    is the instance whose `stop` was called, `failure` the error of a child that ends the run.
    """

    __slots__ = ('asked', 'failure', 'interrupt_at', 'over', 'reason', 'stopping')

    def __init__(self) -> None:
        self.reason = ''
        self.interrupt_at = inf
        self.asked: Task | None = None
        self.failure: BaseException | None = None
        self.stopping: Event | None = None
        self.over: Event | None = None

    def stopping_event(self) -> Event:
        """Return the event that is set when the run is told to end."""
        if self.stopping is None:
            self.stopping = Event()
            if self.reason:
                self.stopping.set()
        return self.stopping

    def over_event(self) -> Event:
        """Return the event that is set when the attempt is over, or a successor has taken over."""
        if self.over is None:
            self.over = Event()
        return self.over


class Notes:
    """The events of a run that wait to be sent: their line, their size in bytes, and how many were dropped."""

    __slots__ = ('line', 'lost', 'size')

    def __init__(self) -> None:
        self.line: deque[Any] = deque()
        self.size = self.lost = 0


class Handover:
    """A reload under way: its id, and the instance that takes over, with its data.

    `again` is None unless another reload was requested meanwhile; then it says whether that one is durable.
    """

    __slots__ = ('again', 'reload_id', 'successor')

    def __init__(self) -> None:
        self.reload_id = ''
        self.successor: tuple[Task, bytes, str] | None = None
        self.again: bool | None = None


class Halt:
    """One pause of one run inside this worker. Made in the hub's thread; native threads are never halted."""

    __slots__ = ('_thread', 'over')

    def __init__(self) -> None:
        self.over = Event()
        self._thread = _thread_id()

    def holds(self, live: Live, port: Port) -> bool:
        """Tell whether the current greenlet, which runs code of this port's instance, must wait."""
        if live.end.reason or live.guard is not None or not goes_on(live) or _thread_id() != self._thread:
            return False
        # The successor of a reload must not wait while it is made: nothing would answer the reload.
        return live.task is None or live.task.pytask_port is port


class Live:
    """One attempt of one run, inside this worker.

    `is_open` is true while user code runs, which is when an interruption may be delivered; `guard` names the hook
    that runs in phase CLOSING. `queue` is the one it was claimed from, if any.
    """

    __slots__ = (
        'attempt', 'begun_at', 'claimed', 'data', 'deadline', 'end', 'flow', 'greenlet', 'guard',
        'halt', 'handover', 'is_local', 'is_open', 'lease', 'notes', 'phase', 'queue', 'run_id', 'seq',
        'task', 'task_name', 'timeout', 'token', 'took_s',
    )  # fmt: skip

    def __init__(self, claimed: Claimed, renewed_at: float, queue: str = '', *, is_local: bool = False) -> None:
        self.claimed = claimed
        self.run_id, self.task_name, self.data, self.attempt, self.token, _, self.timeout, _ = claimed
        self.queue, self.is_local = queue, is_local
        self.lease, self.end = Lease(renewed_at), RunEnd()
        self.begun_at = monotonic_s()
        self.took_s = 0.0
        self.is_open = False
        self.phase = STARTED
        self.seq = 0
        self.greenlet: Any = None
        self.task: Task | None = None
        self.guard: object | None = None
        self.flow: Any = None  # a FlowAttempt, if it is a flow
        self.deadline: Any = None  # if its time is limited
        self.halt: Halt | None = None  # while it is paused
        self.notes: Notes | None = None
        self.handover: Handover | None = None

    def __str__(self) -> str:
        return f'run {self.run_id} {self.task_name}'

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def release_successor(self) -> Task | None:
        """Return the successor of a reload, if there is one; it no longer takes over."""
        if self.handover is None or self.handover.successor is None:
            return None
        (successor, _, _), self.handover.successor = self.handover.successor, None
        return successor


def wait_while_paused(live: Live, port: Port) -> None:
    """Return when the run is not paused, or is told to end. Every control point calls this."""
    while (halt := live.halt) is not None and halt.holds(live, port):
        gevent.wait([halt.over, live.end.stopping_event()], count=1)


def has_any(task: Task | None) -> bool:
    """Tell whether an instance has children that have not ended."""
    return task is not None and bool(task.pytask_port.children)  # type: ignore[attr-defined]


def goes_on(live: Live) -> bool:
    """Tell whether a run is working: in `start`, or a graceful one in children that outlive `start`."""
    task = live.task
    is_joining = live.phase == CLOSING and task is not None and task.graceful and has_any(task)
    return live.is_open and (live.phase == STARTED or is_joining)
