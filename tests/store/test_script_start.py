import json

import pytest

from pytask.core.states import State


def test_a_started_run_is_a_hash_and_an_entry(hands):
    assert hands.start('1', data=b'{"a":1}') == [True]
    found = hands.hash()
    assert found.pop('created').replace('.', '').isdigit()
    assert found == {'task': 'hello', 'data': '{"a":1}', 'state': 'WAIT', 'queue': 'default'}
    assert hands.redis.lrange('new-task', 0, -1) == ['1']


def test_a_started_run_stands_nowhere_else(hands):
    hands.start('1')
    assert sorted(hands.redis.keys('*')) == ['new-task', 'queues', 'task-1']


def test_another_queue_has_a_line_of_its_own(hands):
    hands.start('1', queue='mail')
    assert (hands.line('mail'), hands.line()) == (['1'], [])


def test_runs_are_claimed_in_the_order_they_were_started(hands):
    hands.start('1', '2')
    hands.start('3')
    assert hands.line() == ['1', '2', '3']


def test_starting_again_changes_nothing(hands):
    hands.start('1', data=b'{"a":1}')
    before = hands.everything()
    assert hands.start('1', task='other', data=b'{"a":2}') == [False]
    assert hands.everything() == before


def test_an_id_twice_in_one_call_is_one_run(hands):
    assert hands.start('1', '1', '2') == [True, False, True]
    assert hands.line() == ['1', '2']


def test_an_id_that_is_another_type_of_key_is_in_use(hands):
    hands.redis.set('task-1', 'mine')
    assert hands.start('1', '2') == [False, True]
    assert (hands.redis.get('task-1'), hands.line()) == ('mine', ['2'])


def test_a_hash_of_something_else_is_taken_over(hands):
    # A claim that met the id before its hash left the queue there.
    hands.redis.hset('task-1', 'queue', 'mail')
    assert hands.start('1') == [True]
    assert hands.hash()['task'] == 'hello'


def test_thousands_start_in_one_call(hands):
    ids = [f'{i:04}' for i in range(2_000)]
    assert all(hands.start(*ids))
    assert hands.line() == ids


def test_data_goes_through_untouched(hands):
    data = json.dumps({'big': 2**70, 'empty': [], 'deep': [[{}]], 'float': 1e300, 'text': 'ü\n'}).encode()
    hands.start('1', data=data)
    hands.register()
    assert hands.claim().runs[0].data == data


def test_starting_nothing_is_fine(hands):
    assert hands.start() == []


def test_a_run_with_a_time_waits_until_it_is_due(hands):
    at = hands.now_ms() + 60_000
    assert hands.start('1', at=str(at), queue='mail') == [True]
    assert hands.redis.zrange('due', 0, -1, withscores=True) == [('1', at)]
    assert (hands.line('mail'), hands.state()) == ([], 'WAIT')
    assert hands.hash()['at'] == f'{at / 1000:.3f}'
    assert hands.redis.smembers('queues') == {'mail'}


def test_a_delay_counts_from_the_now_of_redis(hands):
    before = hands.now_ms()
    hands.start('1', at='+60000')
    assert before + 60_000 <= hands.redis.zscore('due', '1') <= hands.now_ms() + 60_000


@pytest.mark.parametrize('at', ['0', '1000', '+0'])
def test_a_time_that_is_past_is_now(hands, at):
    assert hands.start('1', '2', at=at) == [True, True]
    assert (hands.line(), hands.redis.exists('due')) == (['1', '2'], 0)
    assert 'at' not in hands.hash()


def test_what_is_due_is_put_into_its_queue(hands):
    hands.register('w1', queues='mail')
    hands.start('1', at='+60000', queue='mail')
    hands.redis.zadd('due', {'1': 1000})
    assert hands.store.queues.promote(10) == 1
    assert hands.claimed_ids(queue='mail') == ['1']


def test_a_run_that_waits_for_its_time_can_be_stopped(hands):
    hands.start('1', at='+60000')
    assert hands.command('1') == 'APPLIED'
    assert (hands.state(), hands.redis.exists('due')) == ('STOPPED', 0)


def test_what_was_stopped_before_its_time_is_retried_at_once(hands):
    hands.start('1', at='+60000')
    hands.command('1')
    assert hands.store.runs.retry('1') == 'APPLIED'
    assert (hands.line(), 'at' in hands.hash()) == (['1'], False)


def test_a_run_that_is_paused_before_its_time_is_held_when_that_comes(hands):
    hands.register()
    hands.start('1', at='+60000')
    assert hands.store.pauses.pause('1') == 'APPLIED'
    assert hands.redis.zrange('due', 0, -1) == ['1']
    hands.redis.zadd('due', {'1': 1000})
    hands.store.queues.promote(10)
    assert hands.claimed_ids() == []
    assert (hands.redis.zrange('held', 0, -1), hands.state()) == (['1'], 'WAIT')
    assert hands.store.pauses.resume('1') == 'APPLIED'
    assert hands.claimed_ids() == ['1']


def test_a_run_that_is_resumed_before_its_time_still_waits_for_it(hands):
    hands.start('1', at='+60000')
    hands.store.pauses.pause('1')
    assert hands.store.pauses.resume('1') == 'APPLIED'
    assert (hands.line(), hands.redis.zrange('due', 0, -1)) == ([], ['1'])


def test_a_run_that_waits_for_its_time_is_not_deleted(hands):
    hands.start('1', at='+60000')
    assert hands.store.runs.remove(['1'], takes_kept=True) == ['WAIT']


def test_a_run_that_waits_for_its_time_is_listed_and_counted(hands):
    hands.start('1', at='+60000')
    assert list(hands.store.runs.ids([State.WAIT], ())) == ['1']
    assert hands.store.runs.counts()[State.WAIT] == 1
