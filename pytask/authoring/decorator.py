"""The `task` decorator turns a function, or a class, into a task; it needs no app."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, overload

from pytask.authoring.task import Task, kebab

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.core.run import Run


class FunctionTask:
    """A function that is also a task: it stays callable, and `apply` starts a run."""

    def __init__(self, function: Callable[..., Any], task_class: type[Task]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.task_class = function, task_class

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def apply(self, data: dict[str, Any] | None = None, /, **more: Any) -> Run:
        """Start a run with this data."""
        return self.task_class.apply(data, **more)


_LOWER = ('graceful', 'on_partition')


def function_class(function: Callable[..., Any], **policy: Any) -> type[Task]:
    """Make the Task class whose `start` calls a function with the run's data."""

    def __init__(self: Any, /, *args: Any, **data: Any) -> None:  # noqa: N807 - it becomes the method
        self.__dict__['args'], self.__dict__['data'] = args, data

    def start(self: Any) -> Any:
        return function(*self.__dict__['args'], **self.__dict__['data'])

    namespace = {
        'NAME': kebab(function.__name__),
        '__module__': function.__module__,
        '__qualname__': function.__qualname__,
        '__doc__': function.__doc__,
        '__init__': __init__,
        'start': start,
        'pytask_function': staticmethod(function),
        **policy,
    }
    return type(function.__name__, (Task,), namespace)


@overload
def task(target: type[Task], /) -> type[Task]: ...
@overload
def task(target: Callable[..., Any], /) -> FunctionTask: ...
@overload
def task(*, name: str | None = None, **policy: Any) -> Callable[[Any], Any]: ...
def task(target: Any = None, /, *, name: str | None = None, **policy: Any) -> Any:
    """Turn a function, or a class, into a task. No app is needed.

    Keywords set its policy: `name`, `queue`, `grace`, `timeout`, `graceful`, `on_partition`, `demo`, `expose`,
    `redact`.
    """
    attributes = {key if key in _LOWER else key.upper(): value for key, value in policy.items()}
    if name is not None:
        attributes['NAME'] = name
    unknown = attributes.keys() - {'NAME', 'QUEUE', 'GRACE', 'TIMEOUT', 'DEMO', 'EXPOSE', 'REDACT', *_LOWER}
    if unknown:
        raise TypeError(f'@task has no keyword {", ".join(sorted(unknown)).lower()}; see help(pytask.task)')
    if target is None:
        return lambda target: _as_task(target, attributes)
    return _as_task(target, attributes)


def _as_task(target: Any, attributes: dict[str, Any]) -> Any:
    if inspect.isclass(target):
        if not issubclass(target, Task):
            raise TypeError(f'@task on a class needs a subclass of pytask.Task: {target.__qualname__}')
        for key, value in attributes.items():
            setattr(target, key, value)
        return target
    return FunctionTask(target, function_class(target, **attributes))


def as_task_class(thing: Any) -> type[Task] | None:
    """Return the Task class of a class or a decorated function; None for anything else."""
    if isinstance(thing, FunctionTask):
        return thing.task_class
    return thing if inspect.isclass(thing) and issubclass(thing, Task) else None
