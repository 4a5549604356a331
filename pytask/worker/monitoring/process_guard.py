"""The process guard restores, within a second, what a task changed for the whole process.

That is signal handlers (a worker that ignores SIGTERM gets killed) and the recursion limit. Alarms are ignored: in
a process with many runs a handler that raises would hit any of them, and without one the first alarm ends it.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import gevent

from pytask.worker.service import Service

if TYPE_CHECKING:
    from pytask.worker.lifetime import Lifetime

LOOK_EVERY_S = 1.0
ALARMS = {
    signal.SIGALRM: signal.ITIMER_REAL,
    signal.SIGVTALRM: signal.ITIMER_VIRTUAL,
    signal.SIGPROF: signal.ITIMER_PROF,
}


class ProcessGuard(Service):
    """Keeps things, while the `with` block lasts, as they were at its start."""

    def __init__(self, lifetime: Lifetime) -> None:
        super().__init__('guard', lifetime)
        self._handlers: dict[int, Any] = {}
        self._taken: list[signal.Signals] = []
        self._depth = sys.getrecursionlimit()

    def __enter__(self) -> ProcessGuard:
        self._taken = [number for number in ALARMS if signal.getsignal(number) is signal.SIG_DFL]
        for number in self._taken:
            signal.signal(number, _ignore)
        found = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._handlers = {number: handler for number, handler in found.items() if callable(handler)}
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._put_back()  # signals until the process ends are still handled
        for number in self._taken:
            signal.setitimer(ALARMS[number], 0)
            signal.signal(number, signal.SIG_DFL)

    def turn(self) -> None:
        gevent.sleep(LOOK_EVERY_S)
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
                self._report.put_back(f'the handler of {getattr(number, "name", number)}')
        if sys.getrecursionlimit() < self._depth:
            sys.setrecursionlimit(self._depth)
            self._report.put_back('the recursion limit')


def _ignore(_number: int, _frame: Any) -> None:
    # Not SIG_IGN, which child processes would inherit.
    pass
