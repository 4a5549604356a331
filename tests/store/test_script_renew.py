import pytest


def test_renewing_moves_the_deadline(hands):
    claimed = hands.run('1')
    hands.redis.zadd('leases', {'1': hands.now_ms() + 5})
    before_ms = hands.now_ms()
    assert hands.renew(claimed) == []
    assert before_ms + 60_000 <= hands.redis.zscore('leases', '1') <= hands.now_ms() + 60_000


def test_a_lease_that_is_over_is_renewed_while_nobody_recovered_it(hands):
    claimed = hands.run('1')
    hands.lose('1')
    assert hands.renew(claimed) == []
    assert hands.redis.zscore('leases', '1') > hands.now_ms()


def test_a_lease_that_got_lost_is_made_anew(hands):
    claimed = hands.run('1')
    hands.redis.zrem('leases', '1')
    assert hands.renew(claimed) == []
    assert hands.redis.zscore('leases', '1') > hands.now_ms()


def test_a_run_that_is_anothers_now_is_lost(hands):
    old = hands.run('1')
    hands.recover('1')
    [new] = hands.claim().runs
    deadline = hands.redis.zscore('leases', '1')
    assert hands.renew(old) == [('1', 'LOST')]
    assert hands.redis.zscore('leases', '1') == deadline
    assert hands.renew(new) == []


def test_a_run_recovered_and_not_claimed_yet_is_lost(hands):
    claimed = hands.run('1')
    hands.recover('1')
    assert hands.renew(claimed) == [('1', 'LOST')]
    assert hands.redis.zcard('leases') == 0


def test_a_hash_that_is_gone_is_told(hands):
    claimed = hands.run('1')
    hands.redis.delete('task-1')
    assert hands.renew(claimed) == [('1', 'GONE')]


def test_an_ended_run_is_passed_over(hands):
    claimed = hands.run('1')
    hands.finish(claimed)
    assert hands.renew(claimed) == []
    assert hands.redis.zcard('leases') == 0


def test_a_stop_is_told_again_and_the_lease_still_renewed(hands):
    claimed = hands.run('1')
    hands.command('1', 'stop')
    hands.lose('1')
    assert hands.renew(claimed) == hands.renew(claimed) == [('1', 'STOP')]
    assert hands.redis.zscore('leases', '1') > hands.now_ms()


def test_a_stop_for_another_attempt_is_not_told(hands):
    claimed = hands.run('1')
    hands.redis.hset('task-1', 'stop', '7')
    assert hands.renew(claimed) == []


def test_a_reload_is_told_again(hands):
    claimed = hands.run('1')
    hands.command('1', 'reload', command_id='c')
    assert hands.renew(claimed) == [('1', 'RELOAD')]


def test_a_stop_goes_before_a_reload(hands):
    claimed = hands.run('1')
    hands.command('1', 'reload', command_id='c')
    hands.command('1', 'stop')
    assert hands.renew(claimed) == [('1', 'STOP')]


@pytest.mark.parametrize(('age_s', 'crashes'), [(50, '1'), (70, None)])
def test_a_minute_of_life_forgives_crashes(hands, age_s, crashes):
    claimed = hands.run('1')
    hands.redis.hset('task-1', mapping={'crashes': '1', 'started': hands.now_ms() / 1000 - age_s})
    hands.renew(claimed)
    assert hands.hash().get('crashes') == crashes


def test_verdicts_name_their_runs(hands):
    hands.register()
    hands.start('1', '2', '3')
    one, two, three = hands.claim().runs
    hands.redis.delete('task-1')
    hands.command('3', 'stop')
    assert hands.renew(one, two, three) == [('1', 'GONE'), ('3', 'STOP')]


def test_renewing_nothing_is_fine(hands):
    assert hands.renew() == []
