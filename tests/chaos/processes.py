"""The processes of a chaos run: one Redis, workers, a process of proxies. All are started, signalled and
ended by their ids, from the main thread, and die with it."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from pytask.core.clock import boot_s
from pytask.embedded.binaries import find_server
from pytask.embedded.server import free_port

HERE = Path(__file__).parent
AGAIN_S = 0.1
_libc = ctypes.CDLL(None)


def _die_with_parent():
    if sys.platform == 'linux':
        _libc.prctl(1, signal.SIGKILL)


def launch(command, folder, log, **more):
    return subprocess.Popen(
        command, cwd=folder, stdout=more.pop('stdout', log), stderr=log, start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - it calls prctl and nothing else
        **{'stdin': subprocess.DEVNULL, **more},
    )  # fmt: skip


class Kept:
    """A process that is started again whenever it ends, while it `is_wanted`."""

    def __init__(self, name, command, folder, environment=None):
        self.name, self.command, self.folder, self.environment = name, command, folder, environment
        self.ends, self.deaths = Counter(), {}
        self.process, self.born_at, self.again_at = None, 0.0, 0.0
        self.is_frozen, self.is_wanted = False, True

    @property
    def pid(self):
        return self.process.pid if self.process else 0

    def start(self):
        with (self.folder / f'{self.name}.log').open('ab') as log:
            log.write(f'--- {boot_s():.3f} started\n'.encode())
            log.flush()
            self.process = launch(self.command, self.folder, log, env=self.environment)
        self.born_at, self.is_frozen = boot_s(), False

    def tick(self):
        """See whether it lives; start it again if it is time."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self.ends[code] += 1
            if code:
                self.deaths[self.process.pid] = (boot_s(), code)
            self.process = None
            self.again_at = max(self.again_at, boot_s() + AGAIN_S)
        if self.process is None and self.is_wanted and boot_s() >= self.again_at:
            self.start()

    def signal(self, number):
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def kill(self, away_s=0.0):
        self.again_at = boot_s() + away_s
        self.signal(signal.SIGKILL)

    def freeze(self):
        self.is_frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.is_frozen = False
        self.signal(signal.SIGCONT)

    def end(self):
        """Kill it for good."""
        self.is_wanted = False
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()


def make_redis(folder):
    port = free_port()
    options = {'port': port, 'bind': '127.0.0.1', 'dir': folder, 'save': '', 'appendonly': 'yes',
               'appendfsync': 'always', 'loglevel': 'warning'}  # fmt: skip
    command = [find_server(), *(part for key, value in options.items() for part in (f'--{key}', str(value)))]
    redis = Kept('redis', command, folder)
    redis.port = port
    return redis


def make_worker(number, port, folder, lease_s):
    plain = {key: value for key, value in os.environ.items() if not key.startswith('PYTASK_')}
    environment = plain | {
        'PYTASK_REDIS': f'redis://127.0.0.1:{port}/0', 'CHAOS_JOURNAL': str(folder / 'journal'),
        'PYTHONUNBUFFERED': '1', 'PYTASK_KEEP_SUCCESS': '86400', 'PYTASK_MAX_SUCCESS': '10000000',
        'PYTASK_MAX_ENDED': '10000000',
    }  # fmt: skip
    command = [sys.executable, '-m', 'pytask', 'worker', '--tasks', str(HERE / 'tasks'), '--name', f'w{number}',
               '--lease', str(lease_s), '--drain', '1']  # fmt: skip
    return Kept(f'worker-{number}', command, folder, environment)


class Proxies:
    """The process of proxies; `ports` are what the workers connect to."""

    def __init__(self, target, count, folder):
        with (folder / 'proxy.log').open('ab') as log:
            command = [sys.executable, str(HERE / 'chaos_proxy.py'), str(target), str(count)]
            pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True, 'bufsize': 1}
            self.process = launch(command, folder, log, **pipes)
        self.ports = json.loads(self.process.stdout.readline())

    def order(self, which, what, number=0):
        self.process.stdin.write(f'{which} {what} {number}\n')

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
