"""Pausing a run, in every state it can be in, and letting it go on."""

import json

import pytest

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


def pause(hands, run_id='1'):
    return hands.store.pauses.pause(run_id)


def resume(hands, run_id='1'):
    return hands.store.pauses.resume(run_id)


def held(hands):
    return hands.redis.zrange('held', 0, -1)


def test_what_waits_is_held(hands, events):
    hands.start('1')
    assert pause(hands) == 'APPLIED'
    found = hands.hash()
    assert (found['state'], found['reason']) == ('WAIT', 'paused')
    assert float(found['paused']) == pytest.approx(hands.now_ms() / 1000, abs=30)
    assert hands.redis.zscore('held', '1') == float('inf')
    assert events() == [('1', 'paused', None)]


def test_its_entry_in_line_starts_nothing(hands):
    hands.register()
    hands.start('1', '2')
    pause(hands)
    assert hands.claimed_ids() == ['2']
    assert (hands.line(), held(hands), hands.state()) == ([], ['1'], 'WAIT')


def test_it_goes_on_at_the_front(hands, events):
    hands.register()
    hands.start('1')
    pause(hands)
    hands.claim()
    hands.start('2')
    events()
    assert resume(hands) == 'APPLIED'
    assert (hands.line(), held(hands)) == (['1', '2'], [])
    assert not {'paused', 'reason'} & hands.hash().keys()
    assert events() == [('1', 'resumed', None)]
    assert hands.claimed_ids() == ['1', '2']


def test_it_goes_on_in_its_own_queue(hands):
    hands.register(queues='default,mail')
    hands.start('1', queue='mail')
    pause(hands)
    hands.claim(queue='mail')
    resume(hands)
    assert (hands.line('mail'), hands.line()) == (['1'], [])


@pytest.mark.parametrize('queue', ['default', 'mail'])
def test_a_run_of_foreign_hands_is_held_where_it_is_met(hands, queue):
    hands.register()
    hands.redis.hset('task-1', mapping={'task': 'hello', 'data': '{}'})
    hands.redis.lpush(hands.keys.line(queue), '1')
    assert pause(hands) == 'APPLIED'
    assert (held(hands), hands.line(queue)) == ([], ['1'])
    assert hands.claimed_ids(queue=queue) == []
    assert held(hands) == ['1']
    resume(hands)
    assert hands.line(queue) == ['1']
    assert hands.claimed_ids(queue=queue) == ['1']


def test_what_is_due_keeps_its_time(hands):
    hands.register()
    hands.start('1')
    hands.redis.delete('new-task')
    hands.redis.zadd('due', {'1': hands.now_ms() + 60_000})
    assert pause(hands) == 'APPLIED'
    assert (held(hands), hands.hash()['reason']) == ([], 'paused')
    hands.redis.zadd('due', {'1': 1})
    hands.store.queues.promote(10)
    assert hands.claimed_ids() == []
    assert (held(hands), hands.redis.exists('due')) == (['1'], 0)
    resume(hands)
    assert hands.claimed_ids() == ['1']


def test_what_is_due_and_resumed_in_time_stands_in_no_line(hands):
    hands.start('1')
    hands.redis.delete('new-task')
    hands.redis.zadd('due', {'1': hands.now_ms() + 60_000})
    pause(hands)
    assert resume(hands) == 'APPLIED'
    assert (held(hands), hands.line(), hands.redis.zcard('due')) == ([], [], 1)


def test_a_parked_run_is_held_and_found_again(hands):
    hands.register('w1', 'other')
    hands.start('1')
    hands.claim('w1')
    pause(hands)
    hands.store.parked.explain([('1', 'no worker knows it')])
    assert hands.hash()['reason'] == 'paused'
    hands.register('w2', 'hello')
    assert hands.claimed_ids(worker='w2', parked='hello') == []
    resume(hands)
    assert hands.claimed_ids(worker='w2') == ['1']


def test_a_suspect_is_held_and_found_again(hands):
    for worker in ('w1', 'w2'):
        hands.run('1', worker)
        hands.redis.zadd('workers', {worker: 1})
        hands.recover('1')
    assert hands.redis.lrange('suspect-task', 0, -1) == ['1']
    pause(hands)
    hands.register('w3')
    assert hands.claimed_ids(worker='w3', suspects=[]) == []
    assert held(hands) == ['1']
    resume(hands)
    assert hands.claimed_ids(worker='w3') == []
    assert hands.claimed_ids(worker='w3', suspects=[]) == ['1']


def test_what_runs_keeps_its_lease_and_its_worker_is_told(hands, heard):
    hands.run('1')
    heard()
    assert pause(hands) == 'REQUESTED'
    found = hands.hash()
    assert (found['state'], found['reason']) == ('RUNNING', 'paused')
    assert (held(hands), hands.redis.zrange('leases', 0, -1)) == ([], ['1'])
    event, command = heard()
    assert (event[0], json.loads(event[1])['event']) == ('task-1', 'paused')
    assert command[0] == 'task-1-control'
    assert json.loads(command[1]) == {'command': 'pause', 'attempt': 1, 'at': float(found['paused'])}


def test_what_runs_goes_on(hands, heard):
    hands.run('1')
    pause(hands)
    heard()
    assert resume(hands) == 'REQUESTED'
    assert not {'paused', 'reason'} & hands.hash().keys()
    event, command = (json.loads(text) for _, text in heard())
    assert (event['event'], command['command'], command['attempt']) == ('resumed', 'resume', 1)
    assert (held(hands), hands.line()) == ([], [])


