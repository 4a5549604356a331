"""A step of a flow is run as any task is: its own context, limits, hooks; told to stop, reloaded, given back."""

from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import gevent
import pytest
from support import SOON_S, InProcess, wait_until

from pytask import (
    AskError,
    ConfigError,
    InputError,
    PyTask,
    PytaskError,
    Task,
    Unavailable,
    current_task,
    spawn,
    wait,
)  # fmt: skip

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


class Turns(Task):
    """Is reloaded from what waits to what does not."""

    def __init__(self, waits: bool = True):
        self.waits = waits

    def start(self):
        if not self.waits:
            return 'went on'
        self.stopping.wait()
        return wait(reason='of the old one')


class Hears(Task):
    """Has no check: a message lets it go on."""

    def start(self):
        return wait(reason='hears')

    def on_go(self, word: str):
        if word == 'hang':
            self.emit('hangs')
            gevent.sleep(60)
        return word.upper()


class Odd(Task):
    """Returns what nobody can write down."""

    def __init__(self, how: str):
        self.how = how

    def start(self):
        if self.how == 'reason':
            return wait(reason='waiting for \udce9.csv')
        if self.how == 'past':
            return wait(reason='past', until=datetime(1960, 1, 1, tzinfo=UTC))
        return spawn(task='nobodys', data={'n': object()}) if self.how == 'data' else spawn(task='\udce9')


class Typed(Task):
    def start(self):
        return wait(reason='typed')

    def check(self, by: int = 0):
        return by > 0


ALL = (Inside, Outside, Slow, Room, Graceful, Assigns, Keeps, Turns, Hears, Odd, Typed)


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
    flow = begun(machine, ['inside', 'outside', 'inside'], n='3').wait(timeout=SOON_S)
    assert [row['value'] for row in flow.results.to_json()] == [
        ['inside', 'inside', 3, True], 'outside', ['inside', 'inside', 3, True],
    ]  # fmt: skip
    assert seen == [('inside', 'SUCCESS')] * 2


def test_data_that_does_not_fit_is_the_error_of_its_step(machine):
    flow = begun(machine, ['outside', 'inside'], n='three').wait(timeout=SOON_S)
    assert (flow.state, flow.position) == ('ERROR', 1)
    assert 'expected int, got str' in flow.errors[1]
    assert flow.results['outside'] == 'outside'
    flow = begun(machine, ['inside']).wait(timeout=SOON_S)
    assert 'n  is missing' in flow.errors[0]


def test_the_timeout_is_the_steps_own(machine):
    flow = begun(machine, ['outside', 'slow']).wait(timeout=SOON_S)
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
    assert flow.wait(timeout=SOON_S).results['room'] == ['room', 'again']


def test_a_message_is_heard_by_the_step_that_runs(machine):
    flow = running(machine, begun(machine, ['room', ('second', 'room')]))
    assert machine.send(flow.id, 'say', {'word': 'one'}) == 'requested'
    running(machine, flow, 1)
    assert machine.send(flow.id, 'say', {'word': 'two'}) == 'requested'
    assert dict(flow.wait(timeout=SOON_S).results) == {'room': ['room', 'one'], 'second': ['room', 'two']}


def test_a_reload_is_the_steps(machine):
    flow = running(machine, begun(machine, ['outside', 'room', 'assigns'], name='old'), 1)
    assert machine.reload(flow.id, {'name': 'new', 'value': 'y', 'more': 1}) == 'applied'
    machine.send(flow.id, 'say', {'word': 'hi'})
    assert dict(flow.wait(timeout=SOON_S).results) == {'outside': 'outside', 'room': ['new', 'hi'], 'assigns': 'y'}
    assert flow.run.attempt == 1


def test_a_flow_that_is_shut_down_goes_on_at_the_same_step(app, server, redis):
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
    assert orderly.wait(timeout=SOON_S).results['assigns'] == 'x'
    running(other.client, room, 1)
    other.client.send(room.id, 'say', {'word': 'hi'})
    assert room.wait(timeout=SOON_S).run.output == 'x'
    assert (room.run.attempt, room.run.crashes) == (2, 0)
    second.stop()
    other.client.close()


