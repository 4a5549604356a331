"""Forks: a child process that a task makes must not act as a worker.

It has copies of every greenlet and socket. So it gets its own hub, in which only the greenlet that forked runs, and
what that spawns, and it ends where the worker would continue: when the task's `start`, the child greenlet or the
offloaded function that forked is over. It claims, renews and records nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import Any

from gevent import _hub_local
from gevent.hub import Hub, get_hub
from greenlet import getcurrent, greenlet

# The worker handles these itself; in a child process, as `Process.terminate()` expects, they end it.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_worker_pid = 0
_mask: set[Any] = set()


class ForkedHub(Hub):
    """The hub of a forked child, which ends when nothing is left to wait for."""

    def run(self, *here: Any) -> None:
        # Begun at once: a greenlet that fails throws its error into its hub, and if that has not begun, into the
        # worker's main greenlet.
        try:
            greenlet.switch(*here)
        except BaseException as error:  # noqa: BLE001 - from the author's raw greenlet
            leave(error)
        loop: Any = self.loop
        loop.error_handler = self
        loop.run()
        _exit(0)

    def handle_error(self, _context: Any, _kind: Any, error: Any, _trace: Any) -> None:
        leave(error)


def install() -> None:
    """Handle forks from now on."""
    global _worker_pid  # noqa: PLW0603 - a process is one worker
    if not _worker_pid:
        os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_go, after_in_child=_forked)
        # gevent does this after the first fork, and misses a child that has ended by then.
        get_hub().loop.install_sigchld()
    _worker_pid = os.getpid()


def leave(error: BaseException | None = None) -> None:
    """End this process, with the exit code of `error`, if it is a fork of the worker."""
    if os.getpid() == _worker_pid:
        return
    if error is None or isinstance(error, SystemExit):
        code = getattr(error, 'code', 0)
        _exit(code if isinstance(code, int) else int(code is not None))
    with suppress(BaseException):  # its text may raise
        traceback.print_exception(error)
    _exit(1)


def _exit(code: int) -> None:
    try:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed, or its reader is gone
                stream.flush()
    finally:
        os._exit(code & 0xFF)


def _forked() -> None:
    _answer_signals_plainly()
    here = main = getcurrent()
    while main.parent is not None:
        main = main.parent
    hub = ForkedHub(default=False)
    if here is not main:
        hub.parent = main  # else its parent would be its own child
        here.parent = hub
    _hub_local.set_hub(hub)
    greenlet.switch(hub, here)


def _hold_signals() -> None:
    # Until the child has the default handlers: the worker's would act on a worker that is not there.
    global _mask  # noqa: PLW0603 - one for all: threads that fork have the process's mask
    _mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _let_signals_go() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask)


def _answer_signals_plainly() -> None:
    for number in SIGNALS:
        if str(getattr(signal.getsignal(number), '__module__', '')).startswith('pytask.'):
            signal.signal(number, signal.SIG_DFL)
    _let_signals_go()
