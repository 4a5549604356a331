"""Flows: steps one after the other in one run; what waits stands in Redis alone."""

import pytest
from support import SOON_S, wait_until

from pytask import (
    NotFound,
    NotGiven,
    PytaskError,
    RunEnded,
    RunExists,
    State,
    Task,
    resource,
    spawn,
    task,
    wait,
)

pytestmark = pytest.mark.timeout(60)


@task
def one():
    return 1


@task(name='add')
def add(n: int = 0, more: int = 10):
    return n + more


class Sum(Task):
    def start(self):
        self.state['seen'] = list(self.results)
        return [self.results['one'], self.results[1]]


class Offload(Task):
    def start(self):
        return wait(reason='confirmation')

    def check(self, offload=None):
        self.state['asked'] = self.state.get('asked', 0) + 1
        return offload if offload is not None else wait(reason='not ready')


@pytest.fixture
def flows(app, worker):
    for each in (one, add, Sum, Offload):
        app.add_task(each)
    worker()
    return app.client


def ended(flow, timeout=10):
    return flow.wait(timeout=timeout)


def test_steps_get_the_flows_data_and_each_others_results(flows, redis):
    flow = flows.flow(['one', ('added', 'add'), 'sum'])
    assert (flow.state, flow.reason, redis.zscore('held', flow.id)) == ('WAIT', 'not submitted', float('inf'))
    assert flow.submit(n=5, other='ignored') == flow.id
    ended(flow)
    assert flow.state == State.SUCCESS, flow.run.output
    assert flow.run.output == [1, 15]
    assert dict(flow.results) == {'one': 1, 'added': 15, 'sum': [1, 15]}
    assert flow.saved == {'seen': ['one', 'added']}
    assert flow.position == 3


def test_data_may_have_any_name(flows):
    flow = flows.flow(['one'])
    assert flow.submit(self=1, flow=2, data=3) == flow.id
    assert flow.refresh().run.data == {'self': 1, 'flow': 2, 'data': 3}


def test_an_id_that_is_in_use_is_refused(flows):
    assert flows.flow(['one'], flow_id='f').id == flows.flow(['one'], flow_id='f').id == 'f'
    with pytest.raises(RunExists, match="flow 'f' already exists with other steps"):
        flows.flow(['add'], flow_id='f')
    flows.start('one', run_id='taken')
    with pytest.raises(RunExists, match="id 'taken' belongs to a run of 'one'"):
        flows.flow(['one'], flow_id='taken')


def test_a_flow_waits_without_a_lease_until_its_check_lets_it_go_on(flows, redis):
    flow = flows.flow(['offload', 'one'])
    flow.submit()
    wait_until(lambda: redis.zscore('held', flow.id), 'it is held')
    flow.refresh()
    assert (flow.state, flow.reason) == ('WAIT', 'confirmation')
    assert redis.zcard('leases') == 0
    flow.submit()
    wait_until(lambda: flow.refresh().reason == 'not ready', 'check was asked')
    flow.submit(offload='signed')
    ended(flow)
    assert dict(flow.results) == {'offload': 'signed', 'one': 1}
    assert flow.saved['asked'] == 2
    with pytest.raises(RunEnded):
        flow.submit()


class Call(Task):
    def start(self):
        return spawn(reason='calling', task='add', args=(7,), data={'more': 1})


class Fail(Task):
    """Fails until its state says that it has."""

    def __init__(self, fails: bool = True):
        self.fails = fails

    def start(self):
        if self.fails:
            raise self.Error('not today')
        return 'fine'


class Bad(Task):
    def start(self):
        return spawn(task='fail')


class Hang(Task):
    def start(self):
        self.emit('begun')
        self.stopping.wait()


class Nested(Task):
    def start(self):
        return spawn(routine='inner', data={'n': 3})


class Patient(Task):
    """Starts a child that hangs, and decides for itself."""

    def start(self):
        return spawn(reason='hanging', task='hang')

    def check(self, go=None, ended=None, offload=None):
        return (ended, offload) if ended else bool(go) and 'gone on'