def test_state_may_be_assigned_and_must_be_json(machine):
    assert begun(machine, ['assigns'], value='y').wait(timeout=SOON_S).saved == {'value': 'y'}
    flow = begun(machine, ['assigns'], value='bad').wait(timeout=SOON_S)
    assert flow.state == 'EXCEPTION'
    assert flow.run.output['message'].startswith('self.state cannot be JSON')
    assert flow.saved == {}


def test_what_check_raises_ends_the_flow(machine, redis):
    flow = begun(machine, ['keeps'])
    wait_until(lambda: redis.zscore('held', flow.id), 'it is held')
    flow.submit(value='bad')
    flow.wait(timeout=SOON_S)
    assert (flow.state, flow.errors) == ('ERROR', {0: 'check says no'})


def test_what_does_not_wait_takes_no_data(machine):
    flow = running(machine, begun(machine, ['room'], name='n'))
    assert flow.submit(name='n') == flow.id, 'the same again'
    with pytest.raises(PytaskError, match='is RUNNING; it takes data when one of its steps waits'):
        flow.submit(name='other')
    assert flow.force(output=1) == 'RUNNING'
    machine.stop(flow.id, wait=5)


def test_what_is_in_line_takes_no_other_data(app):
    flow = app.client.flow(['room'])
    assert [flow.submit(name='n'), flow.submit(name='n')] == [flow.id] * 2, 'the same again'
    with pytest.raises(PytaskError, match=f'flow {flow.id} is already queued with other data'):
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
    assert flow.wait(timeout=SOON_S).position == 2


def test_a_reload_forgets_the_signal_of_the_old_instance(machine):
    flow = running(machine, begun(machine, ['turns']))
    assert machine.reload(flow.id, {'waits': False}, wait=10) == 'applied'
    assert flow.wait(timeout=SOON_S).run.output == 'went on'


def test_a_reason_is_cut_and_has_no_lone_surrogates(machine):
    flow = begun(machine, ['odd'], how='reason')
    wait_until(lambda: flow.refresh().reason == 'waiting for \\udce9.csv', 'it waits')
    assert len(wait('x' * 30_000).reason) == len(spawn('x' * 30_000, task='y').reason) == 1000


@pytest.mark.parametrize(
    ('how', 'state', 'why'), [('data', 'ERROR', 'is not JSON'), ('name', 'EXCEPTION', 'is not valid UTF-8')]
)
def test_what_can_not_be_spawned_ends_the_flow(machine, how, state, why):
    flow = begun(machine, ['odd'], how=how).wait(timeout=SOON_S)
    assert (flow.state, flow.run.attempt) == (state, 1)
    assert why in str(flow.run.output)


def test_a_time_that_is_long_past_has_come(machine):
    assert begun(machine, ['odd'], how='past').wait(timeout=SOON_S).state == 'SUCCESS'


@pytest.mark.parametrize('every_s', [float('inf'), float('nan'), -1, '5'])
def test_a_bad_check_every_is_refused(app, every_s):
    with pytest.raises(ConfigError, match=r'CHECK_EVERY of .* must be seconds, or None'):
        app.add_task(type('Often', (Keeps,), {'CHECK_EVERY': every_s}))


def test_a_message_lets_a_step_without_a_check_go_on_when_it_has_heard_it(machine, caplog):
    flow = begun(machine, ['hears'])
    wait_until(lambda: flow.refresh().reason == 'hears', 'it waits')
    with pytest.raises(AskError, match='word'):
        machine.ask(flow.id, 'go', {})
    machine.send(flow.id, 'go', {})
    wait_until(lambda: caplog.text.count('message go failed') == 2, 'each is told')
    wait_until(lambda: flow.refresh().state == 'WAIT', 'it waits on')
    assert machine.ask(flow.id, 'go', {'word': 'on'}) == 'ON'
    assert flow.wait(timeout=SOON_S).run.output == {'word': 'on'}


