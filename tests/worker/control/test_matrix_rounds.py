"""Rounds of random commands at random moments: whatever is said of a run is so."""

import os
import random

import gevent
import pytest
from support import wait_until

from pytask import PytaskError, State, Task
from pytask.core.states import ENDED

ROUNDS, AT_ONCE = 200, 25
ENDS = {state.value for state in ENDED}
MAY_ANSWER = {
    'stop': {'applied', 'requested', 'not_found', *ENDS},
    'reload': {'applied', 'requested', 'refused by its data', 'not_found', *ENDS},
    'retry': {'applied', 'WAIT', 'RUNNING', 'not_found'},
    'rm': {'applied', 'WAIT', 'RUNNING', 'not_found'},
    'pause': {'applied', 'requested', 'not_found', *ENDS},
    'resume': {'applied', 'requested', 'WAIT', 'RUNNING', 'not_found', *ENDS},
    'send': {'requested', 'not_found', *ENDS},
}
LONG_S = 0.4


class Quick(Task):
    def __init__(self, n: int = 0):
        self.n = n

    def start(self):
        return self.n

    def on_note(self):
        gevent.sleep(0.01 * random.random())


class Halting(Quick):
    def start(self):
        for _ in range(10):
            self.sleep(LONG_S / 10 * random.random())
        return self.n


class Interrupted(Quick):
    NAME = 'interrupted'

    def start(self):
        gevent.sleep(LONG_S * random.random())
        return self.n


class Polite(Quick):
    GRACE = 2

    def __init__(self, n: int = 0):
        super().__init__(n)
        gevent.sleep(0.02 * random.random())
        self.over = gevent.event.Event()

    def start(self):
        self.over.wait(LONG_S * random.random())
        return self.n

    def stop(self):
        gevent.sleep(0.05 * random.random())
        self.over.set()


class Stubborn(Quick):
    """Swallows the first interruption, and cleans up for long."""

    def start(self):
        try:
            gevent.sleep(LONG_S * random.random())
        except BaseException:  # noqa: BLE001 - what it is here for
            gevent.sleep(0.3)
        return self.n


KINDS = (Quick, Halting, Interrupted, Polite, Stubborn)
COMMANDS = ('stop', 'stop', 'reload', 'reload', 'retry', 'rm', 'pause', 'resume', 'send')


class Round:
    """What was asked of one run, and what must be true after that."""

    def __init__(self, client, chance, number):
        self.client, self.chance = client, chance
        self.kind = chance.choice(KINDS)
        self.run_id = f'round-{number}'
        self.told = []
        self.data = {0}  # what its next attempt may begin with
        self.is_gone, self.retries = False, 0

    def play(self):
        self.client.start(self.kind, {'n': 0}, run_id=self.run_id)
        self.wait()
        for _ in range(self.chance.randint(2, 6)):
            name = self.chance.choice(COMMANDS)
            answer = getattr(self, name)()
            self.told.append((name, answer))
            assert answer in MAY_ANSWER[name], self.told
            assert not self.is_gone or answer == 'not_found' or (name, answer) == ('rm', 'applied'), self.told
            self.wait()
        self.check_end()

    def outcome(self):
        try:
            self.play()
        except (Exception, AssertionError) as error:  # noqa: BLE001 - told by the test itself
            return f'{self.run_id} {self.kind.NAME} {self.told}: {error!r}'
        return ''

    def wait(self):
        gevent.sleep(self.chance.choice([0, 0, 0.001, 0.02, LONG_S]) * self.chance.random())

    def stop(self):
        wait, grace = self.chance.choice([None, None, 0, 10]), self.chance.choice([None, None, 0, 0.1])
        answer = self.client.stop(self.run_id, wait, grace)
        assert wait != 10 or answer != 'requested', self.told
        if answer in ENDS | {'applied'}:
            assert self.state() == ('STOPPED' if answer == 'applied' else answer), (self.told, answer)
        return answer

    def reload(self):
        n = self.chance.choice([len(self.told) + 1, 'bad'])
        try:
            answer = self.client.reload(self.run_id, {'n': n}, wait=self.chance.choice([0, 10]))
        except PytaskError as error:
            is_right = n == 'bad' and 'was not reloaded' in str(error)
            return 'refused by its data' if is_right else f'{n}: {error}'
        if answer == 'applied':
            self.data = {n}
        elif answer != 'not_found':
            self.data |= {n}  # it may have ended before it could say so
        return answer

    def pause(self):
        return self.client.pause(self.run_id)

    def resume(self):
        return self.client.resume(self.run_id)

    def send(self):
        return self.client.send(self.run_id, 'note')

    def retry(self):
        answer = self.client.retry(self.run_id)
        self.retries += answer == 'applied'
        return answer

    def rm(self):
        [answer] = self.client.remove(self.run_id)
        self.is_gone |= answer == 'applied'
        return answer

    def state(self):
        [run] = self.client.store.runs.read([self.run_id])
        return run and run.state.value

    def check_end(self):
        if self.is_gone:
            assert self.state() is None, self.told
            return
        self.client.resume(self.run_id)
        names = [name for name, answer in self.told if name == 'stop' or (name, answer) == ('retry', 'applied')]
        wait_until(lambda: self.state() in ENDS, f'its end: {self.told}', 20)
        run = self.client.get(self.run_id)
        if not names or names[-1] == 'retry':  # no stop is meant for its last attempt
            assert run.state in (State.SUCCESS, State.ERROR), (self.told, run)
        assert (run.state, self.client.stop(self.run_id, wait=5)) in {(state, state.value) for state in ENDED}
        assert run.attempt <= 1 + self.retries, (self.told, run)
        if run.state is State.SUCCESS:
            assert run.output in self.data, (self.told, self.data, run)
        assert run.state is not State.ERROR or 'bad' in self.data, (self.told, run)
        assert run.state is not State.EXCEPTION, (self.told, run)


@pytest.mark.timeout(180)
def test_rounds_of_random_commands(app, worker, redis):
    seed = int(os.environ.get('SEED') or random.randrange(2**32))
    print('seed', seed)
    chance = random.Random(seed)
    for task in KINDS:
        app.add_task(task)
    running = worker()
    rounds = [Round(app.client, random.Random(chance.random()), number) for number in range(ROUNDS)]

    def cut():  # the subscription, now and then
        while True:
            gevent.sleep(0.3 * random.random())
            redis.client_kill_filter(_type='pubsub')

    cutter = gevent.spawn(cut)
    try:
        for at in range(0, ROUNDS, AT_ONCE):
            players = [gevent.spawn(one.outcome) for one in rounds[at : at + AT_ONCE]]
            gevent.joinall(players, timeout=60)
            assert [player.value for player in players if player.value] == []
            assert all(player.dead for player in players)
    finally:
        cutter.kill()
    wait_until(lambda: running.slots.taken == 0, 'all slots are free')
    assert list(redis.scan_iter('inbox-*')) == []
