"""Runs whose task the claiming worker does not know are laid aside, and found by one that does."""

import pytest


@pytest.fixture
def parked(hands):
    hands.register('w1', 'other')
    hands.start('1')
    return hands.claim('w1')


def test_an_unknown_task_is_parked_with_a_reason(hands, parked):
    assert (parked.runs, parked.parked) == ([], [('1', 'hello')])
    found = hands.hash()
    assert (found['state'], found['reason'], found['queue']) == ('WAIT', 'no worker knows "hello"', 'default')
    assert hands.redis.lrange('parked-hello', 0, -1) == ['1']
    assert hands.store.parked.names() == ['hello']
    assert (hands.line(), hands.redis.zcard('leases')) == ([], 0)


def test_parking_is_told_as_an_event(hands, events):
    hands.register('w1', 'other')
    hands.start('1')
    hands.claim('w1')
    assert events() == [('1', 'wait', {'reason': 'no worker knows "hello"'})]


def test_a_worker_that_knows_it_claims_it(hands, parked):
    hands.register('w2', 'hello')
    [run] = hands.claim('w2', parked='hello').runs
    assert (run.run_id, run.attempt) == ('1', 1)
    assert (hands.hash()['state'], hands.hash()['queue']) == ('RUNNING', 'default')
    assert not {'reason', 'parked'} & hands.hash().keys()


def test_the_queue_it_came_from_is_kept(hands):
    hands.register('w1', 'other')
    hands.start('1', queue='mail')
    hands.claim('w1', queue='mail')
    hands.register('w2', 'hello')
    [run] = hands.claim('w2', parked='hello').runs
    hands.release(run)
    assert hands.line('mail') == ['1']


def test_the_name_stays_until_its_list_is_empty(hands):
    hands.register('w1', 'other')
    hands.start('1', '2')
    hands.claim('w1')
    hands.claim('w1', parked='hello', limit=1)
    assert hands.store.parked.names() == ['hello']
    hands.claim('w1', parked='hello', limit=1)
    assert hands.store.parked.names() == []
    assert not hands.redis.exists('parked-hello')


def test_a_name_without_a_list_goes_at_the_next_claim(hands):
    hands.register()
    hands.redis.sadd(hands.keys.parked_names, 'hello')
    hands.claim(parked='hello')
    assert hands.store.parked.names() == []


def test_a_parked_run_can_be_stopped(hands, parked):
    assert hands.command('1') == 'APPLIED'
    hands.register('w2', 'hello')
    assert hands.claimed_ids(worker='w2', parked='hello') == []
    assert (hands.state(), hands.store.parked.names()) == ('STOPPED', [])


def test_the_age_of_the_oldest_is_told(hands, parked):
    hands.redis.hset('task-1', 'parked', hands.redis.time()[0] - 500)
    [(task, age_s)] = hands.store.parked.oldest(['hello', 'unknown'])
    assert (task, round(age_s, -1)) == ('hello', 500)


def test_of_nothing_there_is_no_oldest(hands):
    assert hands.store.parked.oldest([]) == []


@pytest.mark.every_server
def test_a_better_reason_may_be_written_down_while_it_is_parked(hands, parked):
    hands.store.parked.explain([('1', 'did you mean "hallo"?')])
    assert hands.hash()['reason'] == 'did you mean "hallo"?'


def test_no_reason_is_written_once_it_is_parked_no_more(hands, parked):
    hands.register('w2', 'hello')
    hands.claim('w2', parked='hello')
    hands.store.parked.explain([('1', 'late'), ('unknown', 'late')])
    assert 'reason' not in hands.hash()
    assert not hands.redis.exists('task-unknown')


@pytest.mark.parametrize('task', ['names', 'a b', 'ü', 'x' * 10_000, '"quoted"'])
def test_no_name_of_a_task_blocks_a_claim(hands, task):
    hands.register()
    hands.start('1', task='other')
    hands.start('2', task=task)
    hands.start('3')
    assert hands.claimed_ids() == ['3']
    assert hands.line() == []


@pytest.mark.parametrize('task', ['names', 'other'])
def test_what_was_parked_is_found_again(hands, task):
    hands.register()
    hands.start('1', task=task)
    hands.claim()
    assert hands.store.parked.names() == [task]
    hands.register('w2', task)
    assert hands.claimed_ids(worker='w2', parked=task) == ['1']


def test_a_name_that_is_no_text_is_not_parked_for_ever(hands):
    hands.register()
    hands.raw.hset('task-1', mapping={'task': b'\xff', 'data': '{}'})
    hands.redis.lpush('new-task', '1')
    grant = hands.claim()
    # Either unusable at once, or found again by who looks after parked runs.
    assert grant.dead or hands.store.parked.oldest(hands.store.parked.names())


def test_a_list_of_another_type_blocks_no_claim(hands):
    hands.register()
    hands.redis.set('parked-other', 'mine')
    hands.start('1', task='other')
    hands.start('2')
    assert hands.claimed_ids() == ['2']
