"""A worker as a process: POSIX signals in, exit code out, and a new process in its place if it needs one.

A Python signal handler runs inside whatever greenlet is current, so it sets a flag and wakes the
main greenlet, and nothing else. Plain `signal.signal` works even while the event loop is blocked.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import gevent

from pytask.core.exit_codes import EXIT_INTERRUPTED, EXIT_RESTART
from pytask.worker import restart
from pytask.worker.attempt import stdout
from pytask.worker.log_format import set_up_logging
from pytask.worker.monitoring.health_server import Health
from pytask.worker.monitoring.process_guard import ProcessGuard
from pytask.worker.monitoring.watchdog import Watchdog
from pytask.worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from types import FrameType

    from pytask.worker.application import Application


def run_worker(  # noqa: PLR0913 - by name
    app: Application,
    *,
    level: int = logging.INFO,
    on_ready: Callable[[], None] | None = None,
    restarts: bool = True,
    signals: Sequence[str] = ('SIGTERM', 'SIGINT', 'SIGHUP'),
    beside: AbstractContextManager[Any] | None = None,
) -> int:
    """Run a worker in this process, in the main greenlet, and return its exit code.

    `on_ready` is called in its own greenlet once the worker claims runs. A worker that needs a new process restarts
    in place, and this does not return; if that is not allowed (`restarts`, the settings) or it did so within the
    last minute, the code is 75. The POSIX signals `signals` shut it down; `beside` is entered and left with it.

    Raises Unavailable if Redis cannot be reached at the start, ConfigError for a bad setting.
    """
    # The hub starts here: every greenlet counts its recursion depth from there, and later calls go deeper.
    gevent.sleep(0)
    set_up_logging(level, stdout.beneath(sys.stderr))
    stdout.stamp_logs()
    restart.remember()
    worker = Worker(app)
    health = Health(app.settings.health, worker.readiness, worker.metrics_page, worker.report)
    watchdog = Watchdog(worker.readiness, app.settings, worker.lifetime)
    guard = ProcessGuard(worker.lifetime)
    posix_signals = PosixSignals(signals, worker.shut_down, worker.dump)
    with posix_signals, guard, health, watchdog, beside or nullcontext():
        code = worker.serve(watchdog.ready(on_ready))
    if restarts and code == EXIT_RESTART and restart.is_possible(app.settings):
        worker.report.restarting()
        restart.restart()
    return code


class PosixSignals:
    """Shuts the worker down on these signals; the second one interrupts its runs, the third one exits at once.

    Under `nohup`, SIGHUP does nothing. SIGUSR1 writes all stacks to stderr.
    """

    def __init__(
        self, names: Sequence[str], shut_down: Callable[[str], None], dump: Callable[[FrameType | None], None]
    ) -> None:
        self._names, self._shut_down, self._dump = names, shut_down, dump
        self._count = 0
        self._why = ''
        self._before: dict[int, Any] = {}
        self._nudge = gevent.get_hub().loop.async_()

    def __enter__(self) -> PosixSignals:
        self._nudge.start(lambda: self._shut_down(self._why))
        for number in (getattr(signal, name) for name in self._names):
            is_to_outlive = number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
            if not is_to_outlive:
                self._handle(number, self._on_signal)
        self._handle(signal.SIGUSR1, self._on_look)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._nudge.stop()

    def _handle(self, number: int, handler: Callable[[int, Any], None]) -> None:
        self._before[number] = signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: Any) -> None:
        self._count += 1
        if self._count > 2:
            os._exit(EXIT_INTERRUPTED)
        self._why = signal.Signals(number).name
        self._nudge.send()

    def _on_look(self, _number: int, frame: Any) -> None:
        self._dump(frame)
