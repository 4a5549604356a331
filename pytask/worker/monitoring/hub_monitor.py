"""The hub monitor: notices from a native thread when code blocks the event loop, and reports which, and where.

Five times a second it asks the hub for a sign of life. If none comes for half a second, it finds out what the
hub's thread is doing and for which run, and reports it: at once on stderr (not by `logging`, whose locks the
blocking code may hold), and through the heartbeat, which has a connection, as an event and in the worker's record.
The hub logs the end. A frozen process blocks nothing: time between two looks counts only as far as the processor
was used, else as one look.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent import monkey
from gevent.hub import Hub

from pytask.core import codec, events
from pytask.core.clock import cpu_s, monotonic_s
from pytask.worker.log_format import tell_at_once
from pytask.worker.monitoring import stacks

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pytask.worker.live import Live
    from pytask.worker.monitoring.backpressure import Backpressure
    from pytask.worker.reporter import Reporter
    from pytask.worker.slots import Slots

EVERY_S = 0.2
BLOCKED_S = 0.5
AGAIN_S = 10.0
# After a longer pause the process was asleep, except for the time it computed.
LATEST_S = 1.2 * EVERY_S
# Its threads read pipes with calls that gevent does not patch, so it never yields.
POOL_HINT = '; multiprocessing.Pool blocks, use concurrent.futures.ProcessPoolExecutor'

_start_thread = monkey.get_original('_thread', 'start_new_thread')
_allocate_lock = monkey.get_original('_thread', 'allocate_lock')
_get_ident = monkey.get_original('_thread', 'get_ident')


class Block(NamedTuple):
    """Code that blocks the event loop: for how many seconds, where, in which run, if in one."""

    seconds: float
    place: stacks.CodePlace
    live: Live | None
    stack: str

    def __str__(self) -> str:
        hint = POOL_HINT if '/multiprocessing/' in self.place.file else ''
        return f'{self.who} is blocking the event loop ({self.seconds:.1f} s) at {self.place}{hint}'

    @property
    def who(self) -> str:
        return str(self.live or 'code outside any run')


class HubMonitor:
    """`lag_s` is how long the hub has not given a sign of life."""

    def __init__(self, slots: Slots, report: Reporter, backpressure: Backpressure) -> None:
        self._slots, self._report, self._backpressure = slots, report, backpressure
        self._publish: Callable[[Live | None, bytes], None] = lambda _live, _head: None
        self._hub_thread = _get_ident()
        self._nudge = gevent.get_hub().loop.async_()
        self._wake = _allocate_lock()
        self._wake.acquire()
        self._is_stopping = self._is_asked = False
        self._looked_at, self._cpu_at = monotonic_s(), cpu_s()
        self.lag_s, self._tell_at_s = 0.0, BLOCKED_S
        self._block: Block | None = None
        self._last: tuple[Block, float] | None = None

    def start(self, publish: Callable[[Live | None, bytes], None]) -> None:
        """Begin. `publish` sends an event of a run, or for None only the worker's record, at once."""
        self._publish = publish
        self._nudge.start(self._turned)
        _start_thread(self._run, ())

    def stop(self) -> None:
        self._is_stopping = True
        if self._wake.locked():
            self._wake.release()
        self._nudge.stop()

    def block(self) -> Block | None:
        """Return what blocks the hub now; None when asked from inside the hub."""
        return self._block if _get_ident() != self._hub_thread else None

    def culprit(self) -> str:
        """Return the run or place that has the hub now; for other threads."""
        live, place = self._look_at(self._frame())
        return str(place) if live is None else f'{live} at {place}'

    def fields(self) -> dict[str, Any]:
        """Return fields of the worker's record: how late the hub is, and the last block as JSON, if any."""
        lag_s = max(self.lag_s, self._backpressure.lag_s)
        return {'lag_ms': round(1000 * lag_s), 'blocked': self._record()}

    def _record(self) -> str:
        block, ago_s = self._block, 0.0
        if block is None:
            if self._last is None:
                return ''
            block, ago_s = self._last[0], monotonic_s() - self._last[1]
        fields = {
            'run': block.live and block.live.run_id, 'task': block.live and block.live.task_name,
            'seconds': round(block.seconds, 1), 'place': str(block.place), 'ago': round(ago_s),
            'stack': block.stack if self._block is not None else '',
        }  # fmt: skip
        return codec.encode(fields).decode()

    # In the native thread.

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._look()
                self._wake.acquire(True, EVERY_S)  # noqa: FBT003 - the lock's own signature
        except Exception as error:  # noqa: BLE001 - nothing may come of a look-out that fails, but that it is known
            tell_at_once(f'the hub monitor crashed; blocks are no longer reported: {error!r}')

    def _look(self) -> None:
        passed_s = self._passed_s()
        if not self._is_asked:
            self.lag_s, self._tell_at_s = 0.0, BLOCKED_S
            self._is_asked = True
            self._nudge.send()
            if passed_s < BLOCKED_S + EVERY_S:
                return  # else a call into C held the interpreter until now
        self.lag_s += passed_s
        if self._block is not None:
            self._block = self._block._replace(seconds=self.lag_s)
        if self.lag_s >= self._tell_at_s:
            self._tell()

    def _passed_s(self) -> float:
        now, cpu = monotonic_s(), cpu_s()
        passed_s, used_s = now - self._looked_at, cpu - self._cpu_at
        self._looked_at, self._cpu_at = now, cpu
        return min(passed_s, max(LATEST_S, used_s))

    def _frame(self) -> FrameType | None:
        # None for a greenlet that is only compiled code.
        return sys._current_frames().get(self._hub_thread)  # noqa: SLF001 - documented, for just this

    def _look_at(self, frame: FrameType | None) -> tuple[Live | None, stacks.CodePlace]:
        if frame is None:
            return None, stacks.NOWHERE
        return stacks.whose(frame, self._slots.all()), stacks.place_of(frame)

    def _tell(self) -> None:
        frame = self._frame()
        if frame is not None and frame.f_code is Hub.run.__code__:  # idle, but it gets no processor time to say so
            return
        live, place = self._look_at(frame)
        stack = stacks.of_run(live, running=frame) if live is not None else str(place)
        if not self._is_asked:  # it gave a sign meanwhile
            return
        self._tell_at_s = self.lag_s + AGAIN_S
        self._block = Block(self.lag_s, place, live, stack)
        tell_at_once(str(self._block))
        about = {'seconds': round(self.lag_s, 1), 'file': stacks.short(place.file), 'line': place.line,
                 'function': place.function}  # fmt: skip
        self._publish(live, events.event_head(events.BLOCKED, about) if live else b'')

    # In the hub.

    def _turned(self, *_: Any) -> None:
        self._is_asked = False
        block, self._block = self._block, None
        if block is not None:
            now = monotonic_s()
            block = block._replace(seconds=block.seconds + min(now - self._looked_at, LATEST_S))
            self._last = (block, now)
            self._report.blocked(block.who, block.seconds, str(block.place))
            self._publish(None, b'')