class Tick(Task):
    CHECK_EVERY = 0.05

    def start(self):
        return wait(reason='count')

    def check(self):
        self.state['n'] = self.state.get('n', 0) + 1
        return self.state['n'] > 2


class Until(Task):
    def __init__(self, until: float = 0):
        self.until = until

    def start(self):
        return wait(reason='later', until=self.until)


class Plain(Task):
    def start(self):
        return wait(reason='anything')


class Talker(Task):
    def start(self):
        return wait(reason='talk')

    def on_say(self, word: str):
        self.state['word'] = word
        return word.upper()

    def check(self, word=None):
        return False


ALL = (one, add, Sum, Offload, Call, Fail, Bad, Hang, Nested, Patient, Tick, Until, Plain, Talker)


@pytest.fixture
def machine(app, worker):
    for each in ALL:
        app.add_task(each)
    worker()
    return app.client


def held(client, flow_id, reason, redis):
    wait_until(
        lambda: client.get_flow(flow_id).reason == reason and redis.zscore('held', flow_id), f'held: {reason}'
    )
    return client.get_flow(flow_id)


def begun(machine, steps, **data):
    return machine.get_flow(machine.submit(machine.flow(steps), **data))


def test_the_output_of_a_child_is_the_steps(machine):
    flow = ended(begun(machine, ['call', 'one']))
    assert flow.run.output == 1
    assert flow.results['call'] == 8
    child = machine.get(f'{flow.id}.1')
    assert (child.task, child.parent, child.data) == ('add', flow.id, {'n': 7, 'more': 1})


def test_a_routine_may_be_a_child(machine):
    machine.routine('inner', ['add', 'one', ('add', 'add')])
    flow = ended(begun(machine, ['nested']))
    assert flow.run.output == 13
    inner = machine.get_flow(f'{flow.id}.1')
    assert (inner.run.parent, inner.routine, inner.position) == (flow.id, 'inner', 3)


def test_a_child_that_fails_ends_its_flow_likewise(machine):
    flow = ended(begun(machine, ['one', 'bad']))
    assert (flow.state, flow.run.output, flow.reason) == ('ERROR', 'not today', f'child {flow.id}.1 ended ERROR')
    assert (flow.position, flow.errors) == (1, {1: 'not today'})
    flow.retry()
    assert ended(flow).reason == f'child {flow.id}.2 ended ERROR'


class Crash(Task):
    def start(self):
        raise ValueError('the child')


class Crashing(Task):
    def start(self):
        return spawn(task='crash')


def test_a_flow_that_its_child_has_ended_is_told_like_any_exception(app, machine, caplog):
    seen = []
    app.on_exception(lambda run, error: seen.append((run.id, str(error))))
    app.add_task(Crash)
    app.add_task(Crashing)
    flow = ended(begun(machine, ['crashing']))
    assert (flow.state, flow.reason) == ('EXCEPTION', f'child {flow.id}.1 ended EXCEPTION')
    assert seen == [(f'{flow.id}.1', 'the child'), (flow.id, 'None')]
    wait_until(lambda: caplog.text.count('EXCEPTION ValueError: the child') == 2, 'both are logged')


LAMP = resource(required=False)


class Lit(Task):
    def start(self):
        return wait(reason='lamp')

    def check(self, lamp=LAMP):
        return lamp is not NotGiven and [lamp]


def test_check_gets_the_resource_itself(app, machine, redis):
    app.add_resource('lamp', lambda: 'a lamp')
    app.add_task(Lit)
    flow = begun(machine, ['lit'])
    held(machine, flow.id, 'lamp', redis)
    flow.submit(lamp='lamp')
    assert ended(flow).results['lit'] == ['a lamp']


def test_stopping_a_held_flow_stops_its_child(machine, redis):
    flow = begun(machine, ['patient'])
    held(machine, flow.id, 'hanging', redis)
    wait_until(lambda: machine.get(f'{flow.id}.1').state == 'RUNNING', 'the child runs')
    assert machine.stop(flow.id) == 'applied'
    assert machine.get(f'{flow.id}.1').wait(timeout=SOON_S).state == 'STOPPED'
    assert redis.zcard('held') == 0


