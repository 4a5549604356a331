"""The port of a run: what `self.emit`, `self.spawn`, `self.stopping` and the rest do inside a worker."""

from __future__ import annotations

import itertools
import logging
from contextvars import Context, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

from pytask.core import codec, events
from pytask.core.clock import monotonic_s
from pytask.core.port import DONE, check_span, check_whole
from pytask.flows.steps import Results
from pytask.worker.attempt import forks
from pytask.worker.live import wait_while_paused
from pytask.worker.writer import Pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gevent.event import Event

    from pytask.worker.application import Application
    from pytask.worker.live import Live
    from pytask.worker.writer import Writer

MAX_TEXT = 64 * 1024
# Of each text that is kept with the run; a thousand are.
MAX_KEPT = 4096
# Redis disconnects a subscriber that is 32 MiB behind; one event must not cause that.
MAX_EVENT = 8 * 2**20
MAX_THREADS = 64
# A native lock, since greenlets and native threads count: gevent's locks lose wake-ups between threads. Never held
# across a switch.
_counting = monkey.get_original('_thread', 'allocate_lock')()
_log = logging.getLogger('pytask.task')


class RunPort:
    """The port of one instance of a run."""

    __slots__ = ('_writer', 'app', 'changed', 'child_error', 'children', 'live', 'own_state')

    def __init__(self, live: Live, app: Application, writer: Writer) -> None:
        self.live, self.app, self._writer = live, app, writer
        self.children: set[Any] | None = None
        self.child_error: BaseException | None = None
        self.own_state: dict[str, Any] | None = None  # of a run that is not a flow
        self.changed: Event | None = None  # set when a child ends, if a run waits for that

    @property
    def run_id(self) -> str:
        return self.live.run_id

    @property
    def attempt(self) -> int:
        return self.live.attempt

    @property
    def stopping(self) -> Event:
        return self.live.end.stopping_event()

    @property
    def results(self) -> Any:
        return self.live.flow.results if self.live.flow is not None else Results()

    @property
    def state(self) -> dict[str, Any]:
        if self.live.flow is not None:
            state: dict[str, Any] = self.live.flow.state
            return state
        if self.own_state is None:
            self.own_state = {}
        return self.own_state

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        return logging.LoggerAdapter(_log, {'run_id': self.live.run_id, 'task': self.live.task_name})

    @property
    def client(self) -> Any:
        return self.app.client

    @property
    def redis(self) -> Any:
        return self.app.client.store.db.client

    def emit(self, event: str, data: Any) -> None:
        head = events.event_head(str(event), data)
        if len(head) > MAX_EVENT:
            raise ValueError(f'the event has {len(head):,} bytes; the limit is {MAX_EVENT:,}')
        self._writer.note(self.live, head)
        self.checkpoint()  # after the event, which reports work that is done

    def progress(self, done: int, target: int | None) -> None:
        check_whole(done, target)
        head = events.event_head(events.PROGRESS, {'progress': done, 'target': target})
        self._writer.note(self.live, head, done=done, target='' if target is None else target)
        self.checkpoint()

    def count(self, attributes: dict[str, Any], by: int) -> None:
        check_whole(by)
        self._writer.insist(lambda: self._has_counted(attributes, by))
        self.checkpoint()

    def _has_counted(self, attributes: dict[str, Any], by: int) -> bool:
        # Counted when it joins the line, so that the last one recorded is the highest.
        with _counting:
            done = attributes.get(DONE, 0) + by
            head = events.event_head(events.PROGRESS, {'progress': done, 'target': None})
            if not self._writer.has_queued(Pending(self.live, head, done)):
                return False
            attributes[DONE] = done
        return True

    def message(self, text: str) -> None:
        text = str(text)[:MAX_TEXT]
        kept = codec.encode(text if len(text) <= MAX_KEPT else f'{text[: MAX_KEPT - 1]}…')
        self._writer.note(self.live, events.event_head(events.MESSAGE, text), kept=kept)
        self.checkpoint()

    def checkpoint(self) -> None:
        if self.live.halt is not None:
            wait_while_paused(self.live, self)

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return gevent.spawn(fn, *args, **kwargs)  # owned and given the context by `children.adopt`

    def join(self, timeout: float | None) -> None:
        me = gevent.getcurrent()
        left = [child for child in self.children or () if child is not me]
        for _ in gevent.iwait(left, timeout=timeout) if self.child_error is None else ():
            if self.child_error is not None:
                break
        error, self.child_error = self.child_error, None
        if error is not None:
            raise error

    def sleep(self, seconds: float) -> None:
        self.stopping.wait(seconds)
        self.checkpoint()

    def every(self, seconds: float) -> Iterator[int]:
        check_span(seconds)
        begun = monotonic_s()
        for turn in itertools.count():
            self.checkpoint()
            if self.stopping.is_set():
                return
            yield turn
            # Counted from the start, not from the last turn, so that delays do not add up.
            behind_s = monotonic_s() - begun
            self.stopping.wait(seconds - behind_s % seconds)

    def offload(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        is_good, value = _threads().apply(_in_thread, (copy_context(), fn, args, kwargs))
        if is_good:
            return value
        raise value


@cache
def _threads() -> ThreadPool:
    # Not the hub's own ten threads: gevent looks up host names in those, which each new connection needs.
    return ThreadPool(MAX_THREADS)


def _in_thread(context: Context, fn: Callable[..., Any], args: Any, kwargs: Any) -> tuple[bool, Any]:
    # Errors are returned as values: the thread pool would print them, and SystemExit is for the task to see.
    try:
        value = context.run(fn, *args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - raised again in the greenlet that asked
        forks.leave(error)
        return False, error
    forks.leave()  # a child process that was made in here ends here
    return True, value
