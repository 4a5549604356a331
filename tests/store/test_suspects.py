"""Runs that workers died with are claimed apart, few at a time, until the culprit is alone when its worker dies."""

import json

import pytest
from hands import LEASE_MS


def crash(hands, *run_ids, worker='w1'):
    """The worker of these dies, and they are recovered."""
    hands.store.workers.forget(worker)
    return hands.recover(*run_ids)


def suspect(hands, *run_ids, **how):
    """Start runs that already have two crashes; return them in line."""
    hands.register()
    hands.start(*run_ids, **how)
    for run_id in run_ids:
        hands.redis.hset(f'task-{run_id}', 'crashes', 2)


def apart(hands, *run_ids, **how):
    """Have them among the suspects, the first to be claimed first."""
    suspect(hands, *run_ids, **how)
    assert hands.claimed_ids(queue=how.get('queue', 'default')) == []
    assert suspects(hands) == list(run_ids)


def suspects(hands):
    return hands.redis.lrange('suspect-task', 0, -1)[::-1]


def take(hands, worker='w1', held=(), limit=16):
    return hands.claimed_ids(worker=worker, suspects=held, limit=limit)


def grow_old(hands, *run_ids, seconds=11):
    for run_id in run_ids:
        hands.redis.hset(f'task-{run_id}', 'started', hands.now_ms() / 1000 - seconds)


def test_two_crashes_make_a_suspect(hands):
    for crashes in (1, 2):
        hands.run('1')
        crash(hands, '1')
        assert hands.hash()['crashes'] == str(crashes)
    assert (hands.line(), suspects(hands), hands.state()) == ([], ['1'], 'WAIT')


def test_those_who_crashed_together_are_looked_at_next(hands):
    apart(hands, '1')
    hands.run('2')
    hands.redis.hset('task-2', 'crashes', 1)
    crash(hands, '2')
    assert suspects(hands) == ['2', '1']


def test_a_suspect_in_a_queue_is_diverted(hands):
    suspect(hands, '1')
    hands.start('2')
    assert hands.claimed_ids() == ['2']
    assert (suspects(hands), hands.line()) == (['1'], [])
    assert (hands.state(), hands.hash()['reason']) == ('WAIT', '2 workers died with it')


def test_a_suspect_that_was_parked_is_diverted(hands):
    suspect(hands, '1', task='other')
    hands.claim()
    hands.register('w2', 'other')
    assert hands.claimed_ids(worker='w2', parked='other') == []
    assert suspects(hands) == ['1']


@pytest.mark.parametrize('crashes', ['1', 'abc', '', '-1', 'nan'])
def test_who_is_no_suspect_is_claimed_as_ever(hands, crashes):
    hands.register()
    hands.start('1')
    hands.redis.hset('task-1', 'crashes', crashes)
    assert hands.claimed_ids() == ['1']


def test_a_foreign_list_of_suspects_keeps_nobody_waiting(hands):
    suspect(hands, '1')
    hands.redis.set('suspect-task', 'mine')
    assert hands.claimed_ids() == ['1']
    crash(hands, '1')
    assert (hands.line(), hands.hash()['crashes'], hands.state()) == (['1'], '3', 'WAIT')
    hands.register()
    assert hands.claimed_ids() == ['1']


def test_a_suspect_is_claimed_with_its_lease_token_and_queue(hands):
    apart(hands, '1', queue='default')
    [claimed] = hands.claim(suspects=[], nonce='n').runs
    assert (claimed.token, hands.hash()['queue'], hands.state()) == ('1:n:w1', 'default', 'RUNNING')
    assert hands.redis.zscore('leases', '1') > hands.now_ms()
    assert hands.finish(claimed) == 'OK'


def test_no_more_suspects_before_the_one_held_is_acquitted(hands):
    apart(hands, '1', '2')
    [claimed] = hands.claim(suspects=[], limit=1).runs
    assert take(hands, held=['1']) == []
    grow_old(hands, '1', seconds=9)
    hands.renew(claimed)
    assert take(hands, held=['1']) == []
    grow_old(hands, '1', seconds=11)
    hands.renew(claimed)
    assert take(hands, held=['1']) == ['2']


