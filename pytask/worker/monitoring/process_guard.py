"""The guard: what belongs to the whole process is no task's to change, and is put back within a second.

That is how POSIX signals are answered (a worker that ignores SIGTERM is killed, not stopped), and how deep
the interpreter may recurse. Alarms belong to nobody: in a process of many runs a handler that raises would
hit whichever has its turn, and without one the first alarm ends the worker.
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
    """Keeps things, from `with` to its end, as they are when it begins."""

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
        self._put_back()  # what comes until the process ends is still to be heard
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
                self._report.put_back(f'how the process answers {getattr(number, "name", number)}')
        if sys.getrecursionlimit() < self._depth:
            sys.setrecursionlimit(self._depth)
            self._report.put_back('how deep the process may recurse')


def _ignore(_number: int, _frame: Any) -> None:
    # Not SIG_IGN, which a process that a task starts would inherit.
    pass
