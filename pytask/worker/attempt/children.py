"""Owned greenlets: whatever a run spawns ends with it, by `self.spawn` or by plain `gevent.spawn`.

gevent tells of every Greenlet being born, in the greenlet that gives birth; the task that runs there
is found in its context variables, and the child gets a copy of them. Children belong to the instance
that spawned them, by its port: those of a reload's successor outlive the old instance.
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

# How long interrupted children may take to clean up before they are interrupted again, and how often before the run
# counts as unkillable.
CHILD_GRACE_S = 1.0
INTERRUPTIONS = 3


class Failed(Protocol):
    """Is told of each child that ends in an error; `is_awaited` where somebody waits for it, and learns of it."""

    def __call__(self, port: RunPort, error: BaseException, *, is_awaited: bool) -> None: ...


_failed: Failed | None = None
_hub: Any = None
_threads: WeakSet[Thread] = WeakSet()


def install(failed: Failed) -> None:
    """Begin to watch births and deaths.

    Nothing of a child reaches the hub: neither a print, nor a SystemExit that would end the process.
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
            return  # one that a run left ticking, and that found nobody any more
        if port is None:
            handle(context, kind, error, trace)

    hub.handle_error = handle_error


def adopt(child: Any) -> None:
    """Make a greenlet the child of the run that is spawning it, if one is.

    Not one in a native thread, which nobody here can end; nor a `threading.Thread`, a greenlet here too: those of
    an executor, or of a library, serve other runs as well.
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
    child.pytask_port, child.pytask_is_pooled = port, child.has_links()  # a pool links before it starts one
    if port.children is None:
        port.children = set()
    port.children.add(child)
    child.rawlink(_died)


def _died(child: Any) -> None:
    forks.leave(child.exception)  # the first of its links: nobody else learns of it in a forked process
    port: RunPort = child.pytask_port
    port.children.discard(child)  # type: ignore[union-attr]
    error = child.exception
    if error is not None and not isinstance(error, Interrupted):
        port.child_error = port.child_error or error
        _failed(port, error, is_awaited=child.has_links() or child.pytask_is_pooled)  # type: ignore[misc]
    if port.changed is not None:
        port.changed.set()


def leave_threads() -> list[str]:
    """Return the names of threads that runs have left, and see to it that the process does not wait for them."""
    left = [thread for thread in list(_threads) if thread.is_alive()]
    for thread in left:
        executor._threads_queues.pop(thread, None)  # type: ignore[attr-defined]  # noqa: SLF001 - waits for its at exit
    return [thread.name for thread in left]


def nudge(task: Task | None) -> None:
    """Have who waits for the children of an instance look again."""
    if task is not None and task.pytask_port.changed is not None:  # type: ignore[attr-defined]
        task.pytask_port.changed.set()  # type: ignore[attr-defined]


def interrupt(task: Task | None, reason: str) -> None:
    """Deliver an interruption to every greenlet of an instance, without waiting."""
    for child in list(task.pytask_port.children or ()) if task is not None else ():  # type: ignore[attr-defined]
        child.kill(Interrupted(reason), block=False)


def close(task: Task | None, gave_up: Callable[[], None], left: Callable[[BaseException], None]) -> None:
    """End what an instance left behind, and return when nothing of it goes on.

    The run has been judged, or is another instance's: whatever is still aimed at this greenlet, as a Timeout
    that the task has left ticking, only goes to `left`. `gave_up` is told when the children ignore everything.
    """
    turns = 0
    while has_any(task):
        try:
            interrupt(task, 'ended')
            gevent.joinall(list(task.pytask_port.children), timeout=CHILD_GRACE_S)  # type: ignore[union-attr]
            turns += 1
            if turns == INTERRUPTIONS and has_any(task):
                gave_up()
        except BaseException as error:  # noqa: BLE001 - as in the runner: it was the task's
            left(error)
