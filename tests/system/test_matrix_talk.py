"""What is said to a run in each of its states (pause, send, ask, extend): the receipt is true, what follows too."""

from collections import Counter

import gevent
import pytest
from support import InProcess, TestServer, wait_until
from test_matrix import LEASE_S, TASKS, WAIT_S, Door, Matrix

from pytask import PyTask, RunEnded
from pytask.launch import Launch

COMMANDS = ('pause', 'send', 'ask', 'extend')
pytestmark = [pytest.mark.one_server, pytest.mark.timeout(240)]

# State → command → receipt.
WAITS = {'pause': 'applied', 'send': 'requested', 'ask': 1, 'extend': 'applied'}
RUNS = {'pause': 'requested', 'send': 'requested', 'ask': 1, 'extend': 'requested'}
FINISHES = RUNS | {'ask': 'ended SUCCESS'}
ENDED = {'pause': 'SUCCESS', 'send': 'SUCCESS', 'ask': 'ended SUCCESS', 'extend': 'SUCCESS'}
EXPECTED = {
    'waiting': WAITS, 'due': WAITS, 'claimed': RUNS, 'running': RUNS, 'blocked': RUNS, 'ignoring': RUNS,
    'stopping': RUNS, 'finishing': FINISHES, 'ended': ENDED, 'orphaned': RUNS, 'cut': RUNS, 'restarting': RUNS,
}  # fmt: skip
# Where a pause holds back nothing: it is over, or told to end.
AT_AN_END = {'stopping': 'STOPPED', 'finishing': 'SUCCESS', 'ended': 'SUCCESS'}
HELD = ('waiting', 'due', 'orphaned')


class Talk(Matrix):
    commands = COMMANDS

    def start(self, state, task='cell', queue='default'):
        ids = [f'{state}-{command}' for command in COMMANDS]
        self.client.start_many(
            [Launch(task, {'n': 1}, run_id, queue, 500 if run_id.endswith('extend') else None) for run_id in ids]
        )
        return ids

    def is_told(self, state, command):
        return (state, command) in self.receipts or (command == 'ask' and self.has_message(f'{state}-ask'))

    def has_message(self, run_id):
        return self.client.store.db.client.exists(f'inbox-{run_id}')

    def ask(self, run_id, command):
        if command == 'pause':
            return self.client.pause(run_id)
        if command == 'send':
            return self.client.send(run_id, 'add')
        if command == 'extend':
            return self.client.extend(run_id, 10)
        try:
            return self.client.ask(run_id, 'n', timeout=WAIT_S)
        except RunEnded as error:
            return f'ended {error.state}'

    def heard(self):
        path = self.folder / 'heard'
        return Counter(path.read_text().split()) if path.exists() else Counter()

    def state(self, run_id):
        run = self.client.get(run_id)
        return run.state.value, run.reason


@pytest.fixture
def server(server_binary, tmp_path):
    with TestServer(server_binary, tmp_path / 'server', appendonly=True) as running:
        yield running


@pytest.fixture
def app(server, tmp_path, monkeypatch):
    monkeypatch.setenv('PYTASK_MATRIX', str(tmp_path))
    app = PyTask(server.url, lease=LEASE_S, queue=['default', 'orphaned'], drain=0)
    app.discover(TASKS)
    yield app
    app.client.close()


@pytest.fixture
def talk(app, tmp_path):
    return Talk(app.client, tmp_path)


@pytest.fixture
def start_worker(processes, tmp_path):
    def start_worker(queue):
        options = ('--tasks', TASKS, '--lease', str(LEASE_S), '--drain', '0', '--queue', queue)
        with (tmp_path / f'log-{queue}').open('a') as stderr:
            return processes.worker(*options, stderr=stderr, environment={'PYTASK_MATRIX': str(tmp_path)})

    return start_worker


@pytest.fixture
def inside(app):
    running = InProcess(app)
    yield running
    if running.greenlet is not None:
        running.stop()


def test_everything_that_is_said_in_every_state(talk, start_worker, inside, server, redis):
    begin_elsewhere(talk, start_worker, redis)
    worker = inside.start()
    redis.zadd('due', {f'due-{command}': 1 for command in COMMANDS}, xx=True)
    begin_here(talk, worker)
    check_cut(talk, redis)
    check_restart(talk, server)
    gevent.joinall(talk.given, timeout=WAIT_S)
    wrong = {cell: told for cell, told in talk.receipts.items() if told != EXPECTED[cell[0]][cell[1]]}
    assert wrong == {}
    for state in EXPECTED:
        talk.let_go(state)
    check_ends(talk)
    check_heard(talk, redis)
    check_pauses(talk)


