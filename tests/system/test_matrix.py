"""Each command in each state of a run: the receipt is true, and the final state right."""

from collections import Counter

import gevent
import pytest
from support import InProcess, TestServer, wait_until

from pytask import PyTask, PytaskError, Unavailable
from pytask.launch import Launch

TASKS = __file__.replace('test_matrix.py', 'matrix_tasks')
LEASE_S = 3.0
WAIT_S = 80.0
COMMANDS = ('stop', 'now', 'reload', 'bad', 'retry', 'rm')
DID = 'was not reloaded'

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(240)]

# State → command → receipt, final state, output (1 is the old data, 2 the new).
WAITS = {
    'stop': ('applied', 'STOPPED', None),
    'now': ('applied', 'STOPPED', None),
    'reload': ('applied', 'SUCCESS', 2),
    'bad': ('applied', 'ERROR', ...),  # nobody has looked at it before it starts
    'retry': ('WAIT', 'SUCCESS', 1),
    'rm': ('WAIT', 'SUCCESS', 1),
}
RUNS = {
    'stop': ('requested', 'STOPPED', None),
    'now': ('requested', 'STOPPED', None),
    'reload': ('applied', 'SUCCESS', 2),
    'bad': (DID, 'SUCCESS', 1),
    'retry': ('RUNNING', 'SUCCESS', 1),
    'rm': ('RUNNING', 'SUCCESS', 1),
}
IN_STOP = {
    **dict.fromkeys(('stop', 'now'), ('requested', 'STOPPED', ...)),
    **dict.fromkeys(('reload', 'bad'), ('STOPPED', 'STOPPED', ...)),
    **dict.fromkeys(('retry', 'rm'), ('RUNNING', 'STOPPED', ...)),
}
FINISHES = {
    **dict.fromkeys(('stop', 'now'), ('requested', 'SUCCESS', 1)),
    **dict.fromkeys(('reload', 'bad'), ('SUCCESS', 'SUCCESS', 1)),
    **dict.fromkeys(('retry', 'rm'), ('RUNNING', 'SUCCESS', 1)),
}
ENDED = {
    **dict.fromkeys(('stop', 'now', 'reload', 'bad'), ('SUCCESS', 'SUCCESS', 1)),
    'retry': ('applied', 'SUCCESS', 1),
    'rm': ('applied', None, None),
}
EXPECTED = {
    'waiting': WAITS, 'due': WAITS, 'claimed': RUNS, 'running': RUNS, 'blocked': RUNS, 'ignoring': RUNS,
    'stopping': IN_STOP, 'finishing': FINISHES, 'ended': ENDED, 'orphaned': RUNS, 'cut': RUNS, 'restarting': RUNS,
}  # fmt: skip


class Matrix:
    """Runs, one for each state and command, named so."""

    commands = COMMANDS

    def __init__(self, client, folder):
        self.client, self.folder = client, folder
        self.receipts, self.given = {}, []

    def start(self, state, task='cell', queue='default'):
        ids = [f'{state}-{command}' for command in self.commands]
        self.client.start_many([Launch(task, {'n': 1}, run_id, queue) for run_id in ids])
        return ids

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

    def is_told(self, state, command):
        fields = self.client.store.db.client.hmget(f'task-{state}-{command}', 'reload_id', 'reloaded')
        return (state, command) in self.receipts or (command in ('reload', 'bad') and any(fields))

    def give(self, state, command):
        while True:
            try:
                receipt = self.ask(f'{state}-{command}', command)
            except Unavailable:
                gevent.sleep(0.05)
            except PytaskError as refused:
                receipt = DID if DID in str(refused) else str(refused)
                break
            else:
                break
        self.receipts[state, command] = receipt

    def ask(self, run_id, command):
        if command == 'stop':
            return self.client.stop(run_id)
        if command == 'now':
            return self.client.stop(run_id, grace=0)
        if command == 'retry':
            return self.client.retry(run_id)
        if command == 'rm':
            return self.client.remove(run_id)[0]
        return self.client.reload(run_id, {'n': 2 if command == 'reload' else 'two'}, wait=WAIT_S)

    def let_go(self, state):
        (self.folder / state).touch()

    def obeyed(self, state):
        """Return once what was asked of runs that go on has been answered, and done."""
        wait_until(lambda: all((state, command) in self.receipts for command in COMMANDS), f'{state}: answers', 60)
        wait_until(lambda: {self.end(state, told)[0] for told in ('stop', 'now')} == {'STOPPED'}, 'stopped', 60)

    def wrong(self):
        """Return what is not as expected, all of it."""
        ends = {(state, command): self.end(state, command) for state in EXPECTED for command in COMMANDS}
        found = {cell: (self.receipts[cell], *ends[cell]) for cell in ends}
        expected = {(state, command): EXPECTED[state][command] for state, command in found}
        return {cell: (found[cell], expected[cell]) for cell in found if not fits(found[cell], expected[cell])}

    def end(self, state, command):
        [run] = self.client.store.runs.read([f'{state}-{command}'])
        return (run.state.value, run.output) if run else (None, None)


