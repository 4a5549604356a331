"""Runs in all states that there are, for tests of what is told to them: `test_matrix` and `test_matrix_talk`."""

from collections import Counter
from pathlib import Path

import gevent
import pytest
from support import InProcess, wait_until

from pytask import PyTask, PytaskError, Unavailable
from pytask.client.starting import Launch

TASKS = str(Path(__file__).parent / 'matrix_tasks')
LEASE_S = 3.0
WAIT_S = 80.0
NOT_RELOADED = 'was not reloaded'


class Matrix:
    """Runs, one for each state and command, named so. A kind of it has `commands`, `ask` and `is_told`."""

    commands = ()

    def __init__(self, client, folder):
        self.client, self.folder = client, folder
        self.receipts, self.given = {}, []

    def start(self, state, task='cell', queue='default'):
        ids = [f'{state}-{command}' for command in self.commands]
        self.client.start_many([Launch(task, {'n': 1}, run_id, queue, self.timeout(run_id)) for run_id in ids])
        return ids

    def timeout(self, run_id):
        return None

    def begun(self, ids):
        wait_until(lambda: set(ids) <= set(self.beginnings()), f'all of these have begun: {ids}', 60)

    def beginnings(self):
        path = self.folder / 'begun'
        return Counter(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else Counter()

    def command(self, state):
        """Give each run its command, and return once all have reached Redis."""
        told = [gevent.spawn(self.give, state, command) for command in self.commands]
        self.given += told
        wait_until(
            lambda: all(self.is_told(state, command) for command in self.commands), f'{state}: all are told', 60
        )

    def give(self, state, command):
        while True:
            try:
                receipt = self.ask(f'{state}-{command}', command)
            except Unavailable:
                gevent.sleep(0.05)
            except PytaskError as refused:
                receipt = NOT_RELOADED if NOT_RELOADED in str(refused) else str(refused)
                break
            else:
                break
        self.receipts[state, command] = receipt

    def let_go(self, state):
        (self.folder / state).touch()

    def begin_waiting(self, redis):
        """Begin those that wait, and those that are due at a time to come."""
        self.start('waiting')
        for run_id in self.start('due'):
            redis.lrem('new-task', 0, run_id)
            redis.zadd('due', {run_id: 10**15})

    def begin_blocked(self, start_worker):
        blocked = self.start('blocked', 'blocked', 'blocked')
        start_worker('blocked')
        wait_until(lambda: set(blocked) & set(self.beginnings()), 'one is blocked', 20)

    def come_due(self, redis):
        redis.zadd('due', {f'due-{command}': 1 for command in self.commands}, xx=True)

    def begin_stopping(self):
        """Begin those that are in their `stop()`."""
        ids = self.start('stopping', 'slow-stop')
        self.begun(ids)
        assert self.client.stop_many(ids) == ['requested'] * len(ids)
        wait_until(lambda: all((self.folder / f'in-stop-{run_id}').exists() for run_id in ids), 'all are in stop()')

    def command_between_claim_and_start(self, worker):
        door = Door(worker.launcher, 'launch')
        ids = self.start('claimed')
        wait_until(
            lambda: {run.state for run in self.client.store.runs.read(ids)} == {'RUNNING'}, 'all are claimed'
        )
        assert not set(ids) & set(self.beginnings())
        self.command('claimed')
        door.open()

    def command_finishing(self, worker):
        ids = self.start('finishing')
        self.begun(ids)
        door = Door(worker.writer, '_send')
        self.let_go('finishing')
        wait_until(lambda: not any(worker.slots.get(run_id).task for run_id in ids), 'all have returned')
        self.command('finishing')
        door.open()

    def command_while_cut(self, redis):
        self.begun(self.start('cut'))

        def cut():
            while True:
                redis.client_kill_filter(_type='pubsub')
                gevent.sleep(0.01)

        cutter = gevent.spawn(cut)
        self.command('cut')
        gevent.get_hub().join(timeout=0.3)
        cutter.kill()

    def command_while_restarting(self, server):
        """Give the commands while Redis is away; return who gives them."""
        self.begun(self.start('restarting'))
        server.kill()
        restarted = gevent.spawn(server.start)
        told = [gevent.spawn(self.give, 'restarting', command) for command in self.commands]
        restarted.get()
        self.given += told
        return told

    def end(self, state, command):
        [run] = self.client.store.runs.read([f'{state}-{command}'])
        return (run.state.value, run.output) if run else (None, None)


class Door:
    """Holds up whoever comes to a method, until it is opened."""

    def __init__(self, owner, name):
        self.owner, self.name, self.is_reached = owner, name, gevent.event.Event()
        self._open, self._method = gevent.event.Event(), getattr(owner, name)
        setattr(owner, name, self)

    def __call__(self, *args, **kwargs):
        self.is_reached.set()
        self._open.wait()
        return self._method(*args, **kwargs)

    def open(self):
        setattr(self.owner, self.name, self._method)
        self._open.set()


@pytest.fixture
def matrix_app(server, tmp_path, monkeypatch):
    monkeypatch.setenv('PYTASK_MATRIX', str(tmp_path))
    app = PyTask(server.url, lease=LEASE_S, queue=['default', 'orphaned'], drain=0)
    app.discover(TASKS)
    yield app
    app.client.close()


@pytest.fixture
def matrix_worker(processes, tmp_path):
    def start(queue):
        options = ('--tasks', TASKS, '--lease', str(LEASE_S), '--drain', '0', '--queue', queue)
        with (tmp_path / f'log-{queue}').open('a') as stderr:
            return processes.worker(*options, stderr=stderr, environment={'PYTASK_MATRIX': str(tmp_path)})

    return start


@pytest.fixture
def inside(matrix_app):
    """A worker in this process, whose doors can be held shut; it starts at the first use."""
    running = InProcess(matrix_app)
    yield running
    if running.greenlet is not None:
        running.stop()
