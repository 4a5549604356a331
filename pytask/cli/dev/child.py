"""One worker process of `pytask dev`, as its supervisor sees it: it imports the tasks, and serves when told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any, NamedTuple

from pytask.cli.dev.channel import DESCRIPTOR, Channel
from pytask.core.clock import monotonic_s

# A terminal sends these to all processes of `dev`; only the supervisor obeys them, and tells the worker process.
FROM_TERMINAL = frozenset({signal.SIGINT, signal.SIGHUP})
KILLED_WITHIN_S = 5.0
# From the end of its channel to the end of its process.
LAST_STEPS_S = 1.0


class Serving(NamedTuple):
    """How a worker process serves: `exits` when the demo runs have ended; `web` describes the page's socket."""

    with_demo: bool
    reloads: bool
    exits: bool
    web: dict[str, Any] | None
    is_first: bool = True


class WorkerProcess:
    """`is_loaded` once the tasks are imported; `is_leaving` once it was told to end.

    It inherits the descriptors in `more`.
    """

    def __init__(self, *more: int) -> None:
        self.is_loaded = self.is_leaving = False
        self._is_serving = self._has_answered = self._is_hurried = False
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
    def leaving_for_s(self) -> float:
        """How long ago it was told to end."""
        return monotonic_s() - self._told_at

    def is_deaf(self, after_s: float) -> bool:
        """Tell whether it has not even answered in this time after it was told to end: a task blocks it."""
        return self.is_leaving and not self._has_answered and self.leaving_for_s > after_s

    def receive(self) -> list[dict[str, Any]]:
        """Return its messages; call this when its channel is readable."""
        messages = self._channel.receive()
        for message in messages:
            self.is_loaded = self.is_loaded or 'loaded' in message
            self._has_answered = self._has_answered or 'leaving' in message
        if self._channel.is_over and not messages:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_STEPS_S)
        return messages

    def load(self, url: str) -> None:
        """Let it import the tasks; its runs will come from this Redis."""
        self._channel.send(url=url)

    def serve(self, how: Serving) -> None:
        """Let it claim runs."""
        self._is_serving = True
        self._channel.send(serve=how)

    def leave(self) -> None:
        """Tell it to requeue its runs and end."""
        if self.is_leaving:
            return
        self.is_leaving, self._told_at = True, monotonic_s()
        if self._is_serving:
            self._channel.send(leave=True)
        else:
            self.kill()  # it has no runs, and may hang in an import

    def hurry(self, after_s: float) -> None:
        """Have its runs interrupted if it was told to end this long ago."""
        if not self._is_hurried and self.leaving_for_s >= after_s:
            self._is_hurried = True
            self._channel.send(hurry=True)

    def kill(self) -> None:
        """Kill it, and wait until it has ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_WITHIN_S)

    def close(self) -> None:
        self._channel.close()


def _start(descriptor: int, *more: int) -> subprocess.Popen[bytes]:
    # Blocked from the start, so that no Ctrl-C arrives before the child can handle it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FROM_TERMINAL)
    try:
        environment = {**os.environ, DESCRIPTOR: str(descriptor)}
        command = [sys.executable, *sys.orig_argv[1:]]
        return subprocess.Popen(command, pass_fds=[descriptor, *more], env=environment)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_the_terminal() -> None:
    """Do nothing on Ctrl-C in this process; the supervisor tells it to end. Called by the worker process."""
    for number in FROM_TERMINAL:
        # Not SIG_IGN: processes that a task starts would inherit it.
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FROM_TERMINAL)
