"""The scripts that move a flow, from where it is made to where it ends; and what ends tell its kin."""

import json

import pytest

from pytask.core.states import State
from pytask.store.flows import Child, Held, NewFlow
from pytask.store.records import Ended

STEPS = b'[["one","hello","one"],["two","other","two"]]'
INF = float('inf')
MESSAGE = b'0123456789abcdef{"name":"submit","data":{"by":1},"ask":""}'
OTHER = b'fedcba9876543210{"name":"go","data":{},"ask":""}'


class FlowHands:
    """What a worker and clients do with flows, in one word each."""

    def __init__(self, hands):
        self.hands, self.redis, self.store = hands, hands.redis, hands.store
        hands.register('w1', 'hello', 'other', 'pytask/flow')

    def make(self, flow_id='f', step='hello', position=0):
        return self.store.flows.accept(NewFlow(flow_id, 'default', position, step, STEPS, '1 r', 'r'))

    def submit(self, flow_id='f', data=b'{}', message=MESSAGE):
        return self.store.flows.submit(flow_id, data, message)

    def run(self, flow_id='f'):
        """Make a flow, submit it, claim it."""
        self.make(flow_id)
        self.submit(flow_id)
        return self.claim()

    def claim(self, **how):
        [claimed] = self.hands.claim(**how).runs
        return claimed

    def hold(self, claimed, reason='because', **how):
        held = Held(State.WAIT, reason=reason, **how)
        return self.hands.record(Ended(claimed.run_id, claimed.token, held, 1))[0]

    def held(self, flow_id='f', **how):
        """Make a flow that waits."""
        claimed = self.run(flow_id)
        assert self.hold(claimed, **how) == 'OK'
        return claimed

    def advance(self, claimed, position=0, key='one', value=b'1', step='other', saved=b'{}', message=b''):
        return self.store.flows.advance(claimed.run_id, claimed.token, position, key, value, step, saved, message)

    def of(self, flow_id='f'):
        return self.redis.hgetall(f'flow-{flow_id}')

    def score(self, flow_id='f'):
        return self.redis.zscore('held', flow_id)

    def reason(self, flow_id='f'):
        return self.redis.hget(f'task-{flow_id}', 'reason')


@pytest.fixture
def flows(hands):
    return FlowHands(hands)


CHILD = Child('mail', 'hello', b'{"n":1}')


# Made and submitted.


def test_a_flow_is_held_until_it_is_submitted(flows, hands):
    assert flows.make()
    before = hands.everything()
    assert not flows.make(step='else'), 'its id is in use'
    assert hands.everything() == before
    assert (hands.state('f'), flows.reason(), flows.score(), hands.line()) == ('WAIT', 'not submitted', INF, [])
    assert flows.of() == {'steps': STEPS.decode(), 'routine': '1 r', 'name': 'r', 'first': '0'}
    assert flows.submit(data=b'{"n":2}') == 'APPLIED'
    assert (flows.score(), hands.line(), flows.reason()) == (None, ['f'], None)
    assert flows.claim().data == b'{"n":2}'
    assert hands.redis.smembers('queues') == {'default'}


def test_what_is_submitted_and_does_not_wait_is_left_alone(flows, hands):
    flows.make()
    flows.submit(data=b'{"n":2}')
    before = hands.everything()
    assert flows.submit(data=b'{"n":2}') == 'APPLIED'
    assert flows.submit(data=b'{"n":3}') == 'WAIT'
    assert hands.everything() == before
    claimed = flows.claim()
    before = hands.everything()
    assert flows.submit(data=b'{"n":3}') == 'RUNNING'
    assert hands.everything() == before
    hands.finish(claimed)
    assert flows.submit(data=b'{"n":2}') == 'SUCCESS'