def test_no_more_suspects_while_others_live_on(hands):
    apart(hands, '1', '2', '3', '4')
    assert take(hands, limit=1) == ['1']
    assert take(hands, worker='w1', held=['1']) == []
    hands.register('w2')
    assert take(hands, worker='w2') == ['2', '3'], 'another worker tries others'


def test_a_suspect_must_outlive_twice_the_time_it_lived_before(hands):
    hands.run('1')
    for _ in range(2):
        grow_old(hands, '1', seconds=14)
        lived_s = crash_now(hands, '1')
        hands.register()
        hands.claim()
    assert 13 < lived_s < 16
    [claimed] = hands.claim(suspects=[]).runs
    for age_s, is_acquitted in [(25, False), (35, True)]:
        grow_old(hands, '1', seconds=age_s)
        hands.renew(claimed)
        assert ('acquitted' in hands.hash()) == is_acquitted
    assert not {'alone', 'fallen', 'lived'} & hands.hash().keys()


def crash_now(hands, run_id):
    """Die just after a renewal; return how long it is said to have lived."""
    hands.store.workers.forget('w1')
    deadline = hands.now_ms() - 1
    hands.redis.zadd('leases', {run_id: deadline})
    hands.redis.hset(f'task-{run_id}', 'started', float(hands.hash(run_id)['started']) - LEASE_MS / 1000)
    assert hands.store.queues.recover([(run_id, deadline)], lease_ms=LEASE_MS) == [run_id]
    return float(hands.hash(run_id)['lived'])


def test_a_long_life_before_is_no_measure(hands):
    hands.run('1')
    grow_old(hands, '1', seconds=1000)
    hands.store.workers.forget('w1')
    deadline = hands.now_ms() - 1
    hands.redis.zadd('leases', {'1': deadline})
    hands.store.queues.recover([('1', deadline)], lease_ms=LEASE_MS)
    assert hands.hash()['crashes'] == '1'
    assert 'lived' not in hands.hash()


def test_the_acquitted_die_often_before_they_are_tried_again(hands):
    apart(hands, '1')
    [claimed] = hands.claim(suspects=[]).runs
    for crashes in range(3, 21):
        grow_old(hands, '1', seconds=11)
        hands.renew(claimed)
        crash(hands, '1')
        hands.register()
        assert hands.hash()['crashes'] == str(crashes)
        if crashes < 20:
            [claimed] = hands.claim().runs
    assert suspects(hands) == ['1']


def test_those_who_died_together_are_told_apart_before_others_join_them(hands):
    apart(hands, '1', '2', '3')
    hands.redis.hset('task-1', 'crashes', 3)
    hands.redis.hset('task-2', 'crashes', 3)
    grant = hands.claim(suspects=[])
    assert [run.run_id for run in grant.runs] == ['1']
    assert grant.has_more
    assert suspects(hands) == ['2', '3']


@pytest.mark.parametrize('number', [1, 2, 5, 8])
def test_entries_that_are_none_any_more_do_not_count(hands, number):
    ids = [str(n) for n in range(number)]
    apart(hands, *ids)
    hands.redis.rpush('suspect-task', *(run_id for run_id in ids for _ in range(7)))
    hands.redis.hset('task-ended', mapping={'task': 'hello', 'state': 'SUCCESS'})
    hands.redis.rpush('suspect-task', *['ended'] * 20, 'gone')
    taken = take(hands, limit=256)
    assert sorted(taken) == sorted(ids[-len(taken) :])
    assert len(taken) == (number + 1) // 2


