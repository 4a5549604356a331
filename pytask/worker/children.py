"""Owned greenlets: whatever a run spawns ends with it, by `self.spawn` or by plain `gevent.spawn`.

gevent tells of every Greenlet being born, in the greenlet that gives birth; the task that runs there
is found in its context variables, and the child gets a copy of them.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import gevent

from pytask.errors import Interrupted
from pytask.task import current

if TYPE_CHECKING:
    from pytask.worker.slots import Live

# How long interrupted children may take to clean up before the run is recorded without them.
CHILD_GRACE_S = 1.0


def install() -> None:
    """Begin to watch births. Interrupted is no error of a greenlet: the hub prints nothing about it."""
    gevent.Greenlet.add_spawn_callback(adopt)
    hub = gevent.get_hub()
    if Interrupted not in hub.NOT_ERROR:
        hub.NOT_ERROR = (*hub.NOT_ERROR, Interrupted)


def adopt(child: Any) -> None:
    task = current.get()
    if task is None:
        return
    live: Live = task.port.live  # type: ignore[attr-defined]
    child.gr_context = copy_context()
    if live.children is None:
        live.children = set()
    live.children.add(child)
    child.rawlink(live.children.discard)


def interrupt(live: Live, reason: str) -> None:
    """Deliver an interruption to every greenlet a run owns, without waiting."""
    for child in list(live.children or ()):
        child.kill(Interrupted(reason), block=False)


def close(live: Live) -> None:
    """End what a run's `start` left behind."""
    for _ in range(2):
        if live.children:
            interrupt(live, 'ended')
            gevent.joinall(list(live.children), timeout=CHILD_GRACE_S)