@pytest.mark.every_server
def test_what_is_no_flow_is_refused(flows, hands):
    hands.start('1', queue='mail')
    hands.redis.set('task-2', 'mine')
    before = hands.everything()
    assert [flows.submit(run_id) for run_id in ('1', '2', '3')] == ['REFUSED', 'NOT_FOUND', 'NOT_FOUND']
    forced = [hands.store.flows.force(run_id, 0, 'k', b'1', b'{}') for run_id in ('1', '2', '3')]
    assert forced == ['REFUSED', 'NOT_FOUND', 'NOT_FOUND']
    assert hands.everything() == before
    hands.finish(hands.run('4'))
    assert hands.store.runs.retry('4', 0) == 'REFUSED'


def test_a_submit_to_what_waits_is_a_message_that_wakes_it(flows, hands):
    flows.held()
    assert flows.submit() == 'REQUESTED'
    assert hands.raw.lrange('inbox-f', 0, -1) == [MESSAGE]
    assert (flows.score(), hands.line(), hands.state('f')) == (None, ['f'], 'WAIT')
    assert flows.submit() == 'REQUESTED'
    assert hands.line() == ['f'], 'once'
    for _ in range(998):
        flows.submit()
    assert flows.submit() == 'FULL'


def test_a_message_wakes_what_waits(flows, hands):
    flows.held()
    assert hands.send('f')[1] == 'REQUESTED'
    assert (flows.score(), hands.line()) == (None, ['f'])
    flows.make('g')
    hands.send('g')
    assert (flows.score('g'), hands.line()) == (INF, ['f']), 'it was not submitted'


# Claimed by the task of its step.


def test_a_claim_asks_for_the_task_of_the_step(flows, hands):
    hands.register('w2', 'hello', 'pytask/flow')
    flows.make(step='other')
    flows.submit()
    assert hands.claim('w2').parked == [('f', 'other')]
    assert flows.reason() == 'no worker knows "other"'
    [claimed] = hands.claim(parked='other').runs
    assert (claimed.run_id, claimed.task) == ('f', 'pytask/flow')


@pytest.mark.every_server
def test_an_entry_that_was_parked_for_another_step_is_parked_for_this_one(flows, hands):
    flows.make()
    flows.submit()
    hands.register('w2', 'other', 'pytask/flow')
    hands.register('w3', 'hello', 'pytask/flow')
    assert hands.claim('w2').parked == [('f', 'hello')]
    assert force(hands) == 'APPLIED'
    hands.redis.hset('task-f', 'step', 'other')  # as a worker finds out
    assert hands.claim('w3', parked='hello').runs == []
    assert hands.claimed_ids(worker='w2', parked='other') == ['f']


def test_more_time_is_given_to_one_step_only(flows, hands):
    claimed = flows.run()
    hands.redis.hset('task-f', 'timeout', 5)
    assert hands.store.runs.extend('f', '60') == 'REQUESTED'
    assert hands.redis.hexists('task-f', 'extended')
    flows.advance(claimed)
    assert not hands.redis.hexists('task-f', 'extended')


def test_what_is_too_large_for_a_message_may_still_be_the_first_submit(flows, hands):
    flows.make()
    assert flows.submit(data=b'{"n":1}', message=b'') == 'APPLIED'
    assert flows.hold(flows.claim()) == 'OK'
    assert flows.submit(message=b'') == 'TOO_LARGE'
    assert hands.redis.llen('inbox-f') == 0


def test_a_flow_of_foreign_hands_waits_in_line(flows, hands):
    hands.redis.hset('task-f', mapping={'task': 'pytask/flow', 'data': '{}', 'routine': 'r'})
    assert (flows.submit(), flows.submit(data=b'{"n":1}')) == ('APPLIED', 'WAIT')
    assert force(hands) == 'APPLIED'


def test_a_pause_of_the_steps_task_holds_its_flow(flows, hands):
    flows.make(step='other')
    flows.submit()
    hands.store.pauses.close('task', 'other')
    assert hands.claimed_ids() == []
    assert flows.reason() == 'paused'
    hands.store.pauses.open('task', 'other')
    assert hands.claimed_ids(parked='other') == ['f']


