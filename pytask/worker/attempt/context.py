"""The context of a run: what its app provides around every run, and inside it what its task provides."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pytask.authoring.task import Task
from pytask.core.names import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytask.app.app import PyTask
    from pytask.worker.slots import Live


def context_of(app: PyTask, live: Live, task_class: type[Task]) -> AbstractContextManager[Any] | None:
    """Return the context to run an attempt in; None for none."""
    # What fails in the app's own context must not take the services of its worker along.
    is_service = live.is_local and task_class.NAME.startswith(RESERVED)
    if app.provide_context is not None and not is_service:
        return _both(app.provide_context, task_class)
    if task_class.provide_context is Task.provide_context:
        return None
    return task_class.provide_context()


@contextmanager
def _both(outer: Callable[[], AbstractContextManager[Any]], task_class: type[Task]) -> Iterator[None]:
    # The task's is made inside the app's: it may need it.
    with outer(), task_class.provide_context() or nullcontext():
        yield
