def test_a_run_given_back_waits_in_front(hands):
    claimed = hands.run('1')
    hands.start('2')
    assert hands.release(claimed, 'shutdown') == 'OK'
    found = hands.hash()
    assert (found['state'], found['reason']) == ('WAIT', 'shutdown')
    assert not {'token', 'worker'} & found.keys()
    assert (hands.line(), hands.redis.zcard('leases')) == (['1', '2'], 0)


def test_giving_back_is_told_as_an_event(hands, events):
    claimed = hands.run('1')
    events()
    hands.release(claimed, 'a "reason"\n')
    assert events() == [('1', 'wait', {'reason': 'a "reason"\n'})]


def test_giving_back_counts_nowhere(hands):
    hands.release(hands.run('1'))
    assert 'crashes' not in hands.hash()
    assert not hands.redis.exists('stats')


def test_it_goes_back_to_its_own_queue(hands):
    hands.release(hands.run('1', queue='mail'))
    assert (hands.line('mail'), hands.line()) == (['1'], [])


def test_giving_back_again_is_stale(hands):
    claimed = hands.run('1')
    hands.release(claimed)
    before = hands.everything()
    assert hands.release(claimed) == 'STALE'
    assert hands.everything() == before


def test_another_token_is_stale(hands):
    claimed = hands.run('1')
    assert hands.release(claimed._replace(token='1:x:w2')) == 'STALE'
    assert hands.state() == 'RUNNING'


def test_an_ended_run_is_stale(hands):
    claimed = hands.run('1')
    hands.finish(claimed)
    assert hands.release(claimed) == 'STALE'
    assert hands.state() == 'SUCCESS'


def test_one_that_was_told_to_stop_ends_stopped(hands, events):
    claimed = hands.run('1')
    hands.command('1', 'stop')
    events()
    assert hands.release(claimed) == 'OK'
    assert (hands.state(), hands.hash()['reason'], hands.line()) == ('STOPPED', 'stop', [])
    assert (hands.redis.zcard('ended-STOPPED'), hands.redis.hgetall('stats')) == (1, {'STOPPED:hello': '1'})
    assert events() == [('1', 'stopped', None)]
    assert 'stop' not in hands.hash()


def test_a_stop_for_another_attempt_is_none(hands):
    claimed = hands.run('1')
    hands.redis.hset('task-1', 'stop', '7')
    hands.release(claimed)
    assert hands.state() == 'WAIT'


def test_a_stop_of_the_attempt_ends_it_and_leaves_no_grace(hands):
    claimed = hands.run('1')
    hands.command('1', grace_s=3)
    hands.release(claimed)
    assert hands.state() == 'STOPPED'
    assert not {'stop', 'grace'} & hands.hash().keys()