def test_what_is_claimed_is_held_no_more(flows, hands):
    """It may stand in line twice, and be held when the second entry is met."""
    flows.held()
    hands.redis.lpush('new-task', 'f')
    assert hands.claimed_ids() == ['f']
    assert flows.score() is None
    flows.make('g')
    hands.redis.lpush('new-task', 'g')
    assert hands.claimed_ids() == ['g']
    assert (flows.score('g'), hands.redis.hget('task-g', 'draft')) == (None, None)


@pytest.mark.every_server
def test_place_is_for_the_holder(flows, hands):
    claimed = flows.run()
    place = hands.store.flows.place
    before = hands.everything()
    assert not place('f', '1:x:w1', 'third', b'', '')
    assert hands.everything() == before
    hands.redis.hset('task-f', 'position', 1)
    assert place('f', claimed.token, 'other', b'', '')
    assert hands.redis.hget('task-f', 'position') == '1'
    assert hands.redis.hget('task-f', 'step') == 'other'
    assert flows.of()['routine'] == '1 r'
    hands.redis.hdel('task-f', 'position')
    assert place('f', claimed.token, 'other', b'[1]', '2 s')
    assert (flows.of()['steps'], flows.of()['routine'], hands.redis.hget('task-f', 'position')) == (
        '[1]',
        '2 s',
        '0',
    )
    hands.release(claimed)
    before = hands.everything()
    assert not place('f', claimed.token, 'third', b'', '')
    assert hands.everything() == before


# A step is passed.


@pytest.mark.every_server
def test_advance_records_all_at_once(flows, hands, events):
    claimed = flows.run()
    events()
    assert flows.advance(claimed, saved=b'{"n":1}')
    assert flows.of() | {'steps': ''} == {
        '0:one': '1', 'saved': '{"n":1}', 'steps': '', 'routine': '1 r', 'name': 'r', 'first': '0',
    }  # fmt: skip
    assert hands.redis.hmget('task-f', 'position', 'step') == ['1', 'other']
    assert events() == [('f', 'passed', {'position': 0, 'key': 'one'})]
    before = hands.everything()
    assert flows.advance(claimed, value=b'2'), 'its answer was lost'
    assert hands.everything() == before
    assert flows.advance(claimed, 1, 'two', b'2', '')
    assert hands.redis.hmget('task-f', 'position', 'step') == ['2', None]
    assert not flows.advance(claimed, 0)
    assert not flows.advance(claimed, 5)


def test_advance_is_for_the_holder(flows, hands):
    claimed = flows.run()
    before = hands.everything()
    assert not flows.advance(claimed._replace(token='1:x:w1'))
    assert hands.everything() == before
    hands.finish(claimed)
    before = hands.everything()
    assert not flows.advance(claimed)
    assert hands.everything() == before


def test_advance_deals_with_what_it_waited_for(flows, hands):
    flows.held(child=CHILD)
    hands.finish(flows.claim(queue='mail'), output=b'"left"')
    flows.submit()
    hands.send('f', OTHER[16:])
    flows.submit(message=b'1' + MESSAGE[1:])
    claimed = flows.claim()
    assert flows.advance(claimed, message=MESSAGE[:16])
    assert hands.redis.hmget('task-f', 'wait', 'until', 'child') == [None, None, None]
    assert not {'ended', 'offload'} & flows.of().keys()
    [left] = hands.raw.lrange('inbox-f', 0, -1)
    assert left[16:] == OTHER[16:], 'the submits were for the step that was passed'
    assert hands.redis.hget('task-f', 'inbox') == str(len(left))


def test_who_goes_on_is_no_culprit(flows, hands):
    claimed = flows.run()
    hands.redis.hset('task-f', mapping={'crashes': 4, 'alone': 2})
    assert flows.advance(claimed)
    assert hands.redis.hmget('task-f', 'crashes', 'alone') == [None, None]


# A flow waits.


