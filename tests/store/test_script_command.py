import json

import pytest

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


def test_stopping_what_waits_ends_it(hands, events):
    hands.start('1')
    assert hands.command('1') == 'APPLIED'
    found = hands.hash()
    assert (found['state'], found['reason']) == ('STOPPED', 'stop')
    assert hands.redis.zscore('ended-STOPPED', '1') == pytest.approx(float(found['ended']) * 1000)
    assert hands.redis.hgetall('stats') == {'STOPPED:hello': '1'}
    assert events() == [('1', 'stopped', None)]


def test_its_entry_is_left_in_line(hands):
    hands.start('1')
    hands.command('1')
    assert hands.line() == ['1']


def test_stopping_a_foreign_run_without_a_state_ends_it(hands):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'data': '{}'})
    assert hands.command('1') == 'APPLIED'
    assert hands.state() == 'STOPPED'


def test_stopping_what_is_due_or_held_takes_it_from_there(hands):
    hands.start('1')
    hands.redis.zadd('due', {'1': 1})
    hands.redis.zadd('held', {'1': 'inf'})
    hands.command('1')
    assert not hands.redis.exists('due', 'held')


def test_stopping_what_runs_is_written_down_and_told_to_its_worker(hands, heard):
    hands.run('1')
    heard()
    assert hands.command('1') == 'REQUESTED'
    assert (hands.hash()['stop'], hands.state()) == ('1', 'RUNNING')
    [(channel, text)] = heard()
    assert (channel, json.loads(text)) == ('task-1-control', {'command': 'stop', 'attempt': 1})


def test_a_stop_is_meant_for_one_attempt(hands):
    hands.release(hands.run('1'))
    hands.claim()
    hands.command('1')
    assert hands.hash()['stop'] == '2'


def test_a_repeated_stop_gets_the_same_answer(hands):
    hands.run('1')
    assert [hands.command('1'), hands.command('1')] == ['REQUESTED', 'REQUESTED']


@pytest.mark.parametrize('state', ENDS)
@pytest.mark.parametrize('command', ['stop', 'reload'])
def test_what_has_ended_answers_with_its_end(hands, state, command):
    hands.finish(hands.run('1'), state)
    before = hands.everything()
    assert hands.command('1', command, data=b'{"a":1}', command_id='c') == state
    assert hands.everything() == before


def test_stopping_a_run_stopped_while_it_waited_answers_stopped(hands):
    hands.start('1')
    assert [hands.command('1'), hands.command('1')] == ['APPLIED', 'STOPPED']


@pytest.mark.parametrize('command', ['stop', 'reload'])
def test_what_is_not_there_is_not_found(hands, command):
    assert hands.command('1', command) == 'NOT_FOUND'
    assert hands.redis.keys('*') == []


def test_a_key_of_another_type_is_not_found(hands):
    hands.redis.set('task-1', 'mine')
    assert hands.command('1') == 'NOT_FOUND'


@pytest.mark.parametrize('command', ['stop', 'reload'])
def test_pytasks_own_tasks_refuse(hands, command):
    hands.redis.hset('task-1', mapping={'task': 'pytask/monitor', 'state': 'RUNNING', 'local': '1', 'attempt': '1'})
    before = hands.everything()
    assert hands.command('1', command) == 'REFUSED'
    assert hands.everything() == before


def test_a_run_from_a_queue_under_such_a_name_can_be_stopped(hands):
    hands.start('1', task='pytask/monitor')
    assert hands.command('1') == 'APPLIED'


def test_a_reload_of_what_runs_is_written_down_and_told(hands, heard):
    hands.run('1', data=b'{"a":1}')
    heard()
    assert hands.command('1', 'reload', data=b'{"a":2}', command_id='c') == 'REQUESTED'
    assert hands.wanted() == ('c', '{"a":2}', '{"a":1}')
    [(channel, text)] = heard()
    assert (channel, json.loads(text)) == ('task-1-control', {'command': 'reload', 'attempt': 1, 'id': 'c'})


def test_a_reload_without_data_keeps_it(hands):
    hands.run('1', data=b'{"a":1}')
    hands.command('1', 'reload', command_id='c')
    assert hands.wanted() == ('c', None, '{"a":1}')