@pytest.mark.parametrize('number', [1, 2, 5, 8])
def test_half_of_them_are_claimed_at_once(hands, number):
    ids = [str(n) for n in range(number)]
    apart(hands, *ids)
    assert take(hands) == ids[: (number + 1) // 2]


def test_the_acquitted_are_no_company(hands):
    apart(hands, '1', '2')
    take(hands, limit=1)
    hands.redis.hset('task-1', 'acquitted', 18)
    assert take(hands, held=['1']) == ['2']
    assert hands.hash('2')['alone'] == '0'


def test_more_at_once_when_the_one_held_has_ended(hands):
    apart(hands, '1', '2')
    [claimed] = hands.claim(suspects=[], limit=1).runs
    hands.finish(claimed)
    assert take(hands, held=['1']) == ['2']


def test_what_another_worker_holds_now_keeps_nobody_waiting(hands):
    apart(hands, '1', '2')
    take(hands, limit=1)
    hands.redis.hset('task-1', 'worker', 'w2')
    assert take(hands, held=['1']) == ['2']


def test_after_a_trial_that_was_outlived_twice_as_many(hands):
    ids = [str(n) for n in range(10)]
    apart(hands, *ids)
    first = hands.claim(suspects=[]).runs
    assert len(first) == 5
    for claimed in first:
        hands.finish(claimed)
    assert take(hands) == ids[5:]


def test_half_again_where_they_have_died_more_often(hands):
    apart(hands, *'12345678')
    for claimed in hands.claim(suspects=[]).runs:
        hands.finish(claimed)
    for run_id in '5678':
        hands.redis.hset(f'task-{run_id}', 'crashes', 3)
    assert take(hands) == ['5', '6']


def ripen(hands):
    """Let the time be over in which a worker taken for dead may come back, and promote."""
    for run_id in hands.redis.zrange('due', 0, -1):
        hands.redis.zadd('due', {run_id: 1})
    hands.store.queues.promote(100)


def convict(hands, run_id='1'):
    """Have a suspect crash for the fifth time in a row as the only one; return its claim."""
    apart(hands, run_id)
    hands.redis.hset(f'task-{run_id}', mapping={'crashes': 6, 'alone': 4})
    [claimed] = hands.claim(suspects=[]).runs
    crash(hands, run_id)
    hands.register()
    assert (hands.state(run_id), suspects(hands), hands.line()) == ('WAIT', [], [])
    return claimed


def test_it_takes_five_crashes_alone(hands, events):
    apart(hands, '1')
    for crashes in (3, 4, 5, 6):
        hands.register()
        assert take(hands) == ['1']
        crash(hands, '1')
        assert (hands.state(), hands.hash()['crashes'], suspects(hands)) == ('WAIT', str(crashes), ['1'])
    hands.register()
    take(hands)
    assert crash(hands, '1') == ['1']
    events()
    ripen(hands)
    found = hands.hash()
    assert (found['state'], found['reason']) == ('EXCEPTION', 'poison')
    output = json.loads(found['output'])
    assert output['type'] == 'Poison'
    assert output['message'] == '7 workers died while they ran it, the last 5 with no other suspect'
    assert events() == [('1', 'exception', None)]
    assert (suspects(hands), hands.line(), hands.redis.zcard('leases')) == ([], [], 0)
    assert (hands.redis.zcard('ended-EXCEPTION'), hands.redis.hgetall('stats')) == (1, {'EXCEPTION:hello': '1'})


def test_a_convict_waits_until_its_worker_has_had_time_to_come_back(hands):
    convict(hands)
    assert hands.store.queues.promote(100) == 0
    left_ms = hands.redis.zscore('due', '1') - hands.now_ms()
    assert LEASE_MS < left_ms <= 2 * LEASE_MS


@pytest.mark.parametrize('speak', ['finish', 'release'])
def test_a_worker_that_comes_back_acquits(hands, speak):
    claimed = convict(hands)
    assert getattr(hands, speak)(claimed) == 'STALE'
    assert (hands.hash()['crashes'], hands.hash()['alone']) == ('6', '4')
    ripen(hands)
    assert (hands.state(), hands.line()) == ('WAIT', ['1'])
    assert getattr(hands, speak)(claimed) == 'STALE', 'and once only'
    assert (hands.hash()['crashes'], hands.hash()['alone']) == ('6', '4')


def test_only_the_worker_taken_for_dead_acquits(hands):
    earlier = hands.run('1')
    hands.release(earlier)
    hands.claim()
    crash(hands, '1')
    assert hands.finish(earlier) == 'STALE'
    assert hands.hash()['crashes'] == '1'


def test_a_worker_that_comes_back_after_the_end_changes_nothing(hands):
    claimed = convict(hands)
    ripen(hands)
    before = hands.hash()
    assert hands.finish(claimed) == 'STALE'
    assert hands.hash() == before


def test_who_is_no_suspect_any_more_is_tried_without_evidence(hands):
    apart(hands, '1')
    hands.redis.hdel('task-1', 'crashes')
    assert take(hands) == ['1']
    assert 'alone' not in hands.hash()


def test_a_convict_that_somebody_pushed_again_runs_again(hands):
    convict(hands)
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == []
    assert take(hands) == ['1']
    ripen(hands)
    assert hands.state() == 'RUNNING'


def test_a_convict_can_be_stopped(hands):
    convict(hands)
    assert hands.command('1') == 'APPLIED'
    assert not hands.redis.exists('due')
    assert (hands.state(), hands.redis.hgetall('stats')) == ('STOPPED', {'STOPPED:hello': '1'})


def test_crashes_in_company_convict_nobody(hands):
    apart(hands, '1', '2')
    for _ in range(6):
        hands.register()
        hands.redis.hset('worker-w1', 'trial', '100 1')
        assert sorted(take(hands)) == ['1', '2']
        crash(hands, '1', '2')
    assert sorted(suspects(hands)) == ['1', '2']


def test_company_takes_the_evidence_away(hands):
    apart(hands, '1', '2', '3')
    hands.redis.hset('task-1', 'alone', 4)
    assert take(hands) == ['1', '2']
    assert 'alone' not in hands.hash('1') | hands.hash('2')
    crash(hands, '1', '2')
    assert sorted(suspects(hands)) == ['1', '2', '3']


def test_a_claim_from_a_queue_takes_the_evidence_away(hands):
    hands.register()
    hands.start('1')
    hands.redis.hset('task-1', mapping={'crashes': 1, 'alone': 4, 'reason': 'its worker died'})
    assert hands.claimed_ids() == ['1']
    crash(hands, '1')
    assert suspects(hands) == ['1']


def test_being_given_back_is_no_evidence(hands):
    apart(hands, '1')
    [claimed] = hands.claim(suspects=[]).runs
    hands.release(claimed)
    assert hands.hash()['alone'] == '0'
    assert hands.line() == ['1']
    assert hands.claimed_ids() == []
    assert suspects(hands) == ['1']


def test_a_suspect_lost_by_a_living_worker_is_no_evidence(hands):
    apart(hands, '1')
    take(hands)
    hands.redis.hset('task-1', 'alone', 2)
    hands.recover('1')
    assert (hands.hash()['crashes'], hands.hash()['alone'], hands.line()) == ('2', '2', ['1'])


def test_a_minute_of_life_acquits(hands):
    apart(hands, '1')
    [claimed] = hands.claim(suspects=[]).runs
    grow_old(hands, '1', seconds=70)
    hands.renew(claimed)
    assert not {'crashes', 'alone', 'fallen', 'lived', 'acquitted'} & hands.hash().keys()


def test_a_retry_acquits(hands):
    convict(hands)
    ripen(hands)
    assert hands.state() == 'EXCEPTION'
    hands.store.runs.retry('1')
    assert hands.claimed_ids() == ['1']
    assert not {'crashes', 'alone', 'fallen'} & hands.hash().keys()


def test_a_new_start_by_foreign_hands_acquits(hands):
    convict(hands)
    ripen(hands)
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == ['1']
    crash(hands, '1')
    assert (hands.state(), hands.hash()['crashes'], hands.line()) == ('WAIT', '1', ['1'])


def test_suspects_of_another_queue_go_to_the_back_and_are_not_lost(hands):
    apart(hands, '1', '2', queue='mail')
    apart_from_them = ['1', '2', '3']
    suspect(hands, '3')
    hands.claim()
    assert suspects(hands) == apart_from_them
    grant = hands.claim(suspects=[])
    assert (grant.runs, grant.has_more) == ([], True)
    assert suspects(hands) == ['3', '1', '2']
    assert take(hands, limit=2) == ['3']
    hands.register('w2', queues='mail')
    assert take(hands, worker='w2') == ['1']
    assert suspects(hands) == ['2']


def test_a_suspect_that_this_worker_does_not_know_is_left_to_others(hands):
    hands.register('w2', 'other')
    hands.register()
    hands.start('1', task='other')
    hands.redis.hset('task-1', mapping={'crashes': 2, 'started': hands.now_ms() / 1000})
    assert hands.claimed_ids(worker='w2') == []
    # Parked, it would be found by w2, which would put it back among the suspects, and so on.
    assert take(hands) == []
    assert (suspects(hands), hands.store.parked.names()) == (['1'], [])
    assert take(hands, worker='w2') == ['1']


def test_a_suspect_that_nobody_knew_for_a_day_is_anybodys(hands):
    hands.register()
    hands.start('1', task='other')
    hands.redis.hset('task-1', mapping={'crashes': 2, 'started': hands.now_ms() / 1000 - 90_000})
    hands.redis.lpush('suspect-task', '1')
    assert take(hands) == ['1']


def test_a_repeated_claim_of_suspects_gets_the_same_answer(hands):
    apart(hands, '1', '2')
    first = hands.claim(suspects=[], nonce='n', limit=1)
    again = hands.claim(suspects=[], nonce='n', limit=1)
    assert [run.token for run in again.runs] == [run.token for run in first.runs]
    assert suspects(hands) == ['2']


@pytest.mark.parametrize('entry', ['', 'a-control', 'no-hash'])
def test_garbage_among_suspects_is_laid_aside(hands, entry):
    apart(hands, '1')
    hands.redis.rpush('suspect-task', entry)
    assert take(hands) == ['1']


def test_a_suspect_that_was_stopped_never_starts(hands):
    apart(hands, '1')
    assert hands.command('1') == 'APPLIED'
    assert take(hands) == []
    assert (hands.state(), suspects(hands)) == ('STOPPED', [])


@pytest.mark.parametrize('field', ['crashes', 'alone'])
@pytest.mark.parametrize('value', ['abc', '', '1.5', '9' * 30])
def test_foreign_numbers_that_are_none_do_not_jam_the_recovery(hands, field, value):
    hands.register()
    hands.start('1', '2')
    hands.claim()
    hands.redis.hset('task-1', field, value)
    assert sorted(crash(hands, '1', '2')) == ['1', '2']
    assert (hands.state(), hands.hash()[field], hands.redis.zcard('leases')) == ('WAIT', '1', 0)
    assert hands.line()[-1:] + hands.line()[:1] == ['2', '1']


def test_foreign_keys_among_the_held_block_no_claim(hands):
    apart(hands, '1')
    hands.redis.set('task-foreign', 'mine')
    assert take(hands, held=['foreign', 'gone']) == ['1']
    assert hands.redis.get('task-foreign') == 'mine'


@pytest.mark.parametrize('place', [0, 30, 60])
def test_a_culprit_among_sixty_residents_is_found(hands, place):
    """Each round is ten seconds of one worker: it dies of the culprit, or those on trial outlive it."""
    ids = [f'r{n:02}' for n in range(61)]
    culprit, deaths = ids[place], 0
    hands.register()
    hands.start(*ids)
    claims = {}
    for _ in range(50):
        hands.register()
        claims |= {claimed.run_id: claimed for claimed in hands.claim(limit=256).runs}
        claims |= {claimed.run_id: claimed for claimed in hands.claim(suspects=list(claims), limit=256).runs}
        if culprit in claims:
            crash(hands, *claims)
            claims, deaths = {}, deaths + 1
        elif claims:
            grow_old(hands, *claims, seconds=11)
            hands.renew(*claims.values())
        ripen(hands)
    assert (hands.state(culprit), hands.hash(culprit)['reason']) == ('EXCEPTION', 'poison')
    assert deaths <= 2 + 7 + 5, 'two, half as many each time, five alone'
    assert {hands.state(run_id) for run_id in ids if run_id != culprit} == {'RUNNING'}