def test_what_waits_has_no_lease_and_no_worker(flows, hands, events):
    claimed = flows.run()
    before = hands.everything()
    assert flows.hold(claimed._replace(token='1:x:w1')) == 'STALE'
    assert hands.everything() == before
    events()
    assert flows.hold(claimed, 'sign here', saved=b'{"n":1}') == 'OK'
    assert (hands.state('f'), flows.reason(), flows.score(), hands.line()) == ('WAIT', 'sign here', INF, [])
    assert hands.redis.zcard('leases') == 0
    assert hands.redis.hmget('task-f', 'token', 'worker', 'wait') == [None, None, 'sign here']
    assert flows.of()['saved'] == '{"n":1}'
    assert events() == [('f', 'wait', {'reason': 'sign here'})]
    before = hands.everything()
    assert flows.hold(claimed, 'again') == 'STALE'
    assert hands.everything() == before


def test_it_is_looked_at_when_its_time_comes(flows, hands):
    soon = hands.now_ms() + 60_000
    flows.held('a', until_ms=soon)
    assert flows.score('a') == soon
    flows.held('b', check_ms=5000)
    assert abs(flows.score('b') - hands.now_ms() - 5000) < 3000
    flows.held('c', check_ms=5000, until_ms=soon)
    assert flows.score('c') < soon
    flows.held('d', check_ms=90_000, until_ms=soon)
    assert flows.score('d') == soon
    assert hands.store.queues.promote(10) == 0
    hands.redis.zadd('held', {'a': 1000, 'ghost': 1000})
    assert hands.store.queues.promote(10) == 2
    assert hands.line() == ['a']
    assert hands.redis.zscore('held', 'ghost') is None


def test_a_stop_that_was_told_ends_it(flows, hands):
    claimed = flows.run()
    hands.command('f')
    assert flows.hold(claimed, child=CHILD) == 'OK'
    assert (hands.state('f'), flows.score()) == ('STOPPED', None)
    assert not hands.redis.exists('task-f.1')


def test_a_pause_keeps_it_until_it_is_resumed(flows, hands):
    claimed = flows.run()
    hands.store.pauses.pause('f')
    assert flows.hold(claimed, until_ms=hands.now_ms() + 60_000) == 'OK'
    assert (flows.score(), flows.reason()) == (INF, 'paused')
    assert flows.submit() == 'REQUESTED'
    assert (flows.score(), hands.line()) == (INF, [])
    assert hands.store.pauses.resume('f') == 'APPLIED'
    assert (flows.score(), hands.line()) == (None, ['f'])


def test_resume_does_not_submit(flows, hands):
    flows.make()
    hands.store.pauses.pause('f')
    assert hands.store.pauses.resume('f') == 'APPLIED'
    assert (flows.score(), flows.reason(), hands.line()) == (INF, 'not submitted', [])
    hands.store.pauses.pause('f')
    assert flows.submit() == 'APPLIED'
    assert (flows.score(), flows.reason(), hands.line()) == (INF, 'paused', [])
    hands.store.pauses.resume('f')
    assert (flows.score(), hands.line()) == (None, ['f'])


def test_what_came_meanwhile_is_looked_at_at_once(flows, hands):
    flows.held()
    flows.submit()
    claimed = flows.claim()
    flows.submit(message=OTHER)
    assert flows.hold(claimed, message=MESSAGE[:16]) == 'OK'
    assert hands.raw.lrange('inbox-f', 0, -1) == [OTHER]
    assert (flows.score(), hands.line()) == (None, ['f'])
    assert flows.hold(flows.claim(), message=OTHER[:16]) == 'OK'
    assert (flows.score(), hands.line()) == (INF, [])


# Children.