def test_a_stopped_child_ends_its_flow_unless_check_decides(machine, redis):
    flow = begun(machine, ['patient', 'one'])
    held(machine, flow.id, 'hanging', redis)
    machine.stop(f'{flow.id}.1', wait=5)
    ended(flow)
    assert flow.results['patient'] == ['STOPPED', None]


def test_check_may_go_on_without_the_child(machine, redis):
    flow = begun(machine, ['patient', 'hang'])
    held(machine, flow.id, 'hanging', redis)
    flow.submit(go=1)
    wait_until(lambda: flow.refresh().position == 1, 'it went on')
    assert machine.get(f'{flow.id}.1').state == 'RUNNING'
    machine.stop(flow.id, wait=5)
    assert flow.refresh().state == 'STOPPED'
    assert machine.get(f'{flow.id}.1').wait(timeout=SOON_S).state == 'STOPPED'


def test_check_is_asked_every_so_often(machine):
    flow = ended(begun(machine, ['tick']))
    assert (flow.results['tick'], flow.saved) == (True, {'n': 3})


def test_a_wait_until_some_time_goes_on_then(machine, redis):
    seconds, _ = redis.time()
    flow = ended(begun(machine, ['until', 'one'], until=seconds + 1))
    assert dict(flow.results) == {'until': None, 'one': 1}


def test_without_a_check_a_submit_changes_nothing_and_a_message_goes_on(machine, redis):
    flow = begun(machine, ['plain', 'one'])
    held(machine, flow.id, 'anything', redis)
    flow.submit(a=1)
    wait_until(lambda: not redis.exists(f'inbox-{flow.id}'), 'it was looked at')
    held(machine, flow.id, 'anything', redis)
    assert machine.send(flow.id, 'go', {'by': 'me'}) == 'requested'
    assert dict(ended(flow).results) == {'plain': {'by': 'me'}, 'one': 1}


def test_a_message_to_a_waiting_step_is_heard_and_answered(machine, redis):
    flow = begun(machine, ['talker'])
    held(machine, flow.id, 'talk', redis)
    assert machine.ask(flow.id, 'say', {'word': 'hi'}) == 'HI'
    held(machine, flow.id, 'talk', redis)
    assert machine.get_flow(flow.id).saved == {'word': 'hi'}
    machine.stop(flow.id)


def test_force_passes_a_step_that_waits_or_has_failed(machine, redis):
    flow = begun(machine, ['plain', 'fail', 'sum'])
    held(machine, flow.id, 'anything', redis)
    assert flow.force(output={'by': 'hand'}) == 'applied'
    ended(flow)
    assert (flow.state, flow.position) == ('ERROR', 1)
    assert machine.force(flow.id, output=5, by='me') == 'applied'
    ended(flow)
    assert flow.state == 'EXCEPTION', 'there is no result of a step `one`'
    assert flow.force(output='done') == 'applied'
    ended(flow)
    assert (flow.state, flow.run.output) == ('SUCCESS', 'done')
    assert flow.forced[1]['by'] == 'me'
    assert flow.force(output=1) == 'SUCCESS'


def test_force_leaves_the_child_no_flow_waits_for(machine, redis):
    flow = begun(machine, ['patient', 'one'])
    held(machine, flow.id, 'hanging', redis)
    assert flow.force() == 'applied'
    assert ended(flow).results['patient'] is None
    assert machine.get(f'{flow.id}.1').wait(timeout=SOON_S).state == 'STOPPED'


