"""A worker beside a web process: a clean child process, never a fork, since the web process may have threads.

At most one a machine and app: a lock on a file in the temporary folder is held by the worker itself, so it is free
when that is gone, however it went. Who does not get the lock stands by and tries again: other web processes of
gunicorn, or the next one after a reload. The child ends with its parent: its stdin is a pipe that nobody else
holds, and that the kernel closes also on kill -9. (`PR_SET_PDEATHSIG` waits for the end of the parent's thread, and
servers load apps in threads.) A worker that ends is started again, after a second to a minute; one with a bad
configuration is not.
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
# Above --drain: GRACE of `stop`, two interruptions, the last records.
MARGIN_S = 20.0
# What belongs to the web server, not to its child: that would tell systemd that the site is ready, or has ended.
_OF_SERVERS = frozenset({
    'FLASK_RUN_FROM_CLI', 'WERKZEUG_RUN_MAIN', 'WERKZEUG_SERVER_FD', 'PYTASK_EXECUTED', 'NOTIFY_SOCKET',
    'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PID',
})  # fmt: skip
_running: dict[str, Beside] = {}
# What is open for a worker that is being started: a fork that kept it would keep the lock, or its parent's pipe.
_at_launch: list[int] = []
_is_launching: ContextVar[bool] = ContextVar('_is_launching', default=False)
_log = logging.getLogger('pytask')


def start(flask: Flask, url: str, settings: Settings) -> None:
    """See to the worker of an app, from now to the end of this process; return at once. Raises RuntimeError."""
    if 'python' not in Path(sys.executable).name:
        raise RuntimeError(
            f'no Python here to start a worker with ({sys.executable}): run `pytask worker` beside it'
        )
    place = place_of(flask)
    name = '\n'.join([flask.root_path, flask.name, place.rpartition(':')[2], url, settings.prefix])
    if name not in _running:
        _running[name] = Beside(place, name, settings.drain_s)
        _running[name].start()


def lock_path(name: str) -> Path:
    """Return the file to lock for an app. Raises ConfigError where its folder is another user's."""
    folder = Path(tempfile.gettempdir(), f'pytask-{os.getuid()}')
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
        raise ConfigError(f'{folder} is not yours; remove it, or set TMPDIR')
    return folder / hashlib.sha256(name.encode()).hexdigest()[:16]


class Beside:
    """Keeps one worker beside this process, or stands by while another process has it."""

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
        """Let the worker end, and wait for it."""
        process = self.leave()
        if process is not None:
            with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(self._drain_s + MARGIN_S)

    def leave(self) -> subprocess.Popen[bytes] | None:
        """Let go of the worker, and return it; in a fork it is the parent's."""
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
            self._is_over = True
            process, self._process = self._process, None
            if process is not None:  # it has just begun
                process.kill()
                process.wait()
        elif (process := self._process) is not None:  # `stop` in another thread may forget it any moment
            self._look_at(process)
        elif not self._is_over and monotonic_s() >= self._not_before:
            try:
                self._begin()
            except OSError as error:
                self._put_off(f'can not be started: {error}')

    def _look_at(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError):
            os.utime(self._path)  # what sweeps the temporary folder spares what is young
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
        self._put_off(f'has ended ({code})')

    def _put_off(self, why: str) -> None:
        _log.warning('the worker beside this process %s; the next in %g s', why, self._pause_s)
        self._not_before = monotonic_s() + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_S)

    def _begin(self) -> None:
        with _locked(self._path) as lock:
            if lock is None:
                return
            # Beside a server that reloads, what runs is interrupted, and begins again with the new code.
            words = ['--drain', '0'] if os.environ.get('WERKZEUG_RUN_MAIN') == 'true' else []
            line = {
                'place': self._place, 'path': [entry for entry in sys.path if isinstance(entry, str)], 'lock': lock,
                'words': words, 'limit': (0.0 if words else self._drain_s) + MARGIN_S,
            }  # fmt: skip
            theirs, ours = os.pipe()
            with _not_for_forks(ours), os.fdopen(theirs, 'rb') as stdin:
                self._process = _launch(line, lock, stdin, os.fdopen(ours, 'wb'))
        # The lock is the child's now, and the pipe that of `_process`.
        self._begun = monotonic_s()


def _launch(line: dict[str, Any], lock: int, stdin: IO[bytes], pipe: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the child with its end of a pipe, and tell it what to do through the other one."""
    text = json.dumps(line).encode() + b'\n'
    token = _is_launching.set(True)
    try:
        process = subprocess.Popen(
            [sys.executable, '-m', 'pytask.contrib.flask.child', line['place']], stdin=stdin, pass_fds=[lock],
            # A session of its own: Ctrl-C is for the web server, with whose end the worker's begins.
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
    """Hold the lock, and give its descriptor, which a child may keep; None where another process has it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)  # where the temporary folder was swept
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
    if _is_launching.get():  # the child itself: Popen of gevent forks
        return
    for beside in _running.values():
        beside.leave()
    _running.clear()
    for descriptor in _at_launch:
        with suppress(OSError):
            os.close(descriptor)
    _at_launch.clear()


os.register_at_fork(after_in_child=_after_fork)
