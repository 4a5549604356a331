"""extend: more time for a run, written down before anybody is told."""

import json

import pytest

LONG_AGO_MS = 1000


def extend(hands, seconds='60', run_id='1'):
    return hands.store.runs.extend(run_id, seconds)


def left_s(hands, attempt=1):
    return hands.store.runs.extended('1', attempt)


def test_a_running_run_has_so_much_more_from_now(hands, heard):
    hands.run('1')
    heard()
    assert extend(hands) == 'REQUESTED'
    assert 0 < left_s(hands) <= 60
    [(channel, text)] = heard()
    assert (channel, json.loads(text)) == ('task-1-control', {'command': 'extend', 'attempt': 1, 'seconds': 60})


def test_a_run_that_was_given_nothing_has_nothing(hands):
    hands.run('1')
    assert left_s(hands) == 0


def test_it_never_gets_less_than_it_has(hands):
    hands.run('1')
    extend(hands, '1000')
    extend(hands, '10')
    assert left_s(hands) > 900


def test_it_is_for_this_attempt(hands):
    claimed = hands.run('1')
    extend(hands, '1000')
    hands.release(claimed)
    assert left_s(hands, attempt=2) == 0
    [again] = hands.claim().runs
    assert again.timeout == ''
    extend(hands, '10')
    assert 0 < left_s(hands, attempt=2) <= 10


def test_what_foreign_hands_wrote_is_no_time(hands):
    hands.run('1')
    for junk in ('', 'x', '1:', '1:soon', '1', '7:99999999999999', '1:-5'):
        hands.redis.hset('task-1', 'extended', junk)
        assert left_s(hands) <= 0
        assert extend(hands, '60') == 'REQUESTED'
        assert left_s(hands) > 0


@pytest.mark.parametrize(('own', 'then'), [('', '+60'), ('30', '90'), ('0.5', '60.5'), ('+30', '+90')])
def test_a_waiting_run_has_so_much_more_of_its_total(hands, own, then):
    hands.start('1', timeout=own)
    assert extend(hands) == 'APPLIED'
    assert hands.hash()['timeout'] == then
    hands.register()
    assert hands.claim().runs[0].timeout == then


def test_a_waiting_run_whose_limit_is_none_is_refused(hands):
    hands.start('1')
    hands.redis.hset('task-1', 'timeout', 'soon')
    assert extend(hands) == 'REFUSED'


def test_who_is_not_there_or_has_ended_is_told(hands):
    assert extend(hands) == 'NOT_FOUND'
    hands.redis.set('task-1', 'no hash')
    assert extend(hands) == 'NOT_FOUND'
    hands.redis.delete('task-1')
    hands.finish(hands.run('1'))
    before = hands.everything()
    assert extend(hands) == 'SUCCESS'
    assert hands.everything() == before


def test_pytasks_own_have_no_limit(hands):
    hands.redis.hset('task-1', mapping={'task': 'pytask/monitor', 'state': 'RUNNING', 'local': '1', 'attempt': '1'})
    assert extend(hands) == 'REFUSED'


# The limit a run is started with.


def test_a_limit_of_its_own_stands_in_the_hash_and_in_the_grant(hands):
    hands.register()
    hands.start('1', timeout='30')
    hands.start('2')
    assert [hands.hash(run_id).get('timeout') for run_id in '12'] == ['30', None]
    assert [(run.run_id, run.timeout) for run in hands.claim().runs] == [('1', '30'), ('2', '')]


def test_it_is_granted_again_with_a_lost_answer(hands):
    hands.register()
    hands.start('1', timeout='30')
    first, second = hands.claim(nonce='n').runs, hands.claim(nonce='n').runs
    assert [run.timeout for run in (*first, *second)] == ['30', '30']


def test_it_holds_for_each_attempt(hands):
    hands.register()
    hands.start('1', timeout='30')
    [claimed] = hands.claim().runs
    hands.release(claimed)
    assert [run.timeout for run in hands.claim().runs] == ['30']
