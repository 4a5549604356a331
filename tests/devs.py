"""`pytask dev` in a folder of its own, as its user sees it: what stands on the screen, and saves."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
import textwrap

import psutil
import redis
from support import wait_until


class Devs:
    """A folder, and the `dev` processes in it; whatever is left at the end is killed by its id."""

    def __init__(self, folder, server_binary):
        self.folder = folder
        plain = {key: value for key, value in os.environ.items() if not key.startswith('PYTASK_')}
        # What is written at once is compiled at once: Python may take a second save for the first.
        self.environment = plain | {'PYTASK_REDIS_SERVER': server_binary, 'TERM': 'xterm'}
        self.environment.pop('PYTHONDONTWRITEBYTECODE', None)
        self.started: list[Dev] = []

    def save(self, name, source):
        """Write a file in place; source without indent."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(source))
        return path

    def start(self, *words, terminal=False):
        dev = Dev(self, words, terminal=terminal)
        self.started.append(dev)
        return dev

    def run(self, *words):
        done = subprocess.run(
            [sys.executable, '-m', 'pytask', *words], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, timeout=40, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    @property
    def server(self):
        """Facts of the embedded server, once it is there."""
        path = self.folder / '.pytask/redis/server.json'
        wait_until(lambda: path.exists() and path.read_text().endswith('}'), 'the server is written down', 20)
        return json.loads(path.read_text())

    def hash_of(self, run_id):
        with redis.Redis(port=self.server['port'], decode_responses=True) as client:
            return client.hgetall(f'task-{run_id}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for dev in self.started:
            dev.end()


class Dev:
    def __init__(self, devs, words, *, terminal):
        self.screen = devs.folder / f'screen-{len(devs.started)}'
        self.master = self.slave = None
        more = {}
        with self.screen.open('wb') as out:
            if terminal:
                self.master, self.slave = pty.openpty()
                self.modes = termios.tcgetattr(self.slave)
                more = {'preexec_fn': self.take_terminal}
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'pytask', 'dev', *words], cwd=devs.folder, env=devs.environment,
                stdin=self.slave or subprocess.DEVNULL, stdout=self.slave or out,
                stderr=self.slave or subprocess.STDOUT, **more,
            )  # fmt: skip
        self.family: set[psutil.Process] = set()

    def take_terminal(self):
        # What is typed there becomes signals, for this session.
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    @property
    def text(self):
        """All that was written so far."""
        if self.master is not None:
            with self.screen.open('ab') as screen:
                os.set_blocking(self.master, False)
                try:
                    while data := os.read(self.master, 65536):
                        screen.write(data)
                except OSError:
                    pass
        return self.screen.read_text(errors='replace').replace('\r\n', '\n')

    def shows(self, what, times=1, timeout=30):
        """Wait until something was written; also remembers which processes there are."""
        wait_until(lambda: self.text.count(what) >= times or self.process.poll() is not None, what, timeout)
        assert self.text.count(what) >= times, self.text
        self.meet()
        return self.text

    def meet(self):
        self.family |= set(psutil.Process(self.process.pid).children(recursive=True))

    def type(self, keys):
        os.write(self.master, keys)

    def ended(self, timeout=40):
        """Wait for the end of it and of all that it started; return the exit code."""
        wait_until(lambda: [self.text, self.process.poll() is not None][1], 'dev has ended', timeout)
        wait_until(lambda: not any(is_there(one) for one in self.family), f'all of it is gone: {self.family}')
        return self.process.returncode

    def end(self):
        for one in (self.process, *self.family):
            if one.poll() is None if one is self.process else is_there(one):
                one.kill()
        self.process.wait()
        for descriptor in (self.master, self.slave):
            if descriptor is not None:
                os.close(descriptor)


def is_there(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
