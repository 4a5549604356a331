"""Owned greenlets: everything a run spawns, by `self.spawn` or plain `gevent.spawn`, ends with it.

gevent calls back for every new Greenlet, in the greenlet that creates it. The context variables tell which task
runs there, and the child gets a copy of them. Children belong to the instance that spawned them, by its port: those
of a reload's successor outlive the old instance.
"""

from __future__ import annotations

from concurrent.futures import thread as executor
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

import gevent

from pytask.authoring.task import current
from pytask.errors import Interrupted
from pytask.worker.attempt import forks
from pytask.worker.live import has_any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.task import Task
    from pytask.worker.attempt.port import RunPort

# How long interrupted children have to clean up before the next interruption, and after how many interruptions the
# run counts as unkillable.
CHILD_GRACE_S = 1.0
INTERRUPTIONS = 3


class Failed(Protocol):
    """Called for each child that ends in an error; `is_awaited` if some code waits for it and gets the error."""

    def __call__(self, port: RunPort, error: BaseException, *, is_awaited: bool) -> None: ...


_failed: Failed | None = None
_hub: Any = None
_threads: WeakSet[Thread] = WeakSet()


def install(failed: Failed) -> None:
    """Begin to adopt greenlets; `failed` is called for their errors.

    The hub's error handler ignores them: it would print them, and a SystemExit would end the process.
    """
    global _failed, _hub  # noqa: PLW0603 - a process is one worker
    _failed = failed
    gevent.Greenlet.add_spawn_callback(adopt)
    hub: Any = gevent.get_hub()
    _hub = hub
    handle = getattr(hub, 'handle_error_without_pytask', hub.handle_error)
    hub.handle_error_without_pytask = handle

    def handle_error(context: Any, kind: Any, error: Any, trace: Any) -> None:
        port = getattr(context, 'pytask_port', None)
        if port is None and isinstance(error, gevent.Timeout) and not isinstance(context, gevent.Greenlet):
            return  # a timer that a run left running
        if port is None:
            handle(context, kind, error, trace)

    hub.handle_error = handle_error


def adopt(child: Any) -> None:
    """Make a greenlet the child of the run that spawns it, if a run does.

    Not in native threads, where it cannot be ended from here; nor a `threading.Thread`, which is a greenlet, too:
    those of an executor or a library serve other runs as well.
    """
    task = current.get()
    if task is None or gevent.get_hub() is not _hub:
        return
    thread = getattr(child._run, '__self__', None)  # noqa: SLF001 - as `Thread.start` spawns it
    if isinstance(thread, Thread):
        _threads.add(thread)
        return
    port: RunPort = task.pytask_port  # type: ignore[assignment]
    child.gr_context = copy_context()
    child.pytask_port, child.pytask_is_pooled = port, child.has_links()  # a pool links it before it starts it
    if port.children is None:
        port.children = set()
    port.children.add(child)
    child.rawlink(_died)


def _died(child: Any) -> None:
    forks.leave(child.exception)  # first, because in a forked process nothing else gets the error
    port: RunPort = child.pytask_port
    port.children.discard(child)  # type: ignore[union-attr]
    error = child.exception
    if error is not None and not isinstance(error, Interrupted):
        port.child_error = port.child_error or error
        _failed(port, error, is_awaited=child.has_links() or child.pytask_is_pooled)  # type: ignore[misc]
    if port.changed is not None:
        port.changed.set()


def leave_threads() -> list[str]:
    """Return the names of threads that runs left behind; the process will not wait for them at exit."""
    left = [thread for thread in list(_threads) if thread.is_alive()]
    for thread in left:
        executor._threads_queues.pop(thread, None)  # type: ignore[attr-defined]  # noqa: SLF001 - joined at exit
    return [thread.name for thread in left]


def nudge(task: Task | None) -> None:
    """Wake the code that waits for the children of an instance."""
    if task is not None and task.pytask_port.changed is not None:  # type: ignore[attr-defined]
        task.pytask_port.changed.set()  # type: ignore[attr-defined]


def interrupt(task: Task | None, reason: str) -> None:
    """Interrupt every child of an instance, without waiting."""
    for child in list(task.pytask_port.children or ()) if task is not None else ():  # type: ignore[attr-defined]
        child.kill(Interrupted(reason), block=False)


def close(task: Task | None, gave_up: Callable[[], None], left: Callable[[BaseException], None]) -> None:
    """End the children an instance left behind, and return when none is left.

    The run is already judged, or has another instance: an exception still aimed at this greenlet, such as a Timeout
    that the task left running, goes to `left`. `gave_up` is called if the children ignore every interruption.
    """
    turns = 0
    while has_any(task):
        try:
            interrupt(task, 'ended')
            gevent.joinall(list(task.pytask_port.children), timeout=CHILD_GRACE_S)  # type: ignore[union-attr]
            turns += 1
            if turns == INTERRUPTIONS and has_any(task):
                gave_up()
        except BaseException as error:  # noqa: BLE001 - as in the runner: the task's
            left(error)