@pytest.mark.every_server
def test_a_child_is_started_where_its_flow_is_held(flows, hands):
    flows.held(child=CHILD)
    child = hands.hash('f.1')
    assert {name: child[name] for name in ('task', 'data', 'state', 'queue', 'parent')} == {
        'task': 'hello', 'data': '{"n":1}', 'state': 'WAIT', 'queue': 'mail', 'parent': 'f',
    }  # fmt: skip
    assert hands.line('mail') == ['f.1']
    assert 'mail' in hands.redis.smembers('queues')
    assert hands.redis.hmget('task-f', 'child', 'children') == ['f.1', '1']


def test_a_child_never_takes_the_id_of_another(flows, hands):
    hands.start('f.1', task='other', queue='mail')
    flows.held(child=CHILD)
    assert hands.hash('f.1')['task'] == 'other'
    assert hands.redis.hmget('task-f', 'child', 'children') == ['f.2', '2']
    hands.command('f')
    assert hands.state('f.1') == 'WAIT', 'it is not one of its children'


def test_a_flow_may_be_the_child(flows, hands):
    flows.held(child=Child('default', 'pytask/flow', b'{}', (STEPS, 'hello', '3 inner')))
    assert flows.of('f.1') == {'steps': STEPS.decode(), 'routine': '3 inner'}
    assert hands.redis.hmget('task-f.1', 'position', 'step', 'parent') == ['0', 'hello', 'f']


@pytest.mark.parametrize('state', ['SUCCESS', 'ERROR', 'EXCEPTION', 'STOPPED'])
def test_the_end_of_a_child_reaches_its_flow(flows, hands, state):
    flows.held(child=CHILD)
    hands.finish(flows.claim(queue='mail'), state, output=b'"left"')
    assert (flows.of()['ended'], flows.of()['offload']) == (state, '"left"')
    assert (flows.score(), hands.line(), hands.state('f')) == (None, ['f'], 'WAIT')
    hands.store.runs.remove(['f.1'], takes_kept=True)
    assert flows.of()['offload'] == '"left"', 'it may be long before anybody looks'


@pytest.mark.parametrize('how', ['waiting', 'recovered', 'released'])
def test_so_does_one_that_no_worker_has_ended(flows, hands, how):
    flows.held(child=CHILD)
    claimed = None if how == 'waiting' else flows.claim(queue='mail')
    hands.command('f.1')
    if how == 'recovered':
        hands.recover('f.1')
    elif how == 'released':
        hands.release(claimed)
    assert (flows.of()['ended'], flows.of()['offload'], hands.line()) == ('STOPPED', 'null', ['f'])


def test_the_end_of_a_child_while_its_flow_is_looked_at(flows, hands):
    flows.held(child=CHILD)
    flows.submit()
    claimed = flows.claim()
    hands.finish(flows.claim(queue='mail'), output=b'5')
    assert hands.state('f') == 'RUNNING'
    assert flows.of()['offload'] == '5'
    flows.hold(claimed, message=MESSAGE[:16])
    assert hands.line() == ['f']
    flows.hold(flows.claim(), is_child_over=True)
    assert (hands.line(), flows.score()) == ([], INF)
    assert not {'ended', 'offload'} & flows.of().keys()
    assert hands.redis.hget('task-f', 'child') is None


def test_the_end_of_a_child_nobody_waits_for(flows, hands):
    flows.held(child=CHILD)
    flows.submit()
    flows.hold(flows.claim(), message=MESSAGE[:16], child=CHILD)
    first, second = hands.claim(queue='mail').runs
    hands.finish(first)
    assert (hands.line(), 'ended' in flows.of()) == ([], False)
    hands.finish(second, output=b'2')
    assert (hands.line(), flows.of()['offload']) == (['f'], '2')
    hands.redis.delete('task-f')
    hands.store.runs.retry('f.1')
    hands.finish(flows.claim(queue='mail'))
    assert not hands.redis.exists('task-f')


