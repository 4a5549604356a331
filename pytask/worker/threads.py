"""Threads of tasks: under gevent they are greenlets, owned by their run like all that it spawns.

What ends one is told with the run it belongs to. The interruption by which a run ends its threads is no news.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pytask.definition import current
from pytask.errors import Interrupted

if TYPE_CHECKING:
    from pytask.worker.report import Reporter


def install(report: Reporter) -> None:
    """Hear of errors that end threads of tasks; those of other threads go where they went before."""
    before: Any = getattr(threading.excepthook, 'pytask_before', threading.excepthook)

    def hook(args: Any) -> None:
        task = current.get()
        if task is None:
            before(args)
        elif not isinstance(args.exc_value, Interrupted):
            report.thread_failed(task.pytask_port, args.exc_value)  # type: ignore[arg-type]

    hook.pytask_before = before  # type: ignore[attr-defined]
    threading.excepthook = hook
