import pytest

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


def retry(hands, run_id='1'):
    return hands.store.runs.retry(run_id)


@pytest.mark.parametrize('state', ENDS)
def test_an_ended_run_waits_again(hands, state):
    hands.finish(hands.run('1', data=b'{"a":1}'), state, reason='why')
    assert retry(hands) == 'APPLIED'
    found = hands.hash()
    assert (found['state'], found['data'], found['attempt']) == ('WAIT', '{"a":1}', '1')
    assert not {'token', 'worker', 'reason', 'output', 'started', 'ended', 'crashes'} & found.keys()
    assert (hands.line(), hands.redis.exists(f'ended-{state}')) == (['1'], 0)


def test_it_is_told_as_an_event(hands, events):
    hands.finish(hands.run('1'))
    events()
    retry(hands)
    assert events() == [('1', 'wait', {'reason': 'retry'})]


def test_it_runs_as_the_next_attempt(hands):
    hands.finish(hands.run('1'))
    retry(hands)
    assert hands.claim().runs[0].attempt == 2


def test_crashes_are_forgiven(hands):
    hands.finish(hands.run('1'))
    hands.redis.hset('task-1', 'crashes', '2')
    retry(hands)
    assert 'crashes' not in hands.hash()


def test_a_run_stopped_while_it_waited_runs_once(hands):
    hands.register()
    hands.start('1')
    hands.command('1')
    retry(hands)  # its first entry is still in line
    assert hands.claimed_ids() == ['1']


def test_it_goes_to_its_own_queue(hands):
    hands.finish(hands.run('1', queue='mail'))
    retry(hands)
    assert (hands.line('mail'), hands.line()) == (['1'], [])


def test_repeating_it_changes_nothing(hands):
    hands.finish(hands.run('1'))
    retry(hands)
    before = hands.everything()
    assert retry(hands) == 'WAIT'
    assert hands.everything() == before


def test_what_runs_is_left_alone(hands):
    hands.run('1')
    before = hands.everything()
    assert retry(hands) == 'RUNNING'
    assert hands.everything() == before


def test_what_is_not_there_is_not_found(hands):
    assert retry(hands) == 'NOT_FOUND'
    hands.redis.set('task-1', 'mine')
    assert retry(hands) == 'NOT_FOUND'


def test_a_local_run_belonged_to_its_worker(hands):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'SUCCESS', 'local': '1'})
    assert retry(hands) == 'REFUSED'