def test_a_renewal_tells_of_a_pause_beside_a_reload(hands):
    claimed = hands.run('1')
    assert hands.renew(claimed) == []
    pause(hands)
    assert hands.renew(claimed) == [('1', 'PAUSED')]
    hands.command('1', 'reload', command_id='c')
    assert hands.renew(claimed) == [('1', 'RELOAD'), ('1', 'PAUSED')]
    resume(hands)
    assert hands.renew(claimed) == [('1', 'RELOAD')]


def test_pausing_again_keeps_the_time_and_tells_the_worker_once_more(hands, heard):
    hands.run('1')
    pause(hands)
    since = hands.hash()['paused']
    heard()
    assert pause(hands) == 'REQUESTED'
    assert hands.hash()['paused'] == since
    assert [channel for channel, _ in heard()] == ['task-1-control']


def test_pausing_what_is_held_again_changes_nothing(hands):
    hands.start('1')
    pause(hands)
    before = hands.everything()
    assert pause(hands) == 'APPLIED'
    assert hands.everything() == before


def test_given_back_it_is_held(hands, events):
    claimed = hands.run('1')
    pause(hands)
    events()
    assert hands.release(claimed) == 'OK'
    assert (hands.hash()['state'], hands.hash()['reason']) == ('WAIT', 'paused')
    assert (held(hands), hands.line(), hands.redis.exists('leases')) == (['1'], [], 0)
    assert events() == [('1', 'wait', {'reason': 'shutdown'})]
    resume(hands)
    assert hands.claimed_ids() == ['1']


def test_recovered_it_is_held(hands):
    hands.run('1')
    pause(hands)
    assert hands.recover('1') == ['1']
    assert (hands.state(), hands.hash()['reason']) == ('WAIT', 'paused')
    assert (held(hands), hands.line()) == (['1'], [])
    resume(hands)
    assert [run.attempt for run in hands.claim().runs] == [2]


def test_a_paused_run_told_to_stop_and_recovered_is_stopped(hands):
    hands.run('1')
    pause(hands)
    hands.command('1')
    hands.recover('1')
    assert (hands.state(), held(hands)) == ('STOPPED', [])


@pytest.mark.parametrize('state', ENDS)
@pytest.mark.parametrize('reason', ['', 'timeout'])
def test_its_end_ends_the_pause(hands, state, reason):
    claimed = hands.run('1')
    pause(hands)
    assert hands.finish(claimed, state, reason=reason) == 'OK'
    assert 'paused' not in hands.hash()
    assert hands.hash().get('reason', '') == reason
    assert hands.store.runs.retry('1') == 'APPLIED'
    assert hands.claimed_ids() == ['1']


def test_stopping_what_is_held_ends_it(hands):
    hands.start('1')
    pause(hands)
    assert hands.command('1') == 'APPLIED'
    assert (hands.state(), hands.hash()['reason'], held(hands)) == ('STOPPED', 'stop', [])
    assert 'paused' not in hands.hash()
    assert (resume(hands), hands.store.runs.retry('1')) == ('STOPPED', 'APPLIED')
    hands.register()
    assert hands.claimed_ids() == ['1']


def test_what_is_held_is_neither_retried_nor_deleted(hands):
    hands.start('1')
    pause(hands)
    assert hands.store.runs.retry('1') == 'WAIT'
    assert hands.store.runs.remove(['1'], takes_kept=True) == ['WAIT']
    assert held(hands) == ['1']


@pytest.mark.parametrize('state', ENDS)
@pytest.mark.parametrize('what', [pause, resume])
def test_what_has_ended_answers_with_its_end(hands, state, what):
    hands.finish(hands.run('1'), state)
    before = hands.everything()
    assert what(hands) == state
    assert hands.everything() == before


@pytest.mark.parametrize('what', [pause, resume])
def test_what_is_not_there_is_not_found(hands, what):
    assert what(hands) == 'NOT_FOUND'
    hands.redis.set('task-1', 'mine')
    assert what(hands) == 'NOT_FOUND'
    assert hands.redis.keys('*') == ['task-1']


def test_what_is_held_without_a_hash_is_forgotten_when_it_is_resumed(hands):
    hands.start('1')
    pause(hands)
    hands.redis.delete('task-1')
    assert resume(hands) == 'NOT_FOUND'
    assert held(hands) == []


def test_who_was_not_paused_answers_with_its_state(hands):
    hands.start('2')
    hands.run('1', 'w1', queue='mail')
    before = hands.everything()
    assert [resume(hands, '2'), resume(hands, '1')] == ['WAIT', 'RUNNING']
    assert hands.everything() == before


@pytest.mark.parametrize('what', [pause, resume])
def test_pytasks_own_tasks_refuse(hands, what):
    hands.redis.hset('task-1', mapping={'task': 'pytask/monitor', 'state': 'RUNNING', 'local': '1', 'attempt': '1'})
    before = hands.everything()
    assert what(hands) == 'REFUSED'
    assert hands.everything() == before


def test_a_pause_between_a_claim_and_its_answer_is_told_by_the_renewal(hands):
    hands.register()
    hands.start('1')
    hands.claim(nonce='n')
    pause(hands)
    [claimed] = hands.claim(nonce='n').runs
    assert hands.renew(claimed) == [('1', 'PAUSED')]


def test_what_is_paused_is_listed(hands):
    hands.run('1')
    hands.start('2', '3')
    hands.redis.zadd('due', {'3': hands.now_ms() + 60_000, '4': 1})
    hands.redis.set('task-4', 'a key of another type')
    for run_id in '123':
        pause(hands, run_id)
    found = list(hands.store.pauses.of_runs(hands.store.runs.ids_out_of_line()))
    assert sorted(pause[:2] for pause in found) == [('run', '1'), ('run', '2'), ('run', '3')]
    assert all(pause.since > 1e9 for pause in found)
