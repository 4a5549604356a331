"""What an attempt is made of: the task's class, the context around the run, and the instance."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pytask.authoring.task import Task, current
from pytask.core.names import RESERVED, no_such_task
from pytask.errors import TaskError
from pytask.schema.inputs import read_object
from pytask.worker.attempt.flow_attempt import fitting
from pytask.worker.attempt.port import RunPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytask.worker.application import Application
    from pytask.worker.control.stopper import Stopper
    from pytask.worker.live import Live
    from pytask.worker.writer import Writer


class Builder:
    """Finds and makes what one worker's attempts need."""

    def __init__(self, app: Application, writer: Writer, stopper: Stopper) -> None:
        self._app, self._registry = app, app.registry
        self._writer, self._stopper = writer, stopper

    def find(self, live: Live) -> type[Task]:
        """Return the class of a run, or of the step that a flow has reached. Raises TaskError."""
        name = live.task_name if live.flow is None else live.flow.task
        task_class = self._registry.get(name)
        if task_class is None:
            raise TaskError(no_such_task(name, self._registry.names()))
        if task_class.NAME.startswith(RESERVED) and not live.is_local:
            raise TaskError(f"{task_class.NAME} is one of pytask's own tasks: every worker runs it already")
        return task_class

    def context(self, live: Live, task_class: type[Task]) -> AbstractContextManager[Any] | None:
        """Return what the app, and inside it the task, provides around a run; None for nothing."""
        # An app's context that fails must not stop the services of its worker.
        is_service = live.is_local and task_class.NAME.startswith(RESERVED)
        if self._app.provide_context is not None and not is_service:
            return _both(self._app.provide_context, task_class)
        if task_class.provide_context is Task.provide_context:
            return None
        return task_class.provide_context()

    def build(self, live: Live, task_class: type[Task], data: bytes) -> Task:
        """Make the instance: the port first, so that `__init__` may emit. Raises InputError for bad data."""
        task = task_class.__new__(task_class)
        object.__setattr__(task, 'pytask_port', RunPort(live, self._app, self._writer))  # frozen dataclasses, too
        current.set(task)
        inputs = self._registry.inputs(task_class)
        given = read_object(task_class.NAME, data)
        given = given if live.flow is None else fitting(inputs, given)
        bound = inputs.found(inputs.bind(given))
        try:
            inputs.give(task, bound)
        except BaseException:
            self._stopper.close(live, task)
            raise
        return task


@contextmanager
def _both(outer: Callable[[], AbstractContextManager[Any]], task_class: type[Task]) -> Iterator[None]:
    # The task's is made inside the app's, which it may need.
    with outer(), task_class.provide_context() or nullcontext():
        yield
