"""One worker process of `pytask dev`, as the process that watches sees it: it imports, and serves when told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any

from pytask.cli.dev.channel import DESCRIPTOR, Channel
from pytask.core.clock import monotonic_s

# What the terminal sends to all processes of `dev`; only the one that watches heeds it, and tells the others.
FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGHUP})
KILLED_WITHIN_S = 5.0
# Between the end of what it says and the end of its process.
LAST_STEPS_S = 1.0


class Generation:
    """`is_loaded` once the tasks are imported; `is_leaving` once it was told to end.

    It inherits `more` descriptors.
    """

    def __init__(self, *more: int) -> None:
        self.is_loaded = self.is_leaving = False
        self._is_serving = self._has_heard = self._is_hurried = False
        self._begun_at = self._told_at = monotonic_s()
        ours, its = socket.socketpair()
        with its:
            self._process = _start(its.fileno(), *more)
        self._channel = Channel(ours)

    def fileno(self) -> int:
        return self._channel.fileno()

    @property
    def code(self) -> int | None:
        """Its exit code, None while it lives."""
        return self._process.poll()

    @property
    def age_s(self) -> float:
        return monotonic_s() - self._begun_at

    @property
    def told_for_s(self) -> float:
        """For how long it was told to end."""
        return monotonic_s() - self._told_at

    def is_deaf(self, after_s: float) -> bool:
        """Tell whether it was told to end for so long, and has not even answered: a task blocks it."""
        return self.is_leaving and not self._has_heard and self.told_for_s > after_s

    def hear(self) -> list[dict[str, Any]]:
        """Return what it says; call this when its channel is readable."""
        heard = self._channel.hear()
        for words in heard:
            self.is_loaded = self.is_loaded or 'loaded' in words
            self._has_heard = self._has_heard or 'leaving' in words
        if self._channel.is_over and not heard:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_STEPS_S)
        return heard

    def load(self, url: str) -> None:
        """Let it import the tasks; runs will come from there."""
        self._channel.tell(url=url)

    def serve(self, *, is_first: bool, with_demo: bool, web: dict[str, Any] | None) -> None:
        """Let it begin to claim runs."""
        self._is_serving = True
        self._channel.tell(serve={'is_first': is_first, 'with_demo': with_demo, 'web': web})

    def leave(self) -> None:
        """Tell it to end: what runs is given back to its queue."""
        if self.is_leaving:
            return
        self.is_leaving, self._told_at = True, monotonic_s()
        if self._is_serving:
            self._channel.tell(leave=True)
        else:
            self.kill()  # it holds no run, and may hang in an import

    def press(self, after_s: float) -> None:
        """Have what still runs interrupted, if it was told to end for so long."""
        if not self._is_hurried and self.told_for_s >= after_s:
            self._is_hurried = True
            self._channel.tell(hurry=True)

    def kill(self) -> None:
        """End it at once, and return when it has ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_WITHIN_S)

    def close(self) -> None:
        self._channel.close()


def _start(descriptor: int, *more: int) -> subprocess.Popen[bytes]:
    # It is born deaf to the terminal, and hears no Ctrl-C before it can answer it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_TERMINAL)
    try:
        return subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]], pass_fds=[descriptor, *more],
            env={**os.environ, DESCRIPTOR: str(descriptor)},
        )  # fmt: skip
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_the_terminal() -> None:
    """Do nothing on Ctrl-C in this process, which another one tells to end. Called by the worker's process."""
    for number in FROM_TERMINAL:
        # Not SIG_IGN, which a process that a task starts would inherit.
        signal.signal(number, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FROM_TERMINAL)


def _nothing(_number: int, _frame: Any) -> None:
    pass