def fits(found, expected):
    return all(one is ... or one == other for other, one in zip(found, expected, strict=True))


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
def matrix(app, tmp_path):
    return Matrix(app.client, tmp_path)


@pytest.fixture
def start_worker(processes, tmp_path):
    def start_worker(queue):
        options = ('--tasks', TASKS, '--lease', str(LEASE_S), '--drain', '0', '--queue', queue)
        with (tmp_path / f'log-{queue}').open('a') as stderr:
            return processes.worker(*options, stderr=stderr, environment={'PYTASK_MATRIX': str(tmp_path)})

    return start_worker


@pytest.fixture
def inside(app):
    """A worker in this process, whose doors can be held shut; it starts at the first use."""
    running = InProcess(app)
    yield running
    if running.greenlet is not None:
        running.stop()


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


def test_every_command_in_every_state(matrix, start_worker, inside, server, redis):
    deaf = begin_elsewhere(matrix, start_worker, redis)
    inside.start()
    matrix.let_go('waiting'), matrix.let_go('due')
    redis.zadd('due', {f'due-{command}': 1 for command in COMMANDS}, xx=True)
    matrix.let_go('ended')
    ended, running = matrix.start('ended'), matrix.start('running')
    matrix.client.wait(*ended, timeout=20)
    matrix.command('ended')
    matrix.begun(running)
    matrix.command('running')
    check_in_stop(matrix)
    check_claimed(matrix, inside.worker)
    check_finishing(matrix, inside.worker)
    check_cut(matrix, redis)
    check_restart(matrix, server)
    for state in ('running', 'claimed', 'cut', 'restarting', 'orphaned', 'blocked'):
        matrix.obeyed(state)
        matrix.let_go(state)
    check_deaf(matrix, start_worker, deaf)
    gevent.joinall(matrix.given, timeout=WAIT_S)
    left = [f'{state}-{command}' for state, row in EXPECTED.items() for command in row if row[command][1]]
    matrix.client.wait(*left, timeout=60)
    assert matrix.wrong() == {}
    check_beginnings(matrix)
    assert matrix.client.stop('running-stop', wait=5) == 'STOPPED'
    assert matrix.client.stop('finishing-stop', wait=5) == 'SUCCESS'


def begin_elsewhere(matrix, start_worker, redis):
    """Those that wait, and those of workers that are blocked, ignored, and killed."""
    matrix.start('waiting')
    due = matrix.start('due')
    for run_id in due:
        redis.lrem('new-task', 0, run_id)
        redis.zadd('due', {run_id: 10**15})
    orphans = matrix.start('orphaned', queue='orphaned')
    deaf_ids = matrix.start('ignoring', 'deaf', 'ignoring')
    blocked = matrix.start('blocked', 'blocked', 'blocked')
    victim, deaf = start_worker('orphaned'), start_worker('ignoring')
    matrix.begun([*orphans, *deaf_ids])
    start_worker('blocked')
    wait_until(lambda: set(blocked) & set(matrix.beginnings()), 'one is blocked', 20)
    victim.kill()
    victim.wait()
    for state in ('blocked', 'orphaned', 'ignoring', 'waiting', 'due'):
        matrix.command(state)
    return deaf


