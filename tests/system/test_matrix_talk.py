"""What is said to a run in each of its states (pause, send, ask, extend): the receipt is true, what follows too."""

from collections import Counter

import gevent
import pytest
from matrix import WAIT_S, Matrix
from support import wait_until

from pytask import RunEnded

COMMANDS = ('pause', 'send', 'ask', 'extend')
pytestmark = [pytest.mark.one_server, pytest.mark.durable, pytest.mark.timeout(240)]

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

    def timeout(self, run_id):
        return 500 if run_id.endswith('extend') else None

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
def talk(matrix_app, tmp_path):
    return Talk(matrix_app.client, tmp_path)


def test_everything_that_is_said_in_every_state(talk, matrix_worker, inside, server, redis):
    begin_elsewhere(talk, matrix_worker, redis)
    worker = inside.start()
    talk.come_due(redis)
    begin_here(talk, worker)
    talk.command_while_cut(redis)
    talk.command_while_restarting(server)
    gevent.joinall(talk.given, timeout=WAIT_S)
    wrong = {cell: told for cell, told in talk.receipts.items() if told != EXPECTED[cell[0]][cell[1]]}
    assert wrong == {}
    for state in EXPECTED:
        talk.let_go(state)
    check_ends(talk)
    check_heard(talk, redis)
    check_pauses(talk)


def begin_elsewhere(talk, start_worker, redis):
    talk.begin_waiting(redis)
    orphans = talk.start('orphaned', queue='orphaned')
    victim = start_worker('orphaned')
    talk.begun(orphans)
    talk.begin_blocked(start_worker)
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
    talk.begin_stopping()
    talk.command('stopping')
    talk.command_between_claim_and_start(worker)
    talk.command_finishing(worker)


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
