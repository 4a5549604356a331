"""A step of a flow is run as any task is: its own context, limits, hooks; told to stop, reloaded, given back."""

from contextlib import contextmanager
from contextvars import ContextVar

import gevent
import pytest
from support import wait_until

from pytask import PyTask, PytaskError, Task, current_task, wait

pytestmark = pytest.mark.timeout(60)
where = ContextVar('where', default='outside')
seen = []


class Inside(Task):
    @staticmethod
    @contextmanager
    def provide_context():
        token = where.set('inside')
        yield
        where.reset(token)

    def __init__(self, n: int):
        self.n = n
        self.was = where.get()

    def start(self):
        return [self.was, where.get(), self.n, current_task() is self]

    def finish(self, outcome):
        seen.append((where.get(), outcome.state))


class Outside(Task):
    def start(self):
        return where.get()


class Slow(Task):
    TIMEOUT = 0.2

    def start(self):
        self.stopping.wait()
        self.sleep(60)
        while True:
            self.sleep(60)


class Room(Task):
    """Goes on until it is told to stop, or somebody says so."""

    GRACE = 5

    def __init__(self, name: str = 'room'):
        self.name = name
        self.heard, self.is_open = [], True

    def start(self):
        while self.is_open and not self.heard:
            gevent.sleep(0.02)
        return [self.name, *self.heard]

    def stop(self):
        seen.append('stop')
        self.is_open = False

    def on_say(self, word: str):
        self.heard.append(word)


class Graceful(Task):
    graceful = True

    def start(self):
        self.stopping.wait()
        return 'orderly'


class Assigns(Task):
    def __init__(self, value: str = 'x'):
        self.value = value

    def start(self):
        self.state = {'value': self.value if self.value != 'bad' else {1, 2, object()}}
        return self.value


class Keeps(Task):
    def start(self):
        return wait(reason='keeps')

    def check(self, value=None):
        if value == 'bad':
            raise self.Error('check says no')
        return value is not None


ALL = (Inside, Outside, Slow, Room, Graceful, Assigns, Keeps)


@pytest.fixture
def machine(app, worker):
    seen.clear()
    for each in ALL:
        app.add_task(each)
    worker()
    return app.client


def begun(machine, steps, **data):
    return machine.get_flow(machine.submit(machine.flow(steps), **data))


def running(machine, flow, position=0):
    def there():
        flow.refresh()
        return flow.state == 'RUNNING' and flow.position == position and machine.store.runs.read([flow.id])[0]

    wait_until(there, f'step {position} runs')
    return flow


def test_each_step_has_its_own_context_and_hooks(machine):
    flow = begun(machine, ['inside', 'outside', 'inside'], n='3').wait(timeout=10)
    assert [row['value'] for row in flow.results.to_json()] == [
        ['inside', 'inside', 3, True], 'outside', ['inside', 'inside', 3, True],
    ]  # fmt: skip
    assert seen == [('inside', 'SUCCESS')] * 2


def test_data_that_does_not_fit_is_the_error_of_its_step(machine):
    flow = begun(machine, ['outside', 'inside'], n='three').wait(timeout=10)
    assert (flow.state, flow.position) == ('ERROR', 1)
    assert 'expected int, got str' in flow.errors[1]
    assert flow.results['outside'] == 'outside'
    flow = begun(machine, ['inside']).wait(timeout=10)
    assert 'n  is missing' in flow.errors[0]


def test_the_timeout_is_the_steps_own(machine):
    flow = begun(machine, ['outside', 'slow']).wait(timeout=10)
    assert (flow.state, flow.reason, flow.position) == ('EXCEPTION', 'timeout', 1)
    assert flow.errors[1]['type'] == 'TimeoutError'


def test_a_stop_is_the_steps(machine, redis):
    flow = running(machine, begun(machine, ['outside', 'room', 'outside']), 1)
    machine.send(flow.id, 'nothing')  # its step is at it when somebody has heard this
    wait_until(lambda: not redis.exists(f'inbox-{flow.id}'), 'it runs')
    assert machine.stop(flow.id, wait=5) == 'applied'
    flow.refresh()
    assert (flow.state, flow.position, flow.run.output) == ('STOPPED', 1, ['room'])
    assert seen == ['stop']
    assert flow.retry() == 'applied'
    running(machine, flow, 1)
    machine.send(flow.id, 'say', {'word': 'again'})
    assert flow.wait(timeout=10).results['room'] == ['room', 'again']


