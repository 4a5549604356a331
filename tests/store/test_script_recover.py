import pytest

LEASE_MS = 60_000


def overdue(hands):
    return hands.store.queues.overdue(lease_ms=LEASE_MS, limit=100)


def recover(hands, *seen):
    return hands.store.queues.recover(seen, lease_ms=LEASE_MS)


def test_leases_that_are_over_are_seen(hands):
    hands.register()
    hands.start('1', '2')
    hands.claim()
    assert overdue(hands) == []
    hands.lose('1')
    assert overdue(hands) == [('1', 1000)]


def test_a_deadline_far_ahead_is_seen_as_over(hands):
    hands.run('1')
    far_ms = hands.now_ms() + 3 * LEASE_MS
    hands.redis.zadd('leases', {'1': far_ms})
    assert overdue(hands) == [('1', far_ms)]
    assert recover(hands, ('1', far_ms)) == ['1']


def test_only_a_page_is_seen(hands):
    hands.redis.zadd('leases', {str(i): i for i in range(10)})
    assert len(hands.store.queues.overdue(lease_ms=LEASE_MS, limit=3)) == 3


@pytest.mark.parametrize('score', ['inf', '-inf', '1e300', '1000.5'])
def test_a_foreign_deadline_is_seen_and_recovered(hands, score):
    hands.run('1')
    hands.redis.zadd('leases', {'1': score})
    assert recover(hands, *overdue(hands)) == ['1']


def test_a_recovered_run_waits_again(hands):
    hands.run('1')
    assert hands.recover('1') == ['1']
    assert (hands.state(), hands.line(), hands.redis.zcard('leases')) == ('WAIT', ['1'], 0)
    assert 'token' not in hands.hash()


def test_recovering_is_told_as_an_event(hands, events):
    hands.run('1')
    events()
    hands.recover('1')
    assert events() == [('1', 'wait', {'reason': 'recovered'})]


def test_a_run_renewed_since_it_was_seen_stays(hands):
    claimed = hands.run('1')
    hands.lose('1')
    seen = overdue(hands)
    hands.renew(claimed)
    assert recover(hands, *seen) == []
    assert hands.state() == 'RUNNING'


def test_another_deadline_than_the_seen_one_stays_even_if_it_is_over(hands):
    hands.run('1')
    hands.lose('1')
    assert recover(hands, ('1', 999)) == []
    assert hands.state() == 'RUNNING'


def test_a_deadline_that_is_not_over_stays(hands):
    hands.run('1')
    assert recover(hands, ('1', int(hands.redis.zscore('leases', '1')))) == []
    assert hands.state() == 'RUNNING'


def test_only_the_first_of_two_monitors_recovers(hands):
    hands.run('1')
    hands.lose('1')
    seen = overdue(hands)
    assert [recover(hands, *seen), recover(hands, *seen)] == [['1'], []]
    assert hands.line() == ['1']


def test_it_goes_back_to_its_own_queue(hands):
    hands.run('1', queue='mail')
    hands.recover('1')
    assert (hands.line('mail'), hands.line()) == (['1'], [])


def test_a_crash_counts_when_the_owner_is_gone(hands):
    hands.run('1')
    hands.store.workers.forget('w1')
    hands.recover('1')
    assert (hands.hash()['crashes'], hands.hash()['reason']) == ('1', 'its worker died')


def test_a_crash_counts_when_the_owner_was_not_heard_of_for_a_lease(hands):
    hands.run('1')
    hands.redis.zadd('workers', {'w1': 1000})
    hands.recover('1')
    assert hands.hash()['crashes'] == '1'


def test_no_crash_counts_while_the_owner_lives(hands):
    hands.run('1')
    hands.recover('1')
    assert 'crashes' not in hands.hash()
    assert hands.hash()['reason'] == 'lost by its worker'


def test_crashes_add_up(hands):
    for _ in range(2):
        hands.register()
        hands.start('1')
        hands.claim()
        hands.store.workers.forget('w1')
        hands.recover('1')
    assert hands.hash()['crashes'] == '2'


def test_one_that_was_told_to_stop_ends_stopped(hands, events):
    hands.run('1')
    hands.command('1', 'stop')
    events()
    assert hands.recover('1') == ['1']
    assert (hands.state(), hands.line()) == ('STOPPED', [])
    assert hands.redis.zscore('ended-STOPPED', '1')
    assert hands.redis.hgetall('stats') == {'STOPPED:hello': '1'}
    assert events() == [('1', 'stopped', None)]
    assert 'stop' not in hands.hash()


def test_a_stop_for_another_attempt_is_forgotten(hands):
    hands.run('1')
    hands.redis.hset('task-1', 'stop', '7')
    hands.recover('1')
    assert hands.state() == 'WAIT'
    assert 'stop' not in hands.hash()


@pytest.mark.parametrize('state', ['WAIT', 'SUCCESS'])
def test_a_lease_of_a_run_that_does_not_run_is_dropped(hands, state):
    hands.run('1')
    hands.redis.hset('task-1', 'state', state)
    assert hands.recover('1') == []
    assert (hands.redis.zcard('leases'), hands.state(), hands.line()) == (0, state, [])


def test_a_lease_without_a_hash_is_dropped(hands):
    hands.run('1')
    hands.redis.delete('task-1')
    assert hands.recover('1') == []
    assert not hands.redis.exists('leases', 'task-1', 'new-task')


def test_a_lease_of_a_key_of_another_type_is_dropped(hands):
    hands.run('1')
    hands.redis.delete('task-1')
    hands.redis.set('task-1', 'mine')
    assert hands.recover('1') == []
    assert hands.redis.zcard('leases') == 0


def test_a_run_without_its_task_jams_nobody(hands):
    hands.register()
    hands.start('1', '2')
    hands.claim()
    hands.command('1', 'stop')
    hands.redis.hdel('task-1', 'task')
    assert '2' in hands.recover('1', '2')
    assert hands.redis.zcard('leases') == 0


def test_recovering_nothing_is_fine(hands):
    assert recover(hands) == []
