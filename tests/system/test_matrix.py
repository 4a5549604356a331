"""Each command in each state of a run: the receipt is true, and the final state right."""

import gevent
import pytest
from matrix import NOT_RELOADED, WAIT_S, Matrix
from support import wait_until

COMMANDS = ('stop', 'now', 'reload', 'bad', 'retry', 'rm')

pytestmark = [pytest.mark.one_server, pytest.mark.durable, pytest.mark.timeout(240)]

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
    'bad': (NOT_RELOADED, 'SUCCESS', 1),
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


class Commands(Matrix):
    commands = COMMANDS

    def is_told(self, state, command):
        fields = self.client.store.db.client.hmget(f'task-{state}-{command}', 'reload_id', 'reloaded')
        return (state, command) in self.receipts or (command in ('reload', 'bad') and any(fields))

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


def fits(found, expected):
    return all(one is ... or one == other for other, one in zip(found, expected, strict=True))


@pytest.fixture
def matrix(matrix_app, tmp_path):
    return Commands(matrix_app.client, tmp_path)


def test_every_command_in_every_state(matrix, matrix_worker, inside, server, redis):
    deaf = begin_elsewhere(matrix, matrix_worker, redis)
    inside.start()
    matrix.let_go('waiting'), matrix.let_go('due')
    matrix.come_due(redis)
    matrix.let_go('ended')
    ended, running = matrix.start('ended'), matrix.start('running')
    matrix.client.wait(*ended, timeout=20)
    matrix.command('ended')
    matrix.begun(running)
    matrix.command('running')
    check_in_stop(matrix)
    matrix.command_between_claim_and_start(inside.worker)
    matrix.command_finishing(inside.worker)
    matrix.command_while_cut(redis)
    check_restart(matrix, server)
    for state in ('running', 'claimed', 'cut', 'restarting', 'orphaned', 'blocked'):
        matrix.obeyed(state)
        matrix.let_go(state)
    check_deaf(matrix, matrix_worker, deaf)
    gevent.joinall(matrix.given, timeout=WAIT_S)
    left = [f'{state}-{command}' for state, row in EXPECTED.items() for command in row if row[command][1]]
    matrix.client.wait(*left, timeout=60)
    assert matrix.wrong() == {}
    check_beginnings(matrix)
    assert matrix.client.stop('running-stop', wait=5) == 'STOPPED'
    assert matrix.client.stop('finishing-stop', wait=5) == 'SUCCESS'


def begin_elsewhere(matrix, start_worker, redis):
    """Those that wait, and those of workers that are blocked, ignored, and killed."""
    matrix.begin_waiting(redis)
    orphans = matrix.start('orphaned', queue='orphaned')
    deaf_ids = matrix.start('ignoring', 'deaf', 'ignoring')
    victim, deaf = start_worker('orphaned'), start_worker('ignoring')
    matrix.begun([*orphans, *deaf_ids])
    matrix.begin_blocked(start_worker)
    victim.kill()
    victim.wait()
    for state in ('blocked', 'orphaned', 'ignoring', 'waiting', 'due'):
        matrix.command(state)
    return deaf


def check_in_stop(matrix):
    matrix.begin_stopping()
    matrix.command('stopping')
    # The shorter grace hurries the stop that was there before; the others go on.
    assert matrix.client.stop('stopping-now', wait=20) in ('applied', 'STOPPED')
    assert matrix.end('stopping', 'stop')[0] == 'RUNNING'
    matrix.let_go('stopping')


def check_restart(matrix, server):
    told = matrix.command_while_restarting(server)
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
