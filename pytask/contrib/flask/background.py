"""A worker beside a web process: a new process, not a fork, since the web process may have threads.

There is at most one per app and machine: the worker itself holds a lock on a file in the temporary folder, so the
lock is free once the worker is gone, however it ended. Web processes without the lock (of gunicorn, or after a
reload) keep trying to get it. The child ends with its parent: its stdin is a pipe that only the parent holds, and
the kernel closes it even on kill -9. (`PR_SET_PDEATHSIG` fires when the parent's thread ends, and servers load apps
in threads.) A worker that ends is restarted after 1 to 60 seconds, unless its configuration is invalid.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytask.contrib.flask.location import only_reloads, place_of
from pytask.core.clock import monotonic_s
from pytask.core.exit_codes import EXIT_CONFIG
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from pytask.config.settings import Settings

TURN_S = 0.25
SHORTEST_S, LONGEST_S = 1.0, 60.0
# How long a worker may take beyond --drain: the GRACE of `stop`, two interruptions, the last writes.
MARGIN_S = 20.0
# Variables of the web server. With them a child would tell systemd that the site is ready or has ended.
_OF_SERVERS = frozenset({
    'FLASK_RUN_FROM_CLI', 'WERKZEUG_RUN_MAIN', 'WERKZEUG_SERVER_FD', 'PYTASK_EXECUTED', 'NOTIFY_SOCKET',
    'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PID',
})  # fmt: skip
_running: dict[str, ChildWorker] = {}
# Descriptors open during a launch. A fork that kept them would hold the lock, or the parent's end of the pipe.
_at_launch: list[int] = []
_is_launching: ContextVar[bool] = ContextVar('_is_launching', default=False)
_log = logging.getLogger('pytask')


def start(flask: Flask, url: str, settings: Settings) -> None:
    """Keep a worker for an app until this process ends; return at once. Raises RuntimeError."""
    if 'python' not in Path(sys.executable).name:
        raise RuntimeError(
            f'cannot start a worker: {sys.executable} is not a Python interpreter; run `pytask worker` yourself'
        )
    place = place_of(flask)
    name = '\n'.join([flask.root_path, flask.name, place.rpartition(':')[2], url, settings.prefix])
    if name not in _running:
        _running[name] = ChildWorker(place, name, settings.drain_s)
        _running[name].start()


def lock_path(name: str) -> Path:
    """Return the lock file of an app. Raises ConfigError if its folder belongs to another user."""
    folder = Path(tempfile.gettempdir(), f'pytask-{os.getuid()}')
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
        raise ConfigError(f'{folder} belongs to another user, or is a link; remove it, or set TMPDIR')
    return folder / hashlib.sha256(name.encode()).hexdigest()[:16]


class ChildWorker:
    """Keeps one worker running beside this process, or waits while another process has it."""

    def __init__(self, place: str, name: str, drain_s: float) -> None:
        self._place, self._path, self._drain_s = place, lock_path(name), drain_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pause_s, self._not_before, self._begun = SHORTEST_S, 0.0, 0.0
        self._is_over = False

    def start(self) -> None:
        atexit.register(self.stop)
        self._turn()
        threading.Thread(target=self._keep, name='pytask-worker', daemon=True).start()

    def stop(self) -> None:
        """Tell the worker to end, and wait for it."""
        process = self.leave()
        if process is not None:
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(self._drain_s + MARGIN_S)

    def leave(self) -> subprocess.Popen[bytes] | None:
        """Close the pipe to the worker, which ends it unless this is a fork, and return its process."""
        self._is_over = True
        process, self._process = self._process, None
        if process is not None:
            _hang_up(process)
        return process

    def _keep(self) -> None:
        while not self._is_over:
            time.sleep(TURN_S)
            self._turn()

    def _turn(self) -> None:
        if only_reloads():
            if (process := self.leave()) is not None:  # just started, so nothing is lost
                process.kill()
                process.wait()
        elif (process := self._process) is not None:  # `stop` in another thread may clear it at any time
            self._look_at(process)
        elif not self._is_over and monotonic_s() >= self._not_before:
            try:
                self._begin()
            except OSError as error:
                self._put_off(f'could not be started: {error}')

    def _look_at(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            os.utime(self._path)  # cleaners of the temporary folder keep recent files
        code = process.poll()
        if code is not None and not self._is_over:
            self._ended(process, code)

    def _ended(self, process: subprocess.Popen[bytes], code: int) -> None:
        _hang_up(process)
        self._process = None
        if code == EXIT_CONFIG:
            self._is_over = True
            return
        self._pause_s = SHORTEST_S if monotonic_s() - self._begun > LONGEST_S else self._pause_s
        self._put_off(f'exited with code {code}')

    def _put_off(self, why: str) -> None:
        _log.warning('the background worker %s; the next one starts in %g s', why, self._pause_s)
        self._not_before = monotonic_s() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_S)

    def _begin(self) -> None:
        with _locked(self._path) as lock:
            if lock is None:
                return
            # Under a server that reloads, runs are interrupted at once, and restart with the new code.
            words = ['--drain', '0'] if os.environ.get('WERKZEUG_RUN_MAIN') == 'true' else []
            line = {
                'place': self._place, 'path': [entry for entry in sys.path if isinstance(entry, str)], 'lock': lock,
                'words': words, 'limit': (0.0 if words else self._drain_s) + MARGIN_S,
            }  # fmt: skip
            theirs, ours = os.pipe()
            with _not_for_forks(ours), os.fdopen(theirs, 'rb') as stdin:
                self._process = _launch(line, lock, stdin, os.fdopen(ours, 'wb'))
        # The child holds the lock now, and `_process` the pipe.
        self._begun = monotonic_s()


def _launch(line: dict[str, Any], lock: int, stdin: IO[bytes], pipe: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the child with its end of the pipe, and send its instructions through the other end."""
    text = json.dumps(line).encode() + b'\n'
    token = _is_launching.set(True)
    try:
        process = subprocess.Popen(
            [sys.executable, '-m', 'pytask.contrib.flask.child', line['place']], stdin=stdin, pass_fds=[lock],
            # A session of its own: Ctrl-C reaches the web server only, and the worker ends with it.
            start_new_session=True, env={key: text for key, text in os.environ.items() if key not in _OF_SERVERS},
        )  # fmt: skip
    except OSError:
        pipe.close()
        raise
    finally:
        _is_launching.reset(token)
    process.stdin = pipe
    pipe.write(text)
    pipe.flush()
    return process


@contextmanager
def _locked(path: Path) -> Iterator[int | None]:
    """Hold the lock and yield its descriptor, for a child to keep; None if another process has it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)  # the temporary folder may have been cleaned
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(lock, 'rb'), _not_for_forks(lock):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held: int | None = lock
        except BlockingIOError:
            held = None
        yield held


@contextmanager
def _not_for_forks(descriptor: int) -> Iterator[None]:
    _at_launch.append(descriptor)
    try:
        yield
    finally:
        _at_launch.remove(descriptor)


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        process.stdin.close()  # type: ignore[union-attr]


def _after_fork() -> None:
    if _is_launching.get():  # the child itself: gevent's Popen forks
        return
    for worker in _running.values():
        worker.leave()
    _running.clear()
    for descriptor in _at_launch:
        with suppress(OSError):
            os.close(descriptor)
    _at_launch.clear()


os.register_at_fork(after_in_child=_after_fork)
