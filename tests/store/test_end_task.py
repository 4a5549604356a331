"""Where workers have an end handler, an ended run is owned by end-task until that has returned."""

import pytest

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']
PAST_MS = 1000


@pytest.fixture
def ends(hands):
    """The ends of a store whose workers have an end handler."""
    hands.register('w1', handles_ends=True)
    return hands.store.ends


def take(hands, limit=10):
    return hands.store.ends.take(limit, visible_s=60)


def taken_ids(hands):
    return [run_id for run_id, _ in take(hands)]


def be_over(hands, *run_ids):
    """The time for which these were taken is over."""
    hands.redis.zadd('end-task', dict.fromkeys(run_ids, PAST_MS), xx=True)


def test_a_worker_with_an_end_handler_says_so_for_a_day(hands, ends):
    assert hands.redis.get('end-handler') == 'w1'
    assert 86_000 < hands.redis.ttl('end-handler') <= 86_400
    hands.redis.expire('end-handler', 5)
    hands.register('w2')
    assert hands.redis.ttl('end-handler') <= 5
    hands.register('w2', handles_ends=True)
    assert hands.redis.ttl('end-handler') > 86_000


def test_without_an_end_handler_nothing_is_kept_for_it(hands):
    hands.finish(hands.run('1'))
    assert take(hands) == []
    assert not hands.redis.exists('end-task', 'end-handler')
    assert 'unhandled' not in hands.hash()


@pytest.mark.parametrize('state', ENDS)
def test_an_end_is_handed_on(hands, ends, state):
    hands.finish(hands.run('1'), state)
    assert take(hands) == [('1', 1)]


WAYS = {
    'stopped while it waits': lambda hands, claimed: (hands.release(claimed), hands.command('1')),
    'stopped and given back': lambda hands, claimed: (hands.command('1'), hands.release(claimed)),
    'stopped and recovered': lambda hands, claimed: (hands.command('1'), hands.recover('1')),
    'poison': lambda hands, claimed: (
        hands.redis.hset('task-1', mapping={'crashes': 6, 'alone': 4}),
        hands.store.workers.forget('w1'),
        hands.recover('1'),
        hands.redis.zadd('due', {'1': PAST_MS}),
        hands.store.queues.promote(10),
    ),
}


@pytest.mark.parametrize('way', WAYS.values(), ids=WAYS)
def test_ends_that_no_worker_reports_are_handed_on_too(hands, ends, way):
    claimed = hands.run('1')
    way(hands, claimed)
    assert hands.state() in ENDS
    assert taken_ids(hands) == ['1']


def test_what_has_not_ended_is_not_handed_on(hands, ends):
    hands.release(hands.run('1'))
    hands.claim()
    hands.recover('1')
    assert take(hands) == []


def test_what_was_taken_is_nobody_elses(hands, ends):
    hands.finish(hands.run('1'))
    assert [taken_ids(hands), taken_ids(hands)] == [['1'], []]


def test_it_is_anybodys_again_after_its_time(hands, ends):
    hands.finish(hands.run('1'))
    take(hands)
    be_over(hands, '1')
    assert take(hands) == [('1', 2)]


def test_the_oldest_ends_come_first_and_only_so_many(hands, ends):
    for run_id in '312':
        hands.finish(hands.run(run_id))
        hands.redis.zadd('end-task', {run_id: PAST_MS + int(run_id)})
    assert [run_id for run_id, _ in take(hands, limit=2)] == ['1', '2']
    assert taken_ids(hands) == ['3']


@pytest.mark.every_server
def test_what_was_handled_is_let_go(hands, ends):
    hands.finish(hands.run('1'))
    take(hands)
    ends.let_go(['1'])
    be_over(hands, '1')
    assert take(hands) == []
    assert 'unhandled' not in hands.hash()
    ends.let_go([])


def test_letting_go_twice_is_harmless(hands, ends):
    hands.finish(hands.run('1'))
    take(hands)
    ends.let_go(['1'])
    before = hands.everything()
    ends.let_go(['1', 'unknown'])
    assert hands.everything() == before


