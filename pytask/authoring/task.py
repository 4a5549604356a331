"""The Task base class: what authors write against. The `task` decorator is in `decorator`.

Pure: a task can emit and spawn because the runner attaches a `Port` to the instance before its
`__init__` runs (subclasses need not call `super().__init__`, and may emit in theirs). Outside a run
the port is `Prompt`, which prints, so that a class can be tried in a Python prompt. What comes from
the port is found through non-data descriptors: a task may assign `self.target` or `self.id` as it likes.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pytask.core.default_client import default_client
from pytask.core.port import DONE, Attached, Flag, Port, Prompt
from pytask.errors import TaskError
from pytask.schema.params import shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytask.core.run import Run
    from pytask.core.states import Outcome

T = TypeVar('T')

current: ContextVar[Task | None] = ContextVar('pytask_current_task', default=None)


class Task:
    """A task: subclass it, give it a `NAME`, inputs (the signature of `__init__`) and a `start`.

    A method `on_<name>` is called with the data of each message of that name. Events, progress and messages
    may come from any greenlet or native thread of the run.

    Policy: `QUEUE` is where its runs wait. `TIMEOUT` is how many seconds a run may take, `GRACE` how many an
    orderly stop may take before the run is interrupted; None means no limit. A `graceful` task watches
    `stopping` and ends by itself. `on_partition` is 'stop' to interrupt a run before its lease expires, or
    'keep' to let it continue without one, at the risk of running twice. `DEMO` is the data of a first run that
    `pytask dev` starts, None for no such run. `CHECK_EVERY` is how many seconds pass between calls of `check`
    while it holds a flow. `EXPOSE` lets the web start its runs; `REDACT` names inputs whose values the web never
    shows. `results` and `state` are those of the flow it is a step of.
    """

    NAME: ClassVar[str]
    QUEUE: ClassVar[str] = 'default'
    TIMEOUT: ClassVar[float | None] = None
    GRACE: ClassVar[float | None] = 10
    graceful: ClassVar[bool] = False
    on_partition: ClassVar[str] = 'stop'
    DEMO: ClassVar[dict[str, Any] | None] = None
    CHECK_EVERY: ClassVar[float | None] = None
    EXPOSE: ClassVar[bool] = False
    REDACT: ClassVar[tuple[str, ...]] = ()
    Error: ClassVar[type[TaskError]] = TaskError

    pytask_port: Port = Prompt()
    pytask_app: ClassVar[Any] = None  # the PyTask it was added to

    id = Attached[str]('run_id')
    attempt = Attached[int]('attempt')
    stopping = Attached[Flag]('stopping')
    log = Attached[Any]('log')
    results = Attached[Any]('results')
    state = Attached[dict[str, Any]]('state')
    app = Attached[Any]('app')  # the PyTask of the worker
    client = Attached[Any]('client')  # its Client
    redis = Attached[Any]('redis')

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        shape(cls)
        if 'NAME' not in cls.__dict__:
            cls.NAME = kebab(cls.__name__)

    @staticmethod
    def provide_context() -> AbstractContextManager[Any] | None:
        """Return a context manager entered before the instance is made; all methods run inside it."""
        return None

    @classmethod
    def apply(cls, data: dict[str, Any] | None = None, /, **more: Any) -> Run:
        """Start a run with this data, a dict or by names, from any module, process or thread.

        The run starts in the task's app, or else in the default app. Raises as `Client.start` does.
        """
        client = default_client() if cls.pytask_app is None else cls.pytask_app.client
        run: Run = client.start(cls, dict(**({} if data is None else data), **more))
        return run

    def emit(self, event: str, data: Any = None) -> None:
        """Publish an event on this run's channel. Thread-safe; raises TypeError if `data` is not JSON."""
        self.pytask_port.emit(event, data)

    def progress(self, done: int, target: int | None = None) -> None:
        """Record how far the run is, in whole units, of `target` units. A float is a TypeError."""
        self.pytask_port.progress(done, target)
        self.__dict__[DONE] = done

    def set_progress(self, done: int) -> None:
        """Record how far the run is. A float is a TypeError."""
        self.progress(done)

    def inc_progress(self, by: int = 1) -> None:
        """Add to the units done. A float is a TypeError."""
        self.pytask_port.count(self.__dict__, by)

    def set_target(self, target: int) -> None:
        """Record how many units there are. A float is a TypeError."""
        self.progress(self.__dict__.get(DONE, 0), target)

    def message(self, text: str) -> None:
        """Send a message to the watchers of the run. The last 1,000 are stored, up to 4,096 characters each."""
        self.pytask_port.message(text)

    def add_message(self, text: str) -> None:
        """Send a message: another name for `message`."""
        self.message(text)

    def finish(self, outcome: Outcome) -> None:
        """Clean up after `start`, however it ended: `outcome` has the `state` and the live `exception`.

        It runs inside the context, before children end, for at most GRACE seconds. Its errors are logged and
        change nothing. After reloads only the last instance is called.
        """

    def checkpoint(self) -> None:
        """Wait here while the run is paused; `emit`, `progress`, `message`, `sleep` and `every` do so too."""
        self.pytask_port.checkpoint()

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run `fn` in a greenlet that this run owns: it ends with the run, at the latest.

        If it raises, `start` is interrupted and the run ends with that error, unless the greenlet belongs to a
        pool or something waits for it: `join`, or the greenlet's own `get` or `join`. The same holds for plain
        `gevent.spawn`, but not for threads. When `start` returns, greenlets that are left are interrupted; those
        of a graceful task are waited for.
        """
        return self.pytask_port.spawn(fn, *args, **kwargs)

    def join(self, timeout: float | None = None) -> None:
        """Wait at most `timeout` seconds for the greenlets this run owns; raise the first error among them."""
        self.pytask_port.join(timeout)

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`; return early when the run is told to stop."""
        self.pytask_port.sleep(seconds)

    def every(self, seconds: float) -> Iterator[int]:
        """Yield 0, 1, 2, … every `seconds`, without drift, until the run is told to stop."""
        return self.pytask_port.every(seconds)

    def offload(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run `fn` in a native thread and return what it returns: for CPU work and blocking calls."""
        result: T = self.pytask_port.offload(fn, *args, **kwargs)
        return result


def current_task() -> Task | None:
    """Return the task this code runs in, also from greenlets it spawned; None outside a run."""
    return current.get()


def kebab(name: str) -> str:
    """Turn `HttpCheck` or `http_check` into `http-check`."""
    words = re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '-', name)
    return words.replace('_', '-').strip('-').lower()