def test_another_child_is_waited_for_where_the_first_has_ended_meanwhile(flows, hands):
    flows.held(child=CHILD)
    flows.submit()
    claimed = flows.claim()
    hands.finish(flows.claim(queue='mail'), output=b'1')
    flows.hold(claimed, message=MESSAGE[:16], child=CHILD)
    assert (flows.score(), hands.line(), 'ended' in flows.of()) == (INF, [], False)
    hands.finish(flows.claim(queue='mail'), output=b'2')
    assert flows.of()['offload'] == '2'


# Ends.


def test_stopping_a_flow_stops_its_children(flows, hands, heard):
    flows.held(child=CHILD)
    flows.submit()
    flows.hold(flows.claim(), message=MESSAGE[:16], child=CHILD)
    claimed = flows.claim(queue='mail', limit=1)
    heard()
    assert hands.command('f') == 'APPLIED'
    assert (hands.state('f'), hands.state('f.2'), flows.score()) == ('STOPPED', 'STOPPED', None)
    assert hands.redis.hget('task-f.1', 'stop') == str(claimed.attempt)
    assert ('task-f.1-control', '{"command":"stop","attempt":1}') in heard()
    assert hands.redis.hmget('task-f', 'wait', 'until', 'child') == [None, None, None]
    hands.finish(claimed, 'STOPPED')
    assert hands.line() == [], 'its flow is over'


def test_stopping_reaches_the_children_of_children(flows, hands):
    flows.held(child=Child('default', 'pytask/flow', b'{}', (STEPS, 'hello', '3 inner')))
    flows.hold(flows.claim(), child=CHILD)
    assert hands.state('f.1.1') == 'WAIT'
    hands.command('f')
    assert [hands.state(run_id) for run_id in ('f', 'f.1', 'f.1.1')] == ['STOPPED'] * 3
    assert hands.redis.zcard('held') == 0


@pytest.mark.parametrize('state', ['SUCCESS', 'ERROR', 'STOPPED'])
def test_a_flow_that_ends_leaves_its_children_only_where_all_is_well(flows, hands, state):
    flows.held(child=CHILD)
    flows.submit()
    hands.finish(flows.claim(), state, output=b'"why"')
    assert hands.state('f.1') == ('WAIT' if state == 'SUCCESS' else 'STOPPED')
    assert flows.of().get('error:0') == ('"why"' if state == 'ERROR' else None)
    assert hands.redis.hmget('task-f', 'wait', 'child') == [None, None]


def test_a_flow_is_deleted_whole(flows, hands):
    hands.finish(flows.run())
    assert hands.store.runs.remove(['f'], takes_kept=True) == ['OK']
    assert not hands.redis.keys('*-f')


# By hand.


def force(hands, position=0, value=b'9'):
    return hands.store.flows.force('f', position, 'one', value, b'{"by":"me"}')


def test_force_passes_a_step_that_waits(flows, hands, events):
    flows.held(child=CHILD)
    events()
    assert force(hands) == 'APPLIED'
    assert (flows.of()['0:one'], json.loads(flows.of()['forced:0'])) == ('9', {'by': 'me'})
    fields = hands.redis.hmget('task-f', 'position', 'step', 'wait', 'child', 'reason')
    assert fields == ['1', None, None, None, None]
    assert (hands.line(), flows.score()) == (['f'], None)
    assert hands.state('f.1') == 'STOPPED'
    assert ('f', 'passed', {'position': 0, 'key': 'one'}) in events()
    before = hands.everything()
    assert force(hands) == 'MOVED'
    assert hands.everything() == before


def test_force_passes_a_step_that_has_failed(flows, hands):
    hands.finish(flows.run(), 'ERROR', output=b'"why"')
    assert force(hands) == 'APPLIED'
    assert (hands.state('f'), hands.line(), hands.redis.zcard('ended-ERROR')) == ('WAIT', ['f'], 0)
    claimed = flows.claim()
    assert force(hands, 1) == 'RUNNING'
    hands.finish(claimed)
    assert force(hands, 1) == 'SUCCESS'


def test_force_forgets_what_was_submitted_for_the_step(flows, hands):
    flows.held()
    flows.submit()
    assert force(hands) == 'APPLIED'
    assert not hands.redis.exists('inbox-f')