def test_a_reload_without_data_keeps_what_another_asked_for_before(hands):
    hands.run('1', data=b'{"a":1}')
    hands.command('1', 'reload', data=b'{"a":2}', command_id='c')
    hands.command('1', 'reload', command_id='d')
    assert hands.wanted() == ('d', '{"a":2}', '{"a":1}')


def test_a_reload_of_what_waits_again_keeps_what_another_asked_for_before(hands):
    claimed = hands.run('1', data=b'{"a":1}')
    hands.command('1', 'reload', data=b'{"a":2}', command_id='c')
    hands.release(claimed)
    assert hands.command('1', 'reload', command_id='d') == 'APPLIED'
    assert hands.hash()['data'] == '{"a":2}'


def test_a_reload_of_what_waits_changes_its_data(hands):
    hands.start('1', data=b'{"a":1}')
    assert hands.command('1', 'reload', data=b'{"a":2}', command_id='c') == 'APPLIED'
    assert (hands.hash()['data'], hands.state()) == ('{"a":2}', 'WAIT')
    assert 'reload_id' not in hands.hash()


def test_a_reload_of_what_waits_without_data_changes_nothing(hands):
    hands.start('1')
    before = hands.everything()
    assert hands.command('1', 'reload', command_id='c') == 'APPLIED'
    assert hands.everything() == before


def test_many_are_commanded_in_one_call(hands):
    hands.run('1')
    hands.start(*map(str, range(2, 1201)))
    answers = hands.store.runs.command_many([*map(str, range(1, 1201)), 'unknown'], 'stop')
    assert answers == ['REQUESTED', *['APPLIED'] * 1199, 'NOT_FOUND']


def test_a_run_without_an_attempt_is_stopped_too(hands):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'RUNNING'})
    assert hands.command('1') in ('APPLIED', 'REQUESTED')


def test_a_run_started_again_by_foreign_hands_and_stopped_stands_in_one_index(hands):
    hands.finish(hands.run('1'))
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    hands.command('1')
    indexes = [state for state in ENDS if hands.redis.zscore(f'ended-{state}', '1')]
    assert indexes == ['STOPPED']


def test_a_grace_is_written_down_and_told(hands, heard):
    claimed = hands.run('1')
    heard()
    assert hands.command('1', grace_s=1.5) == 'REQUESTED'
    [(_, text)] = heard()
    assert json.loads(text) == {'command': 'stop', 'attempt': 1, 'grace': 1.5}
    assert hands.renew(claimed) == [('1', 'STOP 1.500')]


@pytest.mark.parametrize(
    ('graces', 'kept'), [((5, 2), '2.000'), ((2, 5), '2.000'), ((None, 2), '2.000'), ((2, None), '2.000')]
)
def test_of_several_graces_the_shortest_stands(hands, graces, kept):
    hands.run('1')
    for grace_s in graces:
        hands.command('1', grace_s=grace_s)
    assert hands.hash()['grace'] == kept


def test_a_grace_is_for_one_attempt(hands):
    hands.run('1')
    hands.redis.hset('task-1', mapping={'stop': '7', 'grace': '0'})
    hands.command('1')
    assert (hands.hash()['stop'], hands.hash().get('grace')) == ('1', None)


def test_a_grace_that_is_no_number_gives_way(hands):
    hands.run('1')
    hands.redis.hset('task-1', mapping={'stop': '1', 'grace': 'soon'})
    hands.command('1', grace_s=2)
    assert hands.hash()['grace'] == '2.000'


def test_the_end_leaves_no_grace(hands):
    claimed = hands.run('1')
    hands.command('1', grace_s=1)
    hands.finish(claimed, 'STOPPED')
    assert not {'stop', 'grace'} & hands.hash().keys()


def test_an_owner_writes_down_what_it_heard_and_nobody_is_told(hands, heard):
    hands.run('1')
    heard()
    assert hands.command('1', attempt=1, grace_s=0) == 'REQUESTED'
    assert (hands.hash()['stop'], hands.hash()['grace']) == ('1', '0.000')
    assert heard() == []


def test_what_an_owner_heard_never_hits_another_attempt(hands):
    hands.release(hands.run('1'))
    before = hands.everything()
    assert hands.command('1', attempt=1) == 'STALE'
    assert hands.everything() == before
    hands.claim()
    before = hands.everything()
    assert hands.command('1', attempt=1) == 'STALE'
    assert hands.everything() == before
