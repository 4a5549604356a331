"""What the tests of commands share: tasks to try them on, a terminal, a started command."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

TASKS = """
    import json

    from pytask import Task, task

    @task
    def add(a: int, b: int = 1):
        "Add two numbers."
        return a + b

    @task
    def take(x=None, ids: list[int] = (), name: str = ''):
        return x

    @task
    def crash(text=''):
        json.loads('{')

    class Forever(Task):
        def __init__(self, n: int = 0):
            self.n = n
        def start(self):
            for turn in self.every(0.1):
                self.progress(turn % 10, target=10)
                self.message(f'turn {turn}')
            return self.n
        def stop(self):
            pass
"""


def id_of(done):
    return json.loads(done.stdout.splitlines()[0])['id']


class Terminal:
    """A `pytask` command on a terminal of its own, which is its controlling one: Ctrl-C is a key."""

    def __init__(self, processes, *words, rows=20, columns=100, **environment):
        self._ours, theirs = pty.openpty()
        self.resize(rows, columns)
        environment = {'TERM': 'xterm', 'PYTHONIOENCODING': 'utf-8', **environment}
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'pytask', *words], cwd=processes.folder, stdin=theirs, stdout=theirs,
            stderr=theirs, env=processes.environment(**environment), preexec_fn=_take_terminal,  # noqa: PLW1509
        )  # fmt: skip
        os.close(theirs)
        processes.running.append(self.process)
        self.text = ''

    def resize(self, rows, columns):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def press(self, keys):
        os.write(self._ours, keys)

    def wait_for(self, text, timeout=30):
        """Read until a text has come since the last call; return what came up to its end."""
        limit = time.monotonic() + timeout
        while text not in self.text:
            assert time.monotonic() < limit, f'not seen: {text!r}; seen: {self.text[-2000:]!r}'
            assert self._read(0.1), f'it has ended without {text!r}; seen: {self.text[-2000:]!r}'
        seen, _, self.text = self.text.partition(text)
        return seen + text

    def rest(self, timeout=30):
        """Return what comes until it has ended, and its exit code."""
        limit = time.monotonic() + timeout
        while self._read(0.1):
            assert time.monotonic() < limit, f'it has not ended; seen: {self.text[-2000:]!r}'
        return self.text, self.process.wait(timeout)

    def _read(self, wait_s):
        if not select.select([self._ours], [], [], wait_s)[0]:
            return True
        try:
            got = os.read(self._ours, 65_536)
        except OSError:  # nobody has the other end any more
            return False
        self.text += got.decode('utf-8', 'replace')
        return bool(got)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


def _take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
