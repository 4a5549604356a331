"""A local run belongs to its worker: it holds no lease, and passes away with it."""

import pytest

from pytask.store import Claimed

LOCAL = Claimed('w1-1', 'hello', b'{"a":1}', 1, '1:local:w1')


@pytest.fixture
def local(hands):
    hands.register()
    hands.store.queues.begin_local(LOCAL, worker_id='w1', ttl_ms=60_000)
    return LOCAL


def test_it_runs_without_a_lease_and_passes_with_its_worker(hands, local):
    found = hands.hash('w1-1')
    assert (found['state'], found['task'], found['data'], found['local']) == ('RUNNING', 'hello', '{"a":1}', '1')
    assert (found['worker'], found['token'], found['attempt']) == ('w1', '1:local:w1', '1')
    assert 0 < hands.redis.pttl('task-w1-1') <= 60_000
    assert not hands.redis.exists('leases', 'new-task')


def test_its_begin_is_told_as_an_event(hands, events):
    hands.store.queues.begin_local(LOCAL, worker_id='w1', ttl_ms=60_000)
    assert events() == [('w1-1', 'running', {'worker': 'w1', 'attempt': 1})]


def test_its_end_is_kept_like_any_other(hands, local):
    assert hands.finish(local) == 'OK'
    assert hands.redis.pttl('task-w1-1') == -1
    assert hands.redis.zscore('ended-SUCCESS', 'w1-1')
    assert hands.redis.hgetall('stats') == {'SUCCESS:hello': '1'}


def test_it_can_be_stopped(hands, local):
    assert hands.command('w1-1') == 'REQUESTED'
    assert hands.finish(local, 'STOPPED') == 'OK'


def test_it_emits_and_reloads_by_its_token(hands, local):
    assert hands.command('w1-1', 'reload', data=b'{"a":2}', command_id='c') == 'REQUESTED'
    assert hands.store.runs.reloaded('w1-1', local.token, 'c', '', b'{"a":2}', 1)
    assert hands.hash('w1-1')['data'] == '{"a":2}'


def test_nobody_recovers_it(hands, local):
    assert hands.recover('w1-1') == []
    assert hands.state('w1-1') == 'RUNNING'


def test_it_is_seen_among_the_runs_of_live_workers(hands, local):
    hands.store.workers.register('w1', lease_ms=60_000, fields={'tasks': '\n', 'locals': 'w1-1\nw1-2'})
    assert list(hands.store.runs.ids(['RUNNING'], ())) == ['w1-1', 'w1-2']
