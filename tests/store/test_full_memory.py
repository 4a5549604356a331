"""When memory is full, what would take up more is refused whole, and what ends or saves a run passes."""

import pytest
from test_script_declare_schedule import declared

from pytask import Unavailable


@pytest.fixture
def fill(hands):
    def fill():
        hands.redis.config_set('maxmemory', 1)

    return fill


def test_start_is_refused_whole(hands, fill):
    hands.start('0')
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable, match='maxmemory'):
        hands.start('1', '2')
    assert hands.everything() == before


def test_claim_is_refused_whole(hands, fill):
    hands.register()
    hands.start('1', '2')
    hands.redis.rpush('new-task', 'a-control')
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable, match='maxmemory'):
        hands.claim()
    assert hands.everything() == before


def test_a_message_is_refused_whole(hands, fill):
    hands.start('1')
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable, match='maxmemory'):
        hands.send()
    assert hands.everything() == before


def test_a_message_that_was_handled_is_taken_out(hands, fill):
    claimed = hands.run('1')
    (one, _), (two, _) = hands.send(), hands.send()
    fill()
    assert hands.taken(claimed, one).startswith(two)
    assert hands.taken(claimed, two) is None
    assert 'inbox' not in hands.hash()


def test_retry_is_refused_whole(hands, fill):
    hands.finish(hands.run('1'))
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable):
        hands.store.runs.retry('1')
    assert hands.everything() == before


def test_what_was_refused_is_claimed_later(hands, fill):
    hands.register()
    hands.start('1')
    fill()
    with pytest.raises(Unavailable):
        hands.claim(nonce='n')
    hands.redis.config_set('maxmemory', 0)
    assert hands.claimed_ids(nonce='n') == ['1']


def test_an_outcome_is_recorded(hands, fill):
    claimed = hands.run('1')
    fill()
    assert hands.finish(claimed, output=b'"' + b'x' * 10_000 + b'"', reason='why') == 'OK'
    assert (hands.state(), hands.redis.zcard('leases'), hands.redis.zcard('ended-SUCCESS')) == ('SUCCESS', 0, 1)


def test_a_run_is_given_back(hands, fill):
    claimed = hands.run('1')
    fill()
    assert hands.release(claimed) == 'OK'
    assert (hands.state(), hands.line()) == ('WAIT', ['1'])


def test_a_lease_is_renewed(hands, fill):
    claimed = hands.run('1')
    hands.lose('1')
    fill()
    assert hands.renew(claimed) == []
    assert hands.redis.zscore('leases', '1') > hands.now_ms()


def test_a_run_is_recovered(hands, fill):
    hands.run('1')
    hands.store.workers.forget('w1')
    hands.lose('1')
    fill()
    assert hands.store.queues.recover([('1', 1000)], lease_ms=60_000) == ['1']
    assert (hands.state(), hands.hash()['crashes'], hands.line()) == ('WAIT', '1', ['1'])


def test_a_suspect_is_recovered(hands, fill):
    hands.run('1')
    hands.redis.hset('task-1', 'crashes', 1)
    hands.store.workers.forget('w1')
    hands.lose('1')
    fill()
    assert hands.store.queues.recover([('1', 1000)], lease_ms=60_000) == ['1']
    assert hands.redis.lrange('suspect-task', 0, -1) == ['1']


def test_claim_of_suspects_is_refused_whole(hands, fill):
    hands.register()
    hands.start('1')
    hands.redis.hset('task-1', 'crashes', 2)
    hands.claim()
    hands.start('2', queue='mail')
    hands.redis.rpush('suspect-task', '2')
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable, match='maxmemory'):
        hands.claim(suspects=[])
    assert hands.everything() == before


def test_a_suspect_is_refused_whole_at_a_claim(hands, fill):
    hands.register()
    hands.start('1')
    hands.redis.hset('task-1', 'crashes', 2)
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable, match='maxmemory'):
        hands.claim()
    assert hands.everything() == before


def test_a_waiting_run_is_stopped(hands, fill):
    hands.start('1')
    fill()
    assert hands.command('1') == 'APPLIED'
    assert hands.state() == 'STOPPED'


def test_a_running_run_is_told_to_stop(hands, fill):
    hands.run('1')
    fill()
    assert hands.command('1') == 'REQUESTED'
    assert hands.hash()['stop'] == '1'


def test_an_ended_run_is_deleted(hands, fill):
    hands.finish(hands.run('1'))
    fill()
    assert hands.store.runs.remove(['1'], takes_kept=False) == ['OK']


def test_events_are_told(hands, fill, events):
    claimed = hands.run('1')
    events()
    fill()
    hands.emit(claimed)
    assert events() == [('1', 'page', 1)]


def test_a_firing_is_refused_whole_and_comes_later(hands, fill):
    schedules = hands.store.schedules
    schedules.declare(declared(), 5000)
    before = hands.everything()
    fill()
    with pytest.raises(Unavailable, match='maxmemory'):
        schedules.fire('nightly', 5000, 9000, 'nightly@1')
    with pytest.raises(Unavailable, match='maxmemory'):
        schedules.declare(declared(seconds=60), 7000)
    assert hands.everything() == before
    hands.redis.config_set('maxmemory', 0)
    assert schedules.fire('nightly', 5000, 9000, 'nightly@1') == 'OK'


def test_a_schedule_is_paused_and_resumed(hands, fill):
    hands.store.schedules.declare(declared(), 5000)
    fill()
    assert hands.store.schedules.pause('nightly') == 'APPLIED'
    assert hands.store.schedules.resume('nightly', 7000, is_missed=False) == 'APPLIED'
