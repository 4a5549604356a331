"""The list entry is a hint; the hash is the permission."""

import pytest

from pytask import PytaskError

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


def test_a_hundred_entries_are_one_run(hands):
    hands.register()
    hands.start('1')
    hands.redis.lpush('new-task', *['1'] * 99)
    assert hands.claimed_ids(limit=256) == ['1']
    assert hands.line() == []


def test_a_hundred_entries_are_one_run_for_a_worker_with_one_slot(hands):
    hands.register()
    hands.start('1')
    hands.redis.lpush('new-task', *['1'] * 99)
    grants = [hands.claimed_ids(limit=1) for _ in range(100)]
    assert grants == [['1'], *[[]] * 99]


@pytest.mark.parametrize('state', ENDS)
def test_an_ended_run_is_not_started_by_a_stale_entry(hands, state):
    hands.finish(hands.run('1'), state)
    hands.redis.lpush('new-task', '1')
    before = hands.hash()
    assert hands.claimed_ids() == []
    assert (hands.hash(), hands.line()) == (before, [])


def test_a_leased_run_is_not_started_again(hands):
    hands.run('1')
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == []


def test_a_leased_run_that_waits_again_runs_when_its_lease_is_over(hands):
    hands.run('1')
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == []
    hands.recover('1')
    hands.redis.zadd('due', {'1': 1}, xx=True)
    hands.store.queues.promote(10)
    assert hands.claimed_ids() == ['1']


def test_a_running_run_is_not_started_again(hands):
    claimed = hands.run('1')
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == []
    assert hands.finish(claimed) == 'OK'


@pytest.mark.parametrize('pushes', [1, 2])
def test_a_run_stopped_while_it_waited_never_starts(hands, pushes):
    hands.register()
    hands.start('1')
    hands.redis.lpush('new-task', *['1'] * (pushes - 1), '1')
    assert hands.command('1') == 'APPLIED'
    assert hands.claimed_ids() == []
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == []
    assert hands.state() == 'STOPPED'


def test_an_unknown_state_is_not_started(hands):
    hands.register()
    hands.start('1')
    hands.redis.hset('task-1', 'state', 'DONE')
    assert hands.claimed_ids() == []


@pytest.mark.parametrize('make', ['set', 'lpush', 'sadd'])
def test_a_key_of_another_type_is_dead(hands, make):
    hands.register()
    getattr(hands.redis, make)('task-1', 'mine')
    hands.start('2')
    hands.redis.rpush('new-task', '1')
    grant = hands.claim()
    assert [run.run_id for run in grant.runs] == ['2']
    assert grant.dead == [('1', 'its key is not a hash')]
    assert hands.redis.lrange('dead-task', 0, -1) == ['1']


UNUSABLE = {
    'empty': b'',
    'long': b'x' * 257,
    'giant': b'x' * 10_000,
    'newline': b'a\nb',
    'zero byte': b'a\0b',
    'delete': b'\x7f',
    'control': b'a-control',
    'bare byte': b'\xff',
    'cut character': b'a\xe2\x82',
    'lone surrogate': b'\xed\xa0\x80',
    'overlong in 2': b'\xc0\x80',
    'overlong in 3': b'\xe0\x80\x80',
    'overlong in 4': b'\xf0\x80\x80\x80',
    'beyond the last': b'\xf4\x90\x80\x80',
    'torn by another': b'\xe2\xc3\xa9\x82\xac',
}


@pytest.mark.parametrize('run_id', UNUSABLE.values(), ids=UNUSABLE)
def test_what_can_not_be_an_id_is_dead_and_blocks_nobody(hands, run_id):
    hands.register()
    hands.raw.hset(b'task-' + run_id, mapping={'task': 'hello', 'data': '{}'})
    hands.start('2')
    hands.raw.rpush('new-task', run_id)
    grant = hands.claim()
    assert [run.run_id for run in grant.runs] == ['2']
    assert len(grant.dead) == 1
    assert hands.raw.lrange('dead-task', 0, -1) == [run_id[:256]]
    assert hands.line() == []


USABLE = ['1', 'x' * 256, 'a b', 'site/crawl:1', 'é', '€', '😀', '퟿\ue000', 'control', '"', '{"a":1}', '%d', '*?[']


@pytest.mark.parametrize('run_id', USABLE)
def test_every_other_text_is_an_id(hands, run_id):
    assert hands.run(run_id).run_id == run_id
    assert hands.redis.zscore('leases', run_id)


def test_dead_entries_are_trimmed(hands):
    hands.register()
    hands.redis.rpush('dead-task', *[f'old{i}' for i in range(10_000)])
    hands.redis.lpush('new-task', 'a-control')
    hands.claim()
    assert hands.redis.llen('dead-task') == 10_000
    assert hands.redis.lindex('dead-task', 0) == 'a-control'


def test_an_id_before_its_hash_is_looked_at_again_in_a_second(hands):
    hands.register()
    hands.redis.lpush('new-task', '1')
    before_ms = hands.now_ms()
    assert hands.claimed_ids() == []
    assert before_ms + 1000 <= hands.redis.zscore('due', '1') <= hands.now_ms() + 1000
    assert hands.line() == []


def test_a_dead_list_of_another_type_loses_no_run(hands):
    hands.register()
    hands.redis.set('dead-task', 'mine')
    hands.start('1')
    hands.redis.lpush('new-task', 'a-control')
    granted = claimed_or_refused(hands)
    hands.redis.delete('dead-task')
    assert granted + claimed_or_refused(hands) == ['1']


def claimed_or_refused(hands):
    try:
        return hands.claimed_ids()
    except PytaskError:
        return []