def test_force_neither_submits_nor_resumes(flows, hands):
    flows.make()
    assert force(hands) == 'APPLIED'
    assert (hands.line(), flows.score(), flows.reason()) == ([], INF, 'not submitted')
    flows.submit()
    hands.store.pauses.pause('f')
    assert force(hands, 1) == 'APPLIED'
    assert (flows.score(), flows.reason()) == (INF, 'paused')


def test_retry_goes_on_where_it_failed(flows, hands):
    claimed = flows.run()
    flows.advance(claimed, saved=b'{"n":1}')
    hands.finish(claimed, 'ERROR', output=b'"why"')
    assert hands.store.runs.retry('f') == 'APPLIED'
    assert hands.redis.hmget('task-f', 'position', 'step') == ['1', 'other']
    assert {'0:one', 'saved', 'error:1'} <= flows.of().keys()


@pytest.mark.parametrize('position', [0, 1, 2])
def test_retry_from_a_step_makes_the_results_from_there_on_anew(flows, hands, position):
    claimed = flows.run()
    flows.advance(claimed, saved=b'{"n":1}')
    flows.advance(claimed, 1, 'two', b'2', 'other', b'{"n":2}')
    hands.finish(claimed, 'ERROR', output=b'"why"')
    assert hands.store.runs.retry('f', position) == 'APPLIED'
    assert hands.redis.hmget('task-f', 'position', 'step') == [str(position), None]
    left = [name for name in flows.of() if name[0].isdigit()]
    assert left == ['0:one', '1:two'][:position]
    assert ('saved' in flows.of()) == (position > 0)


def test_retry_of_what_went_well_begins_anew(flows, hands):
    claimed = flows.run()
    flows.advance(claimed)
    hands.finish(claimed)
    assert hands.store.runs.retry('f') == 'APPLIED'
    assert hands.redis.hget('task-f', 'position') == '0'
    assert '0:one' not in flows.of()


def test_retry_of_what_went_well_begins_where_it_began(flows, hands):
    flows.make(step='other', position=1)
    flows.submit()
    claimed = flows.claim()
    flows.advance(claimed, 1, 'two', b'2', '', b'{"n":1}')
    hands.finish(claimed)
    assert hands.store.runs.retry('f') == 'APPLIED'
    assert hands.redis.hget('task-f', 'position') == '1'
    assert not {'1:two', 'saved'} & flows.of().keys()


@pytest.mark.every_server
def test_retry_from_a_step_forgets_by_whose_hand_it_was_passed(flows, hands):
    flows.held()
    force(hands)
    hands.command('f')
    assert {'0:one', 'forced:0'} <= flows.of().keys()
    assert hands.store.runs.retry('f', 0) == 'APPLIED'
    assert not {'0:one', 'forced:0'} & flows.of().keys()


@pytest.mark.every_server
def test_a_routine_has_a_new_version_where_its_steps_are_new(hands):
    define = hands.store.flows.define
    assert [define('r', steps) for steps in (b'[1]', b'[1]', b'[2]', b'[1]')] == [1, 1, 2, 3]
    assert define('s', b'[1]') == 1
    assert hands.store.flows.routine('r') == (3, b'[1]')
    assert hands.store.flows.routines() == {'r': (3, b'[1]'), 's': (1, b'[1]')}


@pytest.mark.parametrize('junk', ['', 'x', '1', 'x [1]', '-1 [1]', f'{10**14} [1]', f'{"9" * 5000} [1]'])
def test_a_routine_that_foreign_hands_have_spoilt_is_listed_and_begins_anew(hands, junk):
    store = hands.store.flows
    hands.redis.hset('routines', 'junk', junk)
    assert store.routine('junk') in (None, (1, b''))
    assert list(store.routines()) == ['junk']
    assert [store.define('junk', b'[1]') for _ in range(2)] == [1, 1]
