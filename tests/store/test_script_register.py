import pytest

from pytask import ConfigError


def test_a_registered_worker_is_alive_for_a_lease(hands):
    before_ms = hands.now_ms()
    hands.register('w1', 'hello')
    assert before_ms + 60_000 <= hands.redis.zscore('workers', 'w1') <= hands.now_ms() + 60_000
    found = hands.redis.hgetall('worker-w1')
    assert (found['lease_ms'], found['tasks']) == ('60000', '\nhello\n')
    assert 0 < hands.redis.pttl('worker-w1') <= 60_000


def test_registering_again_lives_on(hands):
    hands.register()
    hands.redis.zadd('workers', {'w1': 5000})
    hands.redis.pexpire('worker-w1', 5000)
    hands.register()
    assert hands.redis.zscore('workers', 'w1') > hands.now_ms()
    assert hands.redis.pttl('worker-w1') > 5000


def test_another_lease_is_refused(hands):
    hands.register('w1', lease_ms=60_000)
    before = hands.everything()
    with pytest.raises(ConfigError, match='use a lease of 60 s, this one 2 s; start it with --lease 60'):
        hands.register('w2', lease_ms=2000)
    assert hands.everything() == before


def test_the_same_lease_is_welcome(hands):
    hands.register('w1')
    hands.register('w2')
    assert [worker['id'] for worker in hands.store.workers.alive()] == ['w1', 'w2']


def test_another_lease_is_welcome_once_the_others_are_gone(hands):
    hands.register('w1', lease_ms=60_000)
    hands.redis.zadd('workers', {'w1': 1000})
    hands.register('w2', lease_ms=2000)
    assert hands.redis.zrange('workers', 0, -1) == ['w2']


def test_who_was_not_heard_of_for_a_lease_is_not_alive(hands):
    hands.register('w1')
    hands.register('w2')
    hands.redis.zadd('workers', {'w1': 1000})
    assert [worker['id'] for worker in hands.store.workers.alive()] == ['w2']


def test_a_forgotten_worker_leaves_nothing(hands):
    hands.finish(hands.run('1'))
    hands.store.workers.forget('w1')
    assert not hands.redis.exists('workers', 'worker-w1', 'claim-w1')
    assert hands.store.workers.alive() == []


def test_local_runs_live_as_long_as_their_worker(hands):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'RUNNING'})
    hands.redis.pexpire('task-1', 5000)
    hands.register('w1', local_ids=['1', 'unknown'])
    assert hands.redis.pttl('task-1') > 5000


def test_local_runs_that_have_ended_are_kept_like_any_other(hands):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'SUCCESS'})
    hands.register('w1', local_ids=['1'])
    assert hands.redis.pttl('task-1') == -1


def test_a_local_run_of_another_type_of_key_fails_no_heartbeat(hands):
    hands.redis.set('task-1', 'mine')
    hands.register('w1', local_ids=['1'])
    assert hands.redis.zscore('workers', 'w1') > hands.now_ms()


def test_a_lease_lives_while_memory_is_full(hands):
    hands.register()
    hands.redis.zadd('workers', {'w1': 5000})
    hands.redis.config_set('maxmemory', 1)
    hands.register()
    assert hands.redis.zscore('workers', 'w1') > hands.now_ms()