def test_a_message_is_heard_by_the_step_that_runs(machine):
    flow = running(machine, begun(machine, ['room', ('second', 'room')]))
    assert machine.send(flow.id, 'say', {'word': 'one'}) == 'requested'
    running(machine, flow, 1)
    assert machine.send(flow.id, 'say', {'word': 'two'}) == 'requested'
    assert dict(flow.wait(timeout=10).results) == {'room': ['room', 'one'], 'second': ['room', 'two']}


def test_a_reload_is_the_steps(machine):
    flow = running(machine, begun(machine, ['outside', 'room', 'assigns'], name='old'), 1)
    assert machine.reload(flow.id, {'name': 'new', 'value': 'y', 'more': 1}) == 'applied'
    machine.send(flow.id, 'say', {'word': 'hi'})
    assert dict(flow.wait(timeout=10).results) == {'outside': 'outside', 'room': ['new', 'hi'], 'assigns': 'y'}
    assert flow.run.attempt == 1


def test_a_flow_that_is_shut_down_goes_on_at_the_same_step(app, server, redis):
    from support import InProcess

    for each in ALL:
        app.add_task(each)
    first = InProcess(app)
    first.start()
    room = running(app.client, begun(app.client, ['outside', 'room', 'assigns']), 1)
    orderly = running(app.client, begun(app.client, ['graceful', 'assigns']))
    first.stop()
    assert (room.refresh().state, room.position) == ('WAIT', 1)
    assert (orderly.refresh().state, orderly.position, orderly.results[0]) == ('WAIT', 1, 'orderly')
    assert redis.lrange('new-task', 0, -1)
    other = PyTask(server.url, lease=2)
    for each in ALL:
        other.registry.add(each)
    second = InProcess(other)
    second.start()
    assert orderly.wait(timeout=10).results['assigns'] == 'x'
    running(other.client, room, 1)
    other.client.send(room.id, 'say', {'word': 'hi'})
    assert room.wait(timeout=10).run.output == 'x'
    assert (room.run.attempt, room.run.crashes) == (2, 0)
    second.stop()
    other.client.close()


def test_state_may_be_assigned_and_must_be_json(machine):
    assert begun(machine, ['assigns'], value='y').wait(timeout=10).saved == {'value': 'y'}
    flow = begun(machine, ['assigns'], value='bad').wait(timeout=10)
    assert flow.state == 'EXCEPTION'
    assert flow.run.output['message'].startswith('self.state is what JSON can not carry')
    assert flow.saved == {}


def test_what_check_raises_ends_the_flow(machine, redis):
    flow = begun(machine, ['keeps'])
    wait_until(lambda: redis.zscore('held', flow.id), 'it is held')
    flow.submit(value='bad')
    flow.wait(timeout=10)
    assert (flow.state, flow.errors) == ('ERROR', {0: 'check says no'})


def test_what_does_not_wait_takes_no_data(machine):
    flow = running(machine, begun(machine, ['room'], name='n'))
    assert flow.submit(name='n') == flow.id, 'the same again'
    with pytest.raises(PytaskError, match='is RUNNING: it takes data when it waits'):
        flow.submit(name='other')
    assert flow.force(output=1) == 'RUNNING'
    machine.stop(flow.id, wait=5)


def test_what_is_in_line_takes_no_other_data(app):
    flow = app.client.flow(['room'])
    assert [flow.submit(name='n'), flow.submit(name='n')] == [flow.id] * 2, 'the same again'
    with pytest.raises(PytaskError, match=f'flow {flow.id} is in line already, with other data'):
        flow.submit(name='other')
    assert app.client.stop(flow.id) == 'applied'


def test_a_submit_is_for_the_step_that_waits_only(machine, redis):
    """Submitted twice in a row, the second is not taken for the signature that the next step waits for."""
    flow = begun(machine, ['keeps', 'keeps'])
    wait_until(lambda: redis.zscore('held', flow.id), 'it is held')
    machine.pause(flow.id)
    flow.submit(value='one')
    flow.submit(value='two')
    machine.resume(flow.id)
    wait_until(lambda: flow.refresh().position == 1 and redis.zscore('held', flow.id), 'it waits at the next')
    assert redis.exists(f'inbox-{flow.id}') == 0
    flow.submit(value='three')
    assert flow.wait(timeout=10).position == 2


def test_on_exception_hooks_hear_of_flows(app, machine):
    heard = []
    app.on_exception(lambda run, error: heard.append((run.id, type(error).__name__)))
    flow = begun(machine, ['assigns'], value='bad').wait(timeout=10)
    assert heard == [(flow.id, 'TypeError')]


def test_outside_of_a_flow_state_and_results_are_empty():
    assert (Assigns().state, dict(Assigns().results)) == ({}, {})
