"""What tests share: servers, workers, waiting, invariants."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import gevent
import redis
from commands import needs_a_process, run_here

from pytask.errors import Unavailable
from pytask.store import Keys
from pytask.worker.worker import Worker

ROOT = Path(__file__).parent.parent
END_STATES = ('STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION')
SOON_S = 20  # for what must happen, on a machine that is busy with other things too
_hub_errors: list[str] = []


def wait_until(predicate, what, timeout=SOON_S):
    """Return what `predicate` returns once it is true; fail naming what was waited for."""
    begun = time.monotonic()
    while True:
        value = predicate()
        if value:
            return value
        waited_s = time.monotonic() - begun
        assert waited_s < timeout, f'not within {timeout:g} s: {what}'
        time.sleep(min(max(0.01, waited_s / 10), 0.05))  # each look costs a millisecond of CPU or two


def keep_port():
    """Return a port, and the socket that keeps it from being given to others; a server may bind it all the same."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(('127.0.0.1', 0))
    return keeper.getsockname()[1], keeper


class TestServer:
    """A real server on a free port, without persistence unless asked for."""

    __test__ = False

    def __init__(self, binary, folder, *, appendonly=False, more=()):
        self.binary, self.folder, self.appendonly = binary, folder, appendonly
        self.port, self._keeper = keep_port()  # also while it is down
        self.more = list(more)  # options of the server's command line
        self.process = None
        self.is_harmed = False  # it was killed or frozen, so that it is not kept for another test
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self):
        return f'redis://127.0.0.1:{self.port}/0'

    def start(self):
        options = ['--port', str(self.port), '--bind', '127.0.0.1', '--save', '', '--dir', str(self.folder)]
        options += ['--appendonly', 'yes' if self.appendonly else 'no', '--appendfsync', 'always']
        self.process = subprocess.Popen(
            [self.binary, *options, *self.more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self.answers, 'the server answers')
        return self

    def answers(self):
        client = self.client()
        try:
            return client.ping()
        except redis.RedisError:
            return False
        finally:
            client.close()

    def client(self, **more):
        return redis.Redis(port=self.port, decode_responses=True, protocol=2, **more)

    def kill(self):
        self.is_harmed = True
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.is_harmed = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.thaw()
            self.kill()
        self._keeper.close()


class InProcess:
    """A worker in a greenlet of this process."""

    def __init__(self, app):
        self.worker = Worker(app)
        self.greenlet = None

    def start(self):
        self.greenlet = gevent.spawn(self.worker.serve)
        wait_until(lambda: self.worker.is_ready or self.greenlet.dead, 'the worker is ready')
        if self.greenlet.dead:
            self.greenlet.get()
        return self.worker

    def stop(self):
        if not self.greenlet.dead:
            self.worker.shut_down('the test is over')
            self.worker.shut_down('and in a hurry')
        code = self.greenlet.get(timeout=20)
        assert not self.worker.slots.all(), 'slots are taken'
        return code


class Processes:
    """`pytask` subprocesses of one test, in its own folder."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.running: list[subprocess.Popen] = []

    def tasks(self, source, name='tasks'):
        """Write a folder of tasks with one module, and return it."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / 'some.py').write_text(textwrap.dedent(source))
        return folder

    def environment(self, **more):
        plain = {key: value for key, value in os.environ.items() if not key.startswith('PYTASK_')}
        return plain | {'PYTASK_REDIS': self.server.url, 'PYTHONUNBUFFERED': '1', **more}

    def start(self, *arguments, **options):
        """Start `pytask ARGUMENTS`; its output goes to a pipe."""
        environment = self.environment(**options.pop('environment', {}))
        process = subprocess.Popen(
            [sys.executable, '-m', 'pytask', *arguments], cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=options.pop('stderr', subprocess.PIPE), **options,
        )  # fmt: skip
        self.running.append(process)
        return process

    def worker(self, *arguments, **options):
        """Start a worker and wait until it listens: by then it has registered, and knows it."""
        client = self.server.client()
        before = set(client.zrange('workers', 0, -1))  # one that was killed leaves at any moment

        def listens():
            new = set(client.zrange('workers', 0, -1)) - before
            heard = client.pubsub_numsub(*(f'worker-{worker_id}-control' for worker_id in new)) if new else ()
            return any(count for _, count in heard)

        process = self.start('worker', *arguments, **options)
        try:
            wait_until(lambda: process.poll() is not None or listens(), 'the worker listens', 20)
        finally:
            client.close()
        assert process.poll() is None, process.communicate()[1]
        return process

    def run(self, *arguments, stdin=None, timeout=30, **environment):
        """Run `pytask ARGUMENTS` to its end, in this process where that shows the same."""
        if needs_a_process(arguments, environment):
            return self.run_process(*arguments, stdin=stdin, timeout=timeout, **environment)
        return run_here(arguments, self.folder, self.environment(**environment), stdin, timeout)

    def run_process(self, *arguments, stdin=None, timeout=30, **environment):
        """Run `pytask ARGUMENTS` to its end as a process."""
        return subprocess.run(
            [sys.executable, '-m', 'pytask', *arguments], cwd=self.folder, env=self.environment(**environment),
            capture_output=True, text=True, timeout=timeout, input=stdin, check=False,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.communicate()


def check_keys(client, prefix=''):
    """Assert that every key has an owner or a time to live (I8)."""
    keys = Keys(prefix)
    owned = set(client.zrange(keys.leases, 0, -1)) | set(client.zrange(keys.due, 0, -1))
    owned |= set(client.zrange(keys.held, 0, -1))
    for state in END_STATES:
        owned |= set(client.zrange(keys.ended_in(state), 0, -1))
    fixed = {keys.leases, keys.due, keys.held, keys.dead, keys.workers, keys.stats, keys.parked_names}
    fixed |= {keys.queues, keys.suspects, keys.end_task, keys.paused, keys.schedules, keys.routines}
    fixed |= {keys.schedule(name) for name in client.zrange(keys.schedules, 0, -1)}
    fixed |= {keys.ended_in(state) for state in END_STATES}
    everything = list(client.scan_iter(f'{prefix}*', count=1000))
    for key in everything:
        if client.type(key) == 'list' and key != keys.dead:
            owned |= set(client.lrange(key, 0, -1))
    kinds = client.pipeline(transaction=False)
    for key in everything:
        kinds.pttl(key)
    for key, ttl in zip(everything, kinds.execute(), strict=True):
        is_list = key.startswith((keys.lines, keys.parked)) and client.type(key) == 'list'
        of_runs = (keys.inboxes, keys.messages, keys.flows)
        is_list |= any(key.removeprefix(of) in owned for of in of_runs if key.startswith(of))
        is_owned = key in fixed or is_list or keys.run_id(key) in owned
        assert is_owned or ttl != -1, f'no owner and no time to live: {key}'


def hub_errors():
    """Return how many errors the hub has printed in this process."""
    hub = gevent.get_hub()
    if not getattr(hub, 'is_recorded', False):
        hub.is_recorded = True
        handle = hub.handle_error

        def record(context, kind, value, trace):
            if kind is not None and not issubclass(kind, hub.NOT_ERROR):
                _hub_errors.append(f'{kind.__name__}: {value}')
            handle(context, kind, value, trace)

        hub.handle_error = record
    return len(_hub_errors)


def is_away(store):
    try:
        store.ping()
    except Unavailable:
        return True
    return False