def test_a_run_that_ended_again_meanwhile_is_handed_on_again(hands, ends):
    hands.finish(hands.run('1'))
    take(hands)
    hands.store.runs.retry('1')
    [again] = hands.claim().runs
    hands.finish(again, 'ERROR')
    ends.let_go(['1'])  # the first end
    assert take(hands) == [('1', 1)]


def test_a_retried_run_is_owned_by_its_queue_again(hands, ends):
    hands.finish(hands.run('1'))
    hands.store.runs.retry('1')
    assert not hands.redis.exists('end-task')
    assert 'unhandled' not in hands.hash()
    assert take(hands) == []


def test_a_run_that_runs_again_is_not_handed_on(hands, ends):
    hands.finish(hands.run('1'))
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    hands.claim()
    assert take(hands) == []
    assert not hands.redis.exists('end-task')


def test_what_waits_for_the_handler_is_not_pruned(hands, ends):
    hands.finish(hands.run('1'))
    remove = hands.store.runs.remove
    assert remove(['1'], takes_kept=False) == ['KEPT']
    take(hands)
    assert remove(['1'], takes_kept=False) == ['KEPT']
    ends.let_go(['1'])
    assert remove(['1'], takes_kept=False) == ['OK']


def test_what_waits_for_the_handler_goes_when_somebody_asks_for_it(hands, ends):
    hands.finish(hands.run('1'))
    assert hands.store.runs.remove(['1'], takes_kept=True) == ['OK']
    assert not hands.redis.exists('end-task', 'task-1', 'ended-SUCCESS')


def test_nobody_waits_for_a_handler_that_is_gone(hands, ends):
    hands.finish(hands.run('1'))
    hands.redis.delete('end-handler')
    assert hands.store.runs.remove(['1'], takes_kept=False) == ['OK']
    assert not hands.redis.exists('end-task')


def test_what_was_kept_for_a_handler_that_is_gone_is_forgotten(hands, ends):
    hands.finish(hands.run('1'))
    ends.forget_unwanted()
    assert hands.redis.exists('end-task')
    hands.redis.delete('end-handler')
    ends.forget_unwanted()
    assert not hands.redis.exists('end-task')


def test_a_handler_that_comes_later_keeps_nothing_it_never_gets(hands, ends):
    hands.finish(hands.run('1'))
    hands.redis.delete('end-handler')
    ends.forget_unwanted()
    hands.register('w2', handles_ends=True)
    assert take(hands) == []
    assert hands.store.runs.remove(['1'], takes_kept=False) == ['OK']


@pytest.mark.parametrize('make', ['delete', 'set'])
def test_an_end_without_its_hash_is_dropped(hands, ends, make):
    hands.finish(hands.run('1'))
    hands.finish(hands.run('2'))
    hands.redis.delete('task-1')
    if make == 'set':
        hands.redis.set('task-1', 'mine')
    assert taken_ids(hands) == ['2']
    assert hands.redis.zrange('end-task', 0, -1) == ['2']


@pytest.mark.parametrize('value', ['abc', '', '9' * 30])
def test_a_foreign_count_jams_nobody(hands, ends, value):
    hands.finish(hands.run('1'))
    hands.finish(hands.run('2'))
    hands.redis.hset('task-1', 'unhandled', value)
    assert sorted(take(hands)) == [('1', 1), ('2', 1)]


def test_when_memory_is_full_ends_are_handed_on_all_the_same(hands, ends):
    claimed = hands.run('1')
    hands.redis.config_set('maxmemory', 1)
    assert hands.finish(claimed) == 'OK'
    assert hands.redis.zcard('end-task') == 1


def test_when_memory_is_full_the_handled_are_let_go(hands, ends):
    hands.finish(hands.run('1'))
    take(hands)
    hands.redis.config_set('maxmemory', 1)
    ends.let_go(['1'])
    assert not hands.redis.exists('end-task')
