"""The Task base class and the `task` decorator: what authors write against.

Pure: a task can emit and spawn because the runner attaches a `Port` to the instance before its
`__init__` runs (subclasses need not call `super().__init__`, and may emit in theirs). Outside a run
the port is `Prompt`, which prints, so that a class can be tried in a Python prompt. What comes from
the port is found through non-data descriptors: a task may assign `self.target` or `self.id` as it likes.
"""

from __future__ import annotations

import functools
import inspect
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload

from pytask.errors import TaskError
from pytask.prompt import Prompt

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytask.app import PyTask
    from pytask.client import Client
    from pytask.run import Run

T = TypeVar('T')

current: ContextVar[Task | None] = ContextVar('pytask_current_task', default=None)


class Flag(Protocol):
    """What `stopping` is: an event that can be asked and waited for."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Port(Protocol):
    """A run's side of a task: attached by the runner, printed by `Prompt` outside a run."""

    @property
    def run_id(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def stopping(self) -> Any: ...
    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]: ...

    def emit(self, event: str, data: Any) -> None: ...
    def progress(self, done: int, target: int | None) -> None: ...
    def message(self, text: str) -> None: ...
    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...
    def join(self, timeout: float | None) -> None: ...
    def sleep(self, seconds: float) -> None: ...
    def every(self, seconds: float) -> Iterator[int]: ...
    def offload(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...


class _Attached(Generic[T]):
    """An attribute of the port, shadowed by whatever the task assigns to the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, task: Task | None, owner: type | None = None) -> T:
        return getattr(task.port, self.name) if task is not None else self  # type: ignore[return-value]


class Task:
    """A task: subclass it, give it a `NAME`, inputs (the signature of `__init__`) and a `start`.

    Policy: `QUEUE` is where its runs wait; `GRACE` the seconds an orderly stop may take before the run
    is interrupted, None for no limit; `graceful` tasks are told by `stopping` and end by themselves;
    `TIMEOUT` the seconds a run may take, None for no limit; `DEMO` the data with which `pytask dev` starts
    a first run, None for no such run.
    """

    NAME: ClassVar[str]
    QUEUE: ClassVar[str] = 'default'
    TIMEOUT: ClassVar[float | None] = None
    GRACE: ClassVar[float | None] = 10
    graceful: ClassVar[bool] = False
    DEMO: ClassVar[dict[str, Any] | None] = None
    Error: ClassVar[type[TaskError]] = TaskError

    port: Port = Prompt()
    bound_app: ClassVar[Any] = None  # the PyTask it was added to

    id = _Attached[str]('run_id')
    attempt = _Attached[int]('attempt')
    stopping = _Attached[Flag]('stopping')
    log = _Attached['logging.LoggerAdapter[logging.Logger]']('log')
    app = _Attached['PyTask']('app')
    client = _Attached['Client']('client')
    redis = _Attached[Any]('redis')

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if 'NAME' not in cls.__dict__:
            cls.NAME = kebab(cls.__name__)

    @staticmethod
    def provide_context() -> AbstractContextManager[Any] | None:
        """Return a context manager entered before the instance is made; all methods run inside it."""
        return None

    @classmethod
    def apply(cls, **data: Any) -> Run:
        """Start a run with this data, from any module, process or thread; in its app, else the default one."""
        return _client(cls.bound_app).start(cls, data)

    def emit(self, event: str, data: Any = None) -> None:
        """Publish an event on this run's channel. Thread-safe; raises TypeError if `data` is not JSON."""
        self.port.emit(event, data)

    def progress(self, done: int, target: int | None = None) -> None:
        """Record how far the run is, in whole units, of `target` units. A float is a TypeError."""
        self.port.progress(done, target)

    def message(self, text: str) -> None:
        """Say something to whoever watches the run."""
        self.port.message(text)

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `fn` in a greenlet that this run owns: it ends with the run."""
        return self.port.spawn(fn, *args, **kwargs)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the greenlets this run owns, at most `timeout` seconds; raise the first error of one."""
        self.port.join(timeout)

    def sleep(self, seconds: float) -> None:
        """Sleep, or return at once when the run is told to stop."""
        self.port.sleep(seconds)

    def every(self, seconds: float) -> Iterator[int]:
        """Yield 0, 1, 2, … every so many seconds, without drift, until `stopping` is set."""
        return self.port.every(seconds)

    def offload(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `fn` in a native thread and return what it returns: for CPU work and blocking calls."""
        result: T = self.port.offload(fn, *args, **kwargs)
        return result


class FunctionTask:
    """A function that is a task too: stays callable, and starts runs with `apply`."""

    def __init__(self, function: Callable[..., Any], task_class: type[Task]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.task_class = function, task_class

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def apply(self, **data: Any) -> Run:
        """Start a run with this data."""
        return self.task_class.apply(**data)


def function_class(function: Callable[..., Any], **policy: Any) -> type[Task]:
    """Make the Task class whose `start` calls a function with the run's data."""

    def __init__(self: Any, **data: Any) -> None:  # noqa: N807 - it becomes the method
        self.__dict__['data'] = data

    def start(self: Any) -> Any:
        return function(**self.__dict__['data'])

    namespace = {
        'NAME': kebab(function.__name__),
        '__module__': function.__module__,
        '__qualname__': function.__qualname__,
        '__doc__': function.__doc__,
        '__init__': __init__,
        'start': start,
        'inputs_of': staticmethod(function),
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
    """Make a function, or a class, a task; needs no app.

    Keywords set policy: `name`, `queue`, `grace`, `timeout`, `graceful`, `demo`.
    """
    attributes = {key if key == 'graceful' else key.upper(): value for key, value in policy.items()}
    if name is not None:
        attributes['NAME'] = name
    unknown = attributes.keys() - {'NAME', 'QUEUE', 'GRACE', 'TIMEOUT', 'DEMO', 'graceful'}
    if unknown:
        raise TypeError(f'@task does not know {", ".join(sorted(unknown)).lower()}')
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
    """Return the Task class that a class, or a decorated function, stands for; None for anything else."""
    if isinstance(thing, FunctionTask):
        return thing.task_class
    return thing if inspect.isclass(thing) and issubclass(thing, Task) else None


def current_task() -> Task | None:
    """Return the task this code runs in, also from greenlets it spawned; None outside a run."""
    return current.get()


def kebab(name: str) -> str:
    """Turn `HttpCheck` or `http_check` into `http-check`."""
    words = re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '-', name)
    return words.replace('_', '-').strip('-').lower()


def _client(app: PyTask | None) -> Client:
    if app is None:
        import pytask  # the door above: a bare task starts its runs through the default app

        app = pytask.default_app()
    return app.client
