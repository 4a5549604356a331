"""The port of a task outside a run: everything prints, nothing is stored.

It lets an author try a class in a Python prompt or a plain test: `Crawl(url='…').start()`.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_RUN = 'only inside a run: start this task with `pytask run` or a client'


class Prompt:
    """Prints what a run would publish."""

    run_id = ''
    attempt = 0

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.log = logging.LoggerAdapter(logging.getLogger('pytask.task'), {})

    def emit(self, event: str, data: Any) -> None:
        sys.stdout.write(f'{event} {data!r}\n')

    def progress(self, done: int, target: int | None) -> None:
        sys.stdout.write(f'progress {done}' + ('\n' if target is None else f' of {target}\n'))

    def message(self, text: str) -> None:
        sys.stdout.write(f'message {text}\n')

    def sleep(self, seconds: float) -> None:
        self.stopping.wait(seconds)

    def every(self, seconds: float) -> Iterator[int]:
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