def begin_elsewhere(talk, start_worker, redis):
    talk.start('waiting')
    due = talk.start('due')
    for run_id in due:
        redis.lrem('new-task', 0, run_id)
        redis.zadd('due', {run_id: 10**15})
    orphans, blocked = talk.start('orphaned', queue='orphaned'), talk.start('blocked', 'blocked', 'blocked')
    victim = start_worker('orphaned')
    talk.begun(orphans)
    start_worker('blocked')
    wait_until(lambda: set(blocked) & set(talk.beginnings()), 'one is blocked', 20)
    victim.kill()
    victim.wait()
    for state in ('blocked', 'orphaned', 'waiting', 'due'):
        talk.command(state)


def begin_here(talk, worker):
    talk.let_go('ended')
    ended, running, ignoring = talk.start('ended'), talk.start('running'), talk.start('ignoring', 'deaf')
    talk.client.wait(*ended, timeout=20)
    talk.command('ended')
    talk.begun([*running, *ignoring])
    talk.command('running'), talk.command('ignoring')
    stopping = talk.start('stopping', 'slow-stop')
    talk.begun(stopping)
    talk.client.stop_many(stopping)
    wait_until(
        lambda: all((talk.folder / f'in-stop-{run_id}').exists() for run_id in stopping), 'all are in stop()'
    )
    talk.command('stopping')
    claim(talk, worker)
    finish(talk, worker)


def claim(talk, worker):
    door = Door(worker, 'launch')
    ids = talk.start('claimed')
    wait_until(lambda: {run.state for run in talk.client.store.runs.read(ids)} == {'RUNNING'}, 'all are claimed')
    talk.command('claimed')
    door.open()


def finish(talk, worker):
    ids = talk.start('finishing')
    talk.begun(ids)
    door = Door(worker.writer, '_send')
    talk.let_go('finishing')
    wait_until(lambda: not any(worker.slots.get(run_id).task for run_id in ids), 'all have returned')
    talk.command('finishing')
    door.open()


def check_cut(talk, redis):
    talk.begun(talk.start('cut'))

    def cut():
        while True:
            redis.client_kill_filter(_type='pubsub')
            gevent.sleep(0.01)

    cutter = gevent.spawn(cut)
    talk.command('cut')
    gevent.get_hub().join(timeout=0.3)
    cutter.kill()


def check_restart(talk, server):
    talk.begun(talk.start('restarting'))
    server.kill()
    restarted = gevent.spawn(server.start)
    told = [gevent.spawn(talk.give, 'restarting', command) for command in COMMANDS]
    restarted.get()
    gevent.joinall(told, timeout=WAIT_S)


def check_ends(talk):
    for state in EXPECTED:
        ids = [f'{state}-{command}' for command in COMMANDS if command != 'pause' or state in AT_AN_END]
        ended = talk.client.wait(*ids, timeout=60)
        assert {run.state for run in ended} == {AT_AN_END.get(state, 'SUCCESS')}, state


def check_heard(talk, redis):
    """Each is handled at least once, where the run was not over; nothing of any is left."""
    for state in EXPECTED:
        times = talk.heard()[f'{state}-send']
        assert (times == 0) if state in ('finishing', 'ended') else times >= 1, (state, times)
    assert list(redis.scan_iter('inbox-*')) == []
    for state in EXPECTED:
        given = redis.hmget(f'task-{state}-extend', 'timeout', 'extended')
        assert (given[0] == '510') if state in ('waiting', 'due') else (given[1] is not None or state == 'ended'), (
            state
        )


def check_pauses(talk):
    for state in EXPECTED:
        run_id = f'{state}-pause'
        if state in AT_AN_END:
            assert talk.client.resume(run_id) == AT_AN_END[state]
            continue
        expected = ('WAIT' if state in HELD else 'RUNNING', 'paused')
        wait_until(lambda: talk.state(run_id) == expected, f'{run_id} is {expected}', 20)  # noqa: B023
        assert talk.client.resume(run_id) == ('applied' if state in HELD else 'requested')
    ids = [f'{state}-pause' for state in EXPECTED if state not in AT_AN_END]
    assert {run.state for run in talk.client.wait(*ids, timeout=60)} == {'SUCCESS'}