def test_a_message_that_was_interrupted_stays_in_the_inbox(app):
    app.add_task(Hears)
    first = InProcess(app)
    first.start()
    flow = begun(app.client, ['hears'])
    wait_until(lambda: flow.refresh().reason == 'hears', 'it waits')
    app.client.send(flow.id, 'go', {'word': 'hang'})
    wait_until(lambda: flow.refresh().state == 'RUNNING', 'it hangs')
    first.stop()
    assert (flow.refresh().state, flow.reason) == ('WAIT', 'shutdown')
    assert app.client.store.flows.read([flow.id])[0].message is not None
    app.client.stop(flow.id)


def test_data_that_does_not_fit_is_the_senders_and_the_flow_waits_on(machine, caplog):
    flow = begun(machine, ['typed'])
    wait_until(lambda: flow.refresh().reason == 'typed', 'it waits')
    flow.submit(by='zz')
    wait_until(lambda: 'message submit failed' in caplog.text, 'it is told')
    wait_until(lambda: flow.refresh().state == 'WAIT', 'it waits on')
    flow.submit(by=1)
    assert flow.wait(timeout=SOON_S).state == 'SUCCESS'


def test_a_paused_flow_halts_between_two_steps(machine):
    flow = running(machine, begun(machine, ['room', 'outside']))
    assert machine.pause(flow.id) == 'requested'
    wait_until(lambda: machine.send(flow.id, 'say', {'word': 'go on'}), 'it is heard')
    wait_until(lambda: flow.refresh().state == 'WAIT', 'it halts')
    assert (flow.reason, flow.position) == ('paused', 1)
    assert machine.resume(flow.id) == 'applied'
    assert flow.wait(timeout=SOON_S).run.output == 'outside'


def test_a_flow_whose_worker_shuts_down_while_redis_is_away_is_given_back(app, worker, monkeypatch):
    app.add_task(Outside)
    running = worker()

    def away(*_):
        running.lifetime.stopping.set()
        raise Unavailable('not now')

    monkeypatch.setattr(running.store.flows, 'advance', away)
    flow = begun(app.client, ['outside'])
    wait_until(lambda: (flow.refresh().state, flow.reason) == ('WAIT', 'shutdown'), 'it is given back')
    monkeypatch.undo()
    worker()
    assert flow.wait(timeout=SOON_S).run.output == 'outside'


def test_more_than_a_message_may_be_submitted_first(machine):
    flow = begun(machine, ['typed'], much='x' * 100_000)
    wait_until(lambda: flow.refresh().reason == 'typed', 'it waits')
    with pytest.raises(InputError, match='a flow that waits takes at most 65,536'):
        flow.submit(much='x' * 100_000)
    with pytest.raises(InputError, match='the limit is 1,048,576'):
        flow.force(output='x' * 2**20)
    flow.submit(by=1)
    assert flow.wait(timeout=SOON_S).state == 'SUCCESS'


def test_a_flow_with_a_long_id_spawns_nothing(machine, redis):
    flow_id = 'x' * 250
    redis.hset(f'task-{flow_id}', mapping={'task': 'pytask/flow', 'data': '{"how": "data"}', 'routine': 'odd'})
    machine.routine('odd', ['odd'])
    redis.lpush('new-task', flow_id)
    flow = machine.get_flow(flow_id).wait(timeout=SOON_S)
    assert (flow.state, 'too long for a child' in flow.run.output) == ('ERROR', True)


def test_on_exception_hooks_hear_of_flows(app, machine):
    heard = []
    app.on_exception(lambda run, error: heard.append((run.id, type(error).__name__)))
    flow = begun(machine, ['assigns'], value='bad').wait(timeout=SOON_S)
    assert heard == [(flow.id, 'TypeError')]


def test_outside_of_a_flow_state_and_results_are_empty():
    assert (Assigns().state, dict(Assigns().results)) == ({}, {})