def check_in_stop(matrix):
    ids = matrix.start('stopping', 'slow-stop')
    matrix.begun(ids)
    assert matrix.client.stop_many(ids) == ['requested'] * len(ids)
    wait_until(lambda: all((matrix.folder / f'in-stop-{run_id}').exists() for run_id in ids), 'all are in stop()')
    matrix.command('stopping')
    # The shorter grace hurries the stop that was there before; the others go on.
    assert matrix.client.stop('stopping-now', wait=20) in ('applied', 'STOPPED')
    assert matrix.end('stopping', 'stop')[0] == 'RUNNING'
    matrix.let_go('stopping')


def check_claimed(matrix, worker):
    door = Door(worker, 'launch')
    ids = matrix.start('claimed')
    wait_until(lambda: {run.state for run in matrix.client.store.runs.read(ids)} == {'RUNNING'}, 'all are claimed')
    assert not set(ids) & set(matrix.beginnings())
    matrix.command('claimed')
    door.open()


def check_finishing(matrix, worker):
    ids = matrix.start('finishing')
    matrix.begun(ids)
    door = Door(worker.writer, '_send')
    matrix.let_go('finishing')
    wait_until(lambda: not any(worker.slots.get(run_id).task for run_id in ids), 'all have returned')
    matrix.command('finishing')
    door.open()


def check_cut(matrix, redis):
    ids = matrix.start('cut')
    matrix.begun(ids)

    def cut():
        while True:
            redis.client_kill_filter(_type='pubsub')
            gevent.sleep(0.01)

    cutter = gevent.spawn(cut)
    matrix.command('cut')
    gevent.get_hub().join(timeout=0.3)
    cutter.kill()


def check_restart(matrix, server):
    ids = matrix.start('restarting')
    matrix.begun(ids)
    server.kill()
    restarted = gevent.spawn(server.start)
    told = [gevent.spawn(matrix.give, 'restarting', command) for command in COMMANDS]
    restarted.get()
    matrix.given += told
    quick = [told[COMMANDS.index(command)] for command in ('stop', 'now', 'retry', 'rm')]
    gevent.joinall(quick, timeout=30)
    wait_until(lambda: matrix.is_told('restarting', 'reload') and matrix.is_told('restarting', 'bad'), 'told', 30)
    # Who asked again since the answer was lost may be told what came of the first time.
    for command in ('stop', 'now'):
        if matrix.receipts['restarting', command] == 'STOPPED':
            matrix.receipts['restarting', command] = 'requested'


def check_deaf(matrix, start_worker, deaf):
    """The worker starts itself anew; a second time it would leave that to its supervisor, which is here."""
    ids = [f'ignoring-{command}' for command in ('stop', 'now')]

    def is_over():
        nonlocal deaf
        if deaf.poll() is not None:
            deaf = start_worker('ignoring')
        return {run.state for run in matrix.client.store.runs.read(ids)} == {'STOPPED'}

    wait_until(is_over, 'the deaf ones are recovered', 60)
    answered = [('ignoring', 'reload'), ('ignoring', 'bad')]
    wait_until(lambda: is_over() and all(cell in matrix.receipts for cell in answered), 'and the others told', 60)
    matrix.let_go('ignoring')


def check_beginnings(matrix):
    """Who was stopped while it waited never begins; who begins twice was retried, reloaded or recovered."""
    begun = matrix.beginnings()
    for state in ('waiting', 'due'):
        assert begun[f'{state}-stop'] == begun[f'{state}-now'] == begun[f'{state}-bad'] == 0
    for state in ('waiting', 'due', 'claimed', 'running', 'blocked', 'cut', 'stopping', 'finishing'):
        for command in COMMANDS:
            limit = 2 if command == 'reload' and EXPECTED[state] is RUNS else 1
            assert begun[f'{state}-{command}'] <= limit, (state, command, begun)
    assert begun['ended-retry'] == 2
    assert begun['ended-stop'] == 1
