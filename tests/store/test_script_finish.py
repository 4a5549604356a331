import pytest

from pytask.core.states import Outcome, State
from pytask.store import Ended

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


@pytest.mark.parametrize('state', ENDS)
def test_an_end_is_state_lease_index_and_count_together(hands, state):
    claimed = hands.run('1')
    assert hands.finish(claimed, state, output=b'{"a":1}', reason='why') == 'OK'
    found = hands.hash()
    assert (found['state'], found['output'], found['reason']) == (state, '{"a":1}', 'why')
    assert float(found['ended']) >= float(found['started'])
    assert hands.redis.zcard('leases') == 0
    assert hands.redis.zscore(f'ended-{state}', '1') == pytest.approx(float(found['ended']) * 1000)
    assert hands.redis.hgetall('stats') == {f'{state}:hello': '1'}


@pytest.mark.parametrize('state', ENDS)
def test_an_end_is_told_as_an_event(hands, events, state):
    claimed = hands.run('1')
    events()
    hands.finish(claimed, state, output=b'{"a":1}', seq=7)
    assert events() == [('1', state.lower(), {'a': 1})]


def test_the_event_carries_time_and_number(hands, heard):
    claimed = hands.run('1')
    heard()
    hands.finish(claimed, output=b'"x"', seq=7)
    ended = hands.hash()['ended']
    assert heard() == [('task-1', f'{{"event":"success","data":"x","at":{ended},"seq":7}}')]


def test_a_giant_output_is_stored_but_not_told(hands, events):
    claimed = hands.run('1')
    events()
    output = b'"' + b'x' * 100_000 + b'"'
    hands.finish(claimed, output=output)
    assert events() == [('1', 'success', None)]
    assert hands.hash()['output'] == output.decode()


def test_without_a_reason_there_is_no_such_field(hands):
    hands.finish(hands.run('1'))
    assert 'reason' not in hands.hash()


def test_an_end_recorded_before_is_a_duplicate(hands, events):
    claimed = hands.run('1')
    hands.finish(claimed)
    events()
    before = hands.everything()
    assert [hands.finish(claimed), hands.finish(claimed, 'ERROR', output=b'2')] == ['DUP', 'DUP']
    assert hands.everything() == before
    assert events() == []


def test_a_stop_that_reached_the_end_first_stays(hands):
    claimed = hands.run('1')
    hands.finish(claimed, 'STOPPED')
    assert hands.finish(claimed, 'SUCCESS') == 'DUP'
    assert hands.state() == 'STOPPED'


def test_another_token_is_stale(hands):
    claimed = hands.run('1')
    before = hands.everything()
    assert hands.finish(claimed._replace(token='1:other:w2')) == 'STALE'
    assert hands.everything() == before


def test_the_token_of_an_attempt_before_is_stale(hands):
    old = hands.run('1')
    hands.recover('1')
    assert hands.finish(old) == 'STALE'
    [new] = hands.claim().runs
    assert [hands.finish(old), hands.finish(new)] == ['STALE', 'OK']


def test_a_run_given_back_is_stale(hands):
    claimed = hands.run('1')
    hands.release(claimed)
    assert hands.finish(claimed) == 'STALE'
    assert hands.state() == 'WAIT'


def test_a_run_retried_is_stale(hands):
    claimed = hands.run('1')
    hands.finish(claimed)
    hands.store.runs.retry('1')
    assert hands.finish(claimed) == 'STALE'


def test_a_run_started_again_by_foreign_hands_is_stale(hands):
    claimed = hands.run('1')
    hands.finish(claimed)
    hands.redis.hset('task-1', 'state', 'WAIT')
    assert hands.finish(claimed) == 'STALE'
    assert hands.state() == 'WAIT'


def test_a_hash_that_is_gone_is_stale(hands):
    claimed = hands.run('1')
    hands.redis.delete('task-1')
    assert hands.finish(claimed) == 'STALE'
    assert not hands.redis.exists('task-1')


def test_a_lease_that_is_over_is_no_matter_while_nobody_recovered_it(hands):
    claimed = hands.run('1')
    hands.lose('1')
    assert hands.finish(claimed) == 'OK'


def test_answers_come_one_by_one_and_in_order(hands):
    hands.register()
    hands.start('1', '2', '3', '4')
    runs = hands.claim().runs
    hands.finish(runs[1])
    hands.redis.delete('task-3')
    hands.redis.set('task-3', 'of another type')
    states = [State.SUCCESS, State.SUCCESS, State.ERROR, State.WAIT]
    endings = [
        Ended(run.run_id, run.token, Outcome(state, b'1', 'why'), 1)
        for run, state in zip(runs, states, strict=True)
    ]
    assert hands.record(*endings) == ['OK', 'DUP', 'STALE', 'OK']
    assert hands.line() == ['4']


def test_a_mixed_batch_answers_in_its_own_order(hands):
    hands.register()
    hands.start('1', '2')
    one, two = hands.claim().runs
    endings = [
        Ended('1', one.token, Outcome(State.WAIT, reason='shutdown'), 0),
        Ended('2', two.token, Outcome(State.SUCCESS), 1),
        Ended('2', 'stranger', Outcome(State.SUCCESS), 1),
    ]
    assert hands.record(*endings) == ['OK', 'OK', 'STALE']


def test_ends_are_counted_by_state_and_task(hands):
    hands.register('w1', 'hello', 'crawl')
    hands.start('1', '2')
    hands.start('3', task='crawl')
    one, two, three = hands.claim().runs
    hands.finish(one)
    hands.finish(two)
    hands.finish(three, 'ERROR')
    assert hands.redis.hgetall('stats') == {'SUCCESS:hello': '2', 'ERROR:crawl': '1'}


def test_commands_end_with_the_run(hands):
    claimed = hands.run('1')
    hands.command('1', 'stop')
    hands.command('1', 'reload', data=b'{}', command_id='c')
    hands.finish(claimed)
    assert not {'stop', 'reload_data', 'reload_id'} & hands.hash().keys()


def test_a_field_taken_away_by_foreign_hands_jams_no_batch(hands):
    hands.register()
    hands.start('1', '2')
    one, two = hands.claim().runs
    hands.redis.hdel('task-1', 'task')
    answers = hands.record(*(Ended(run.run_id, run.token, Outcome(State.SUCCESS), 1) for run in (one, two)))
    assert answers[1] == 'OK'
    assert (hands.state('2'), hands.redis.zscore('leases', '2')) == ('SUCCESS', None)


def test_hundreds_end_in_one_call(hands):
    hands.register()
    hands.start(*map(str, range(500)))
    runs = hands.claim(limit=500).runs
    outcome = Outcome(State.SUCCESS)
    assert hands.record(*(Ended(run.run_id, run.token, outcome, 1) for run in runs)) == ['OK'] * 500
    assert (hands.redis.zcard('ended-SUCCESS'), hands.redis.zcard('leases')) == (500, 0)


def test_recording_nothing_is_fine(hands):
    assert hands.record() == []
