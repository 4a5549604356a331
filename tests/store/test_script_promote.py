import pytest

PAST_MS = 1000


@pytest.fixture
def early(hands):
    """An id that was claimed before its hash came."""
    hands.register()
    hands.redis.lpush('new-task', '1')
    hands.claim()
    return hands


def come_due(hands, run_id='1'):
    hands.redis.zadd('due', {run_id: PAST_MS})
    return hands.store.queues.promote(100)


def test_what_is_not_due_stays(early):
    assert early.store.queues.promote(100) == 0
    assert early.redis.zcard('due') == 1


def test_an_id_that_still_has_no_hash_is_dead(early):
    assert come_due(early) == 1
    assert early.redis.lrange('dead-task', 0, -1) == ['1']
    assert not early.redis.exists('task-1', 'due', 'new-task')


def test_a_late_hash_brings_its_id_into_line(early):
    early.redis.hset('task-1', mapping={'task': 'hello', 'data': '{}'})
    assert come_due(early) == 1
    assert (early.line(), early.redis.zcard('due')) == (['1'], 0)
    assert early.claimed_ids() == ['1']


def test_it_returns_to_the_queue_it_was_pushed_to(hands):
    hands.register()
    hands.redis.lpush('new-task-mail', '1')
    hands.claim(queue='mail')
    hands.redis.hset('task-1', mapping={'task': 'hello', 'data': '{}'})
    come_due(hands)
    assert (hands.line('mail'), hands.line()) == (['1'], [])


def test_a_late_start_is_no_duplicate(early):
    assert early.start('1') == [True]
    come_due(early)
    assert early.claimed_ids() == ['1']


@pytest.mark.parametrize('state', ['RUNNING', 'STOPPED', 'SUCCESS'])
def test_what_waits_no_more_is_not_promoted(hands, state):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': state})
    assert come_due(hands) == 1
    assert (hands.line(), hands.redis.zcard('due')) == ([], 0)


def test_a_stopped_run_is_due_no_more(early):
    early.redis.hset('task-1', mapping={'task': 'hello', 'data': '{}'})
    assert early.command('1') == 'APPLIED'
    assert not early.redis.exists('due')


def test_a_key_of_another_type_is_dead(hands):
    hands.redis.set('task-1', 'mine')
    come_due(hands)
    assert hands.redis.lrange('dead-task', 0, -1) == ['1']
    assert hands.redis.get('task-1') == 'mine'


def test_a_dead_list_of_another_type_jams_nobody(early):
    early.redis.set('dead-task', 'mine')
    early.start('2')
    early.redis.delete('new-task')
    early.redis.zadd('due', {'1': PAST_MS, '2': PAST_MS + 1})
    assert early.store.queues.promote(100) == 2
    assert (early.line(), early.redis.zcard('due')) == (['2'], 0)


def test_only_so_many_are_looked_at(hands):
    hands.start('1', '2', '3')
    hands.redis.delete('new-task')
    hands.redis.zadd('due', {'1': 1, '2': 2, '3': 3})
    assert hands.store.queues.promote(2) == 2
    assert hands.line() == ['1', '2']
    assert hands.store.queues.promote(2) == 1
    assert hands.store.queues.promote(2) == 0