def test_retry_goes_on_at_the_failed_step_or_at_a_given_one(machine):
    flow = ended(begun(machine, ['one', 'add', 'fail', 'sum']))
    assert flow.state == 'ERROR'
    assert machine.retry(flow.id) == 'applied'
    ended(flow)
    assert (flow.state, flow.run.attempt) == ('ERROR', 2)
    with pytest.raises(PytaskError, match='no step 4; steps are 0 to 3'):
        flow.retry(step=4)
    assert flow.retry(step=1) == 'applied'
    ended(flow)
    assert list(flow.results) == ['one', 'add']
    assert flow.errors == {2: 'not today'}
    flow = ended(begun(machine, ['one', 'add']))
    assert flow.retry() == 'applied'
    assert ended(flow).run.output == 10


def test_a_paused_flow_stays_until_it_is_resumed(machine, redis):
    flow = begun(machine, ['offload', 'one'])
    held(machine, flow.id, 'confirmation', redis)
    assert machine.pause(flow.id) == 'applied'
    flow.submit(offload='signed')
    assert machine.get_flow(flow.id).reason == 'paused'
    assert machine.resume(flow.id) == 'applied'
    assert ended(flow).results['offload'] == 'signed'
    flow = begun(machine, ['offload', 'one'])
    held(machine, flow.id, 'confirmation', redis)
    machine.pause(flow.id)
    machine.resume(flow.id)
    assert held(machine, flow.id, 'confirmation', redis).saved == {}
    machine.stop(flow.id)


def test_a_flow_that_was_not_submitted_is_not_started_by_resume(machine, redis):
    flow = machine.flow(['one'])
    machine.pause(flow.id)
    machine.resume(flow.id)
    assert flow.refresh().reason == 'not submitted'
    machine.pause(flow.id)
    flow.submit()
    assert flow.refresh().reason == 'paused'
    machine.resume(flow.id)
    assert ended(flow).run.output == 1


def test_a_step_whose_task_nobody_knows_is_laid_aside(app, machine, worker, redis):
    flow = begun(machine, ['one', 'later', 'one'])
    wait_until(lambda: redis.llen('parked-later') == 1, 'it is parked')
    wait_until(lambda: flow.refresh().reason.startswith('no worker knows "later"'), 'the reason is told')
    other = type(app)(app.url, lease=app.settings.lease_s)
    other.task(name='later')(lambda: 'here')
    other.task(name='one')(lambda: 'other')
    worker(other)
    ended(flow)
    assert flow.results[1] == 'here'
    other.client.close()


def test_a_spoilt_routine_harms_no_other(machine, redis):
    machine.routine('nightly', ['one'])
    redis.hset('routines', mapping={'a': 'junk', 'b': '2 [1]'})
    found = machine.routines()
    assert [(one.name, one.version, len(one.steps)) for one in found] == [
        ('a', 0, 0),
        ('b', 2, 0),
        ('nightly', 1, 1),
    ]
    for name in ('a', 'b'):
        with pytest.raises(NotFound, match=f"routine '{name}' cannot be read: another client overwrote it"):
            machine.routine(name)
    with pytest.raises(PytaskError, match=r'a routine has 1 to .* steps, not 0'):
        machine.flow(found[0])
    machine.routine('a', ['one'])
    assert machine.routine('a').version == 1


def test_foreign_hands_may_start_a_flow_of_a_routine(machine, redis):
    machine.routine('nightly', ['one', ('last', 'add')])
    redis.hset('task-42', mapping={'task': 'pytask/flow', 'routine': 'nightly', 'data': '{"n": 4}'})
    redis.lpush('new-task', '42')
    wait_until(lambda: redis.hget('task-42', 'state') == 'SUCCESS', 'it has run')
    assert redis.hget('task-42', 'output') == '14'
    assert machine.get_flow('42').routine == 'nightly'
    redis.hset('task-43', mapping={'task': 'pytask/flow', 'data': '{}'})
    redis.lpush('new-task', '43')
    wait_until(lambda: redis.hget('task-43', 'state') == 'ERROR', 'it can not run')
    assert 'names no routine' in redis.hget('task-43', 'output')


def test_a_signal_from_what_is_no_step_is_an_exception(machine):
    run = machine.start('plain').wait(timeout=SOON_S)
    assert (run.state, run.output['message']) == (
        'EXCEPTION',
        'wait and spawn are only for steps of a flow',
    )
