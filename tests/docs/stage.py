"""Where a scene of docs/troubleshooting.rst is played: a folder, a terminal, a Redis and a screen.

Each command has its own terminal, so that Ctrl-C is a real one. Values that differ each time are replaced by
typical ones: port 6379, one id, one time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import ROOT, TestServer

from pytask.embedded.binaries import bundled_server
from pytask.embedded.server import free_port

SERVER = bundled_server() or shutil.which('redis-server')
WIDTH, HEIGHT = 112, 30
# How long one command may take, and the wait for one text.
LIMIT_S = 40
# A new session with this terminal: what a shell in a window of its own is.
IN_TERMINAL = (
    'import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])'
)
ID, WORKER = '1m7zx5gshdz8j88r', 'web-1'


class Failed(Exception):
    """A scene failed before its end."""


class Skipped(Exception):
    """A scene cannot be played on this machine; the text says why."""


def write_commands(path):
    """Write `pytask` and `python` into a folder, for the PATH of every scene.

    Do so before any thread starts a process. A child between fork and exec holds open what another thread writes,
    and a script that is open for writing cannot be executed ("Text file busy").
    """
    for name, words in (('pytask', '-m pytask '), ('python', '')):
        script = path / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        script.chmod(0o755)


class Stage:
    """One scene. `lines` records the commands and their output."""

    def __init__(self, folder, path):
        self.folder, self._path = folder / 'project', path
        self.folder.mkdir(parents=True)
        self.lines: list[str] = []
        self.hidden: list[tuple[str, str]] = [(str(self.folder), '/home/you/project')]
        self.environment: dict[str, str] = {}
        self._servers: list[TestServer] = []
        self._screens: list[Screen] = []

    # Preparation.

    def file(self, name, text=''):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def shown(self, name, text):
        """Write a file, and show it with `cat`."""
        self.file(name, text)
        self.lines += [f'$ cat {name}', *text.splitlines()]

    def redis(self):
        """Start a Redis that later commands use."""
        server = TestServer(SERVER, self.folder.parent / f'redis-{len(self._servers)}')
        self._servers.append(server)
        self.uses(server.port)
        return server.start()

    def uses(self, port, password=''):
        self.environment['PYTASK_REDIS'] = f'redis://{password}127.0.0.1:{port}/0'
        self.hides_port(port)

    def hides_port(self, port, name='6379'):
        self.hidden.append((rf'(?<![\d.]){port}(?!\d)', name))

    def free_port(self, shown):
        port = free_port()
        self.hides_port(port, shown)
        return port

    # Actions.

    def type(self, command, *, real=None, **environment):
        """Run a command to its end; `real` is the executed command, if that differs."""
        screen = self.begin(command, real=real, **environment)
        return screen.end()

    def begin(self, command, *, real=None, quietly=False, **environment):
        screen = Screen(self, real or command, environment)
        self._screens.append(screen)
        if not quietly:
            self.lines.append(f'$ {command}')
        return screen

    def quietly(self, command):
        """Run a command without showing it; return its output."""
        screen = self.begin(command, quietly=True)
        screen.wait()
        return screen.text()

    def worker(self, words='', until='queues'):
        screen = self.begin(f'pytask worker {words}', quietly=True)
        return screen.until(until)

    def without_rights(self):
        """Return a prefix that makes a command respect file permissions even when root runs it."""
        if os.geteuid():
            return ''
        if not shutil.which('setpriv'):
            raise Skipped('root ignores file permissions, and setpriv is missing')
        return 'setpriv --bounding-set=-dac_override,-dac_read_search '

    def close(self):
        for screen in self._screens:
            screen.close()
        for server in self._servers:
            if server.process.poll() is None:
                server.thaw()
                server.kill()

    # The transcript.

    def transcript(self):
        return '\n'.join(self._plain(line) for line in self.lines).rstrip() + '\n'

    def _plain(self, line):
        for real, name in self.hidden:
            line = re.sub(real, name, line)
        for pattern, name in USUAL:
            line = re.sub(pattern, name, line)
        return line.expandtabs().rstrip()


USUAL = [
    (r'^pytask \d\S+   Python \S+   gevent \S+$', 'pytask 0.1.0   Python 3.13.0   gevent 26.9.0'),
    (r'^redis   redis://127.0.0.1:\d+/0   .*, data', 'redis   redis://127.0.0.1:6379/0   redis-server, data'),
    (r'\(process \d+\)', '(process 4711)'),
    (r'\b1[a-z0-9]{15}\b', ID),
    (r'\b\d\d:\d\d:\d\d\b', '12:00:00'),
    (rf'\b{re.escape(os.uname().nodename)}-[0-9a-z]+\b', WORKER),
    (r'\b\d+(\.\d+)? ?(ms|s) old', '2 s old'),
    (r'(?<=\s)\d+(\.\d+)?s(?=\s*$)', '0.02s'),
]


class Screen:
    """A terminal in which one command runs."""

    def __init__(self, stage, command, environment):
        self._stage, self._raw, self._mark = stage, bytearray(), 0
        self._terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack('HHHH', HEIGHT, WIDTH, 0, 0))
        modes = termios.tcgetattr(inside)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(inside, termios.TCSANOW, modes)
        plain = {key: value for key, value in os.environ.items() if not key.startswith(('PYTASK_', 'LC_'))}
        path = f'{stage._path}{os.pathsep}{os.environ["PATH"]}'
        more = {'PATH': path, 'NO_COLOR': '1', 'TERM': 'xterm', 'LANG': 'C.UTF-8', 'PYTHONPATH': str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, '-SE', '-c', IN_TERMINAL, 'bash', '-o', 'pipefail', '-c', command],
            cwd=stage.folder, env=plain | more | stage.environment | environment, start_new_session=True,
            stdin=inside, stdout=inside, stderr=inside,
        )  # fmt: skip
        os.close(inside)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):  # the other side is closed
            while got := os.read(self._terminal, 65536):
                self._raw += got

    def until(self, text, limit_s=LIMIT_S):
        """Wait until new output matches a pattern."""
        until = time.monotonic() + limit_s
        while not (found := re.search(text, self.text()[self._mark :])):
            if time.monotonic() > until or self.process.poll() is not None:
                self._reader.join(2)
                if re.search(text, self.text()[self._mark :]):
                    continue
                raise Failed(f'no {text!r} in {self.text()!r}')
            time.sleep(0.02)
        self._mark += found.end()
        return self

    def ctrl_c(self):
        """Press Ctrl-C; the terminal signals every process in the foreground."""
        seen = b''
        while seen != self._raw:  # wait until the output pauses
            seen = bytes(self._raw)
            time.sleep(0.3)
        self._raw += b'^C\n'
        self._mark = len(self.text())
        os.write(self._terminal, b'\x03')
        return self

    def wait(self, limit_s=LIMIT_S):
        """Wait for the end, and return the exit code."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise Failed(f'it does not end: {self.text()!r}') from None
        self._reader.join(2)
        return code if code >= 0 else 128 - code

    def end(self):
        """Wait for the end; record the screen and the exit code."""
        code = self.wait()
        self._stage.lines += [*self.lines(), f'(exit code {code})']
        return code

    def shot(self):
        """Record the screen now."""
        self._stage.lines += self.lines()

    def text(self):
        text = bytes(self._raw).decode(errors='replace').replace('\r\n', '\n')
        return text.rpartition('\x1b[H')[2]

    def lines(self):
        # Only what follows the last carriage return is visible.
        plain = [
            re.sub(r'\x1b\[[?\d;]*[A-Za-z]', '', line.rpartition('\r')[2]) for line in self.text().splitlines()
        ]
        return [line for line in plain if line.strip()]

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(2)
        os.close(self._terminal)
