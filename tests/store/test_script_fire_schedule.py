import threading

import pytest
from test_script_declare_schedule import declared

from pytask.store import Store

PAST_MS, NEXT_MS = 5000, 4_000_000_000_000


@pytest.fixture
def schedules(hands):
    hands.store.schedules.declare(declared(data=b'{"a":1}'), PAST_MS)
    return hands.store.schedules


def fire(schedules, at_ms=PAST_MS, next_ms=NEXT_MS, run_id='nightly@1'):
    return schedules.fire('nightly', at_ms, next_ms, run_id)


def test_it_starts_a_run_and_moves_on(hands, schedules):
    assert fire(schedules) == 'OK'
    found = hands.hash('nightly@1')
    assert found.pop('created').replace('.', '').isdigit()
    assert found == {'task': 'hello', 'data': '{"a":1}', 'state': 'WAIT', 'queue': 'default'}
    assert (hands.line(), hands.redis.smembers('queues')) == (['nightly@1'], {'default'})
    assert hands.redis.zscore('schedules', 'nightly') == NEXT_MS
    assert hands.redis.hmget('schedule-nightly', 'last_at', 'last_run') == ['5.000', 'nightly@1']
    hands.register()
    assert hands.claimed_ids() == ['nightly@1']


def test_its_queue_is_that_of_the_schedule(hands, schedules):
    schedules.declare(declared(queue='mail'), PAST_MS)
    fire(schedules)
    assert (hands.line('mail'), hands.line()) == (['nightly@1'], [])


def test_who_comes_second_fires_nothing(hands, schedules):
    fire(schedules)
    before = hands.everything()
    assert fire(schedules) == 'STALE'
    assert hands.everything() == before


def test_of_many_at_once_one_fires(hands, schedules, server):
    answers, ready = [], threading.Barrier(8)

    def one():
        store = Store(server.url)
        store.ping()
        ready.wait()
        answers.append(fire(store.schedules))
        store.close()

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ['OK'] + 7 * ['STALE']
    assert hands.line() == ['nightly@1']


def test_what_is_not_due_does_not_fire(hands, schedules):
    soon = hands.now_ms() + 60_000
    schedules.declare(declared(seconds=60), soon)
    assert fire(schedules, soon) == 'STALE'
    assert hands.line() == []


def test_what_is_paused_does_not_fire(hands, schedules):
    schedules.pause('nightly')
    assert fire(schedules) == 'STALE'
    assert fire(schedules, float('inf')) == 'STALE'
    assert hands.line() == []


def test_what_was_removed_does_not_fire(hands, schedules):
    schedules.remove('nightly')
    assert fire(schedules) == 'STALE'
    assert not hands.redis.exists('schedules', 'schedule-nightly', 'new-task')


@pytest.mark.parametrize('state', ['WAIT', 'RUNNING', 'SUCCESS'])
def test_a_run_that_is_there_is_not_started_again(hands, schedules, state):
    hands.redis.hset('task-nightly@1', mapping={'task': 'hello', 'state': state})
    assert fire(schedules) == 'EXISTS'
    assert (hands.line(), hands.state('nightly@1')) == ([], state)
    assert hands.redis.zscore('schedules', 'nightly') == NEXT_MS


def test_what_fires_no_more_has_no_time(hands, schedules):
    assert fire(schedules, next_ms=None) == 'OK'
    assert hands.redis.zscore('schedules', 'nightly') == float('inf')


def test_a_queue_of_another_type_leaves_it_as_it_is(hands, schedules):
    hands.redis.set('new-task', 'mine')
    before = hands.everything()
    assert fire(schedules) == 'REFUSED'
    assert hands.everything() == before


@pytest.mark.parametrize('junk', ['string', 'empty'])
def test_a_hash_of_foreign_hands_fires_nothing(hands, schedules, junk):
    hands.redis.delete('schedule-nightly')
    if junk == 'string':
        hands.redis.set('schedule-nightly', 'mine')
    assert fire(schedules) == 'STALE'
    assert hands.line() == []
