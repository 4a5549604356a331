"""The port of a task: what every port offers, and the one outside a run, which prints and stores nothing.

It lets an author try a class in a Python prompt or a plain test: `Crawl(url='…').start()`.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar('T')

# The attribute of a task that holds its progress.
DONE = 'pytask_done'
NO_RUN = 'only inside a run: start this task with `pytask run` or a client'


class Flag(Protocol):
    """`stopping`: an event that can be checked and waited for."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Port(Protocol):
    """What connects a task to its run: attached by the runner; `Prompt` outside a run."""

    @property
    def run_id(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def stopping(self) -> Any: ...
    @property
    def results(self) -> Any: ...
    @property
    def state(self) -> dict[str, Any]: ...
    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]: ...

    def emit(self, event: str, data: Any) -> None: ...
    def progress(self, done: int, target: int | None) -> None: ...
    def count(self, attributes: dict[str, Any], by: int) -> None: ...
    def message(self, text: str) -> None: ...
    def checkpoint(self) -> None: ...
    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...
    def join(self, timeout: float | None) -> None: ...
    def sleep(self, seconds: float) -> None: ...
    def every(self, seconds: float) -> Iterator[int]: ...
    def offload(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...


class TaskClass(Protocol):
    """What schema needs of a task class: its name. The rest is found by `getattr`."""

    NAME: ClassVar[str]


class Attached(Generic[T]):
    """An attribute of the port, shadowed by whatever the task assigns to the same name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, task: Any, owner: type | None = None) -> T:
        return getattr(task.pytask_port, self.name) if task is not None else self  # type: ignore[return-value]


class Prompt:
    """Prints what a run would publish."""

    run_id = ''
    attempt = 0

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.results: dict[Any, Any] = {}
        self.state: dict[str, Any] = {}
        self.log = logging.LoggerAdapter(logging.getLogger('pytask.task'), {})
        self._counting = threading.Lock()

    def emit(self, event: str, data: Any) -> None:
        sys.stdout.write(f'{event} {data!r}\n')

    def progress(self, done: int, target: int | None) -> None:
        check_whole(done, target)
        sys.stdout.write(f'progress {done}' + ('\n' if target is None else f' of {target}\n'))

    def count(self, attributes: dict[str, Any], by: int) -> None:
        check_whole(by)
        with self._counting:
            done = attributes[DONE] = attributes.get(DONE, 0) + by
        self.progress(done, None)

    def message(self, text: str) -> None:
        sys.stdout.write(f'message {text}\n')

    def checkpoint(self) -> None:
        """Do nothing: only runs are paused."""

    def sleep(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def every(self, seconds: float) -> Iterator[int]:
        check_span(seconds)
        for turn in itertools.count():
            if self.stopping.is_set():
                return
            yield turn
            self.stopping.wait(seconds)

    def offload(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    def spawn(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f'spawn: {NO_RUN}')

    def join(self, timeout: float | None) -> None:
        """Nothing was spawned, so there is nothing to wait for."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f'{name}: {NO_RUN}')


def check_whole(*values: int | None) -> None:
    """Raise TypeError if a progress or target is not a whole number."""
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise TypeError(f'progress and target are whole numbers, not {value!r}')


def check_span(seconds: float) -> None:
    """Raise ValueError unless the interval is more than 0 seconds."""
    if not seconds > 0:
        raise ValueError(f'every {seconds!r} seconds: it must be more than 0')
