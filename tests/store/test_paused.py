"""Paused queues and tasks: nothing of them starts, whoever asks and wherever it waits."""

import pytest

from pytask.core.states import State


def close(hands, kind, name):
    hands.store.pauses.close(kind, name)


def reopen(hands, kind, name):
    return hands.store.pauses.open(kind, name)


@pytest.fixture
def both(hands):
    hands.register('w1', 'hello', 'other', queues='default,mail')
    return hands


def test_of_a_paused_queue_nothing_is_claimed(both):
    both.start('1', queue='mail')
    close(both, 'queue', 'mail')
    both.start('2', queue='mail')
    grant = both.claim(queue='mail')
    assert (grant.is_paused, grant.runs, both.line('mail')) == (True, [], ['1', '2'])
    both.start('3')
    assert both.claimed_ids() == ['3']
    assert reopen(both, 'queue', 'mail')
    assert both.claimed_ids(queue='mail') == ['1', '2']


def test_what_is_not_paused_cannot_be_resumed(hands):
    close(hands, 'queue', 'mail')
    assert [reopen(hands, 'task', 'mail'), reopen(hands, 'queue', 'mail'), reopen(hands, 'queue', 'mail')] == [
        False, True, False,
    ]  # fmt: skip


def test_pausing_again_keeps_the_time(hands):
    hands.redis.hset('all-paused', 'queue:mail', '5.5')
    close(hands, 'queue', 'mail')
    assert hands.store.pauses.named() == [('queue', 'mail', 5.5)]


def test_junk_in_the_hash_harms_nobody(both):
    both.redis.hset('all-paused', mapping={'junk': '1', 'queue:mail': 'yesterday', 'host:a': '1', 'task:a:b': '2'})
    both.start('1')
    assert both.claimed_ids() == ['1']
    assert both.store.pauses.named() == [('queue', 'mail', 0.0), ('task', 'a:b', 2.0)]


def test_a_key_of_another_type_pauses_nothing(both):
    both.redis.set('all-paused', 'mine')
    both.start('1')
    assert both.claimed_ids() == ['1']


def test_runs_of_a_paused_task_are_laid_aside(both, events):
    both.start('1', '2')
    both.start('3', task='other')
    close(both, 'task', 'hello')
    grant = both.claim()
    assert ([run.run_id for run in grant.runs], grant.parked) == (['3'], [])
    assert (both.state(), both.hash()['reason'], both.line()) == ('WAIT', 'paused', [])
    assert both.redis.lrange('parked-hello', 0, -1) == ['2', '1']
    assert events()[:2] == [('1', 'wait', {'reason': 'paused'}), ('2', 'wait', {'reason': 'paused'})]


def test_they_are_claimed_from_there_when_it_is_resumed(both):
    both.start('1', '2')
    close(both, 'task', 'hello')
    both.claim()
    assert both.claim(parked='hello').is_paused
    reopen(both, 'task', 'hello')
    assert both.claimed_ids(parked='hello') == ['1', '2']
    assert not {'reason', 'parked'} & both.hash().keys()
    assert both.store.parked.names() == []


def test_they_can_be_stopped_and_paused_meanwhile(both):
    both.start('1', '2')
    close(both, 'task', 'hello')
    both.claim()
    assert both.command('1') == 'APPLIED'
    assert both.store.pauses.pause('2') == 'APPLIED'
    reopen(both, 'task', 'hello')
    assert both.claimed_ids(parked='hello') == []
    assert (both.state('1'), both.state('2'), both.redis.zrange('held', 0, -1)) == ('STOPPED', 'WAIT', ['2'])


def test_a_worker_that_does_not_know_it_ends_none_that_was_paused(both):
    """After a day a run nobody knows ends; one that was paused for a day was known all along."""
    both.start('1')
    close(both, 'task', 'hello')
    both.claim()
    both.redis.hset('task-1', 'parked', '1')
    reopen(both, 'task', 'hello')
    both.register('w2', 'other')
    grant = both.claim('w2', parked='hello')
    assert (grant.runs, grant.parked) == ([], [('1', 'hello')])
    assert (both.hash()['reason'], float(both.hash()['parked']) > 1e9) == ('no worker knows "hello"', True)
    assert both.claimed_ids(parked='hello') == ['1']


def test_a_task_nobody_knows_may_be_paused(hands):
    hands.register('w1', 'other')
    hands.start('1')
    close(hands, 'task', 'hello')
    assert hands.claim('w1').parked == []
    assert hands.hash()['reason'] == 'paused'


def test_parked_runs_of_a_paused_queue_stay_parked(both):
    both.register('w2', 'other', queues='mail')
    both.start('1', '2', queue='mail')
    both.claim('w2', queue='mail')
    close(both, 'queue', 'mail')
    assert both.claimed_ids(parked='hello', limit=1) == []
    assert sorted(both.redis.lrange('parked-hello', 0, -1)) == ['1', '2']
    reopen(both, 'queue', 'mail')
    assert sorted(both.claimed_ids(parked='hello')) == ['1', '2']


@pytest.mark.parametrize(('kind', 'name'), [('queue', 'default'), ('task', 'hello')])
def test_suspects_of_what_is_paused_stay_suspects(hands, kind, name):
    for worker in ('w1', 'w2'):
        hands.run('1', worker)
        hands.redis.zadd('workers', {worker: 1})
        hands.recover('1')
    close(hands, kind, name)
    hands.register('w3')
    assert hands.claimed_ids(worker='w3', suspects=[]) == []
    assert hands.redis.lrange('suspect-task', 0, -1) == ['1']
    reopen(hands, kind, name)
    assert hands.claimed_ids(worker='w3', suspects=[]) == ['1']


@pytest.mark.parametrize(('kind', 'name'), [('queue', 'default'), ('task', 'hello')])
def test_what_runs_goes_on_and_waits_once_it_is_given_back(hands, kind, name):
    claimed = hands.run('1')
    close(hands, kind, name)
    assert hands.renew(claimed) == []
    hands.release(claimed)
    assert hands.claimed_ids() == []
    reopen(hands, kind, name)
    assert (hands.claimed_ids() or hands.claimed_ids(parked='hello')) == ['1']


def test_a_grant_whose_reply_was_lost_is_given_again_though_its_queue_is_paused(hands):
    hands.register()
    hands.start('1')
    hands.claim(nonce='n')
    close(hands, 'queue', 'default')
    assert hands.claimed_ids(nonce='n') == ['1']


def test_who_waits_for_it_says_so(both):
    both.start('1', queue='mail')
    both.start('2', task='other')
    both.start('3')
    close(both, 'queue', 'mail')
    close(both, 'task', 'other')
    runs = both.store.runs.read(['1', '2', '3', 'nobody'])
    assert [run.reason for run in runs[:3]] == ['queue mail is paused', 'task other is paused', '']
    [ran] = both.claim(limit=16).runs
    [run] = both.store.runs.read([ran.run_id])
    assert (run.state, run.reason) == (State.RUNNING, '')
