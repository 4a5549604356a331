import pytest

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


def remove(hands, *run_ids, takes_kept=False):
    return hands.store.runs.remove(run_ids, takes_kept=takes_kept)


@pytest.mark.parametrize('state', ENDS)
def test_hash_and_index_go_together(hands, state):
    hands.finish(hands.run('1'), state)
    assert remove(hands, '1') == ['OK']
    assert not hands.redis.exists('task-1', f'ended-{state}')


def test_what_is_kept_stays(hands):
    hands.finish(hands.run('1'))
    hands.redis.hset('task-1', 'keep', '1')
    assert remove(hands, '1') == ['KEPT']
    assert hands.redis.exists('task-1', 'ended-SUCCESS') == 2


def test_what_is_kept_goes_when_somebody_asks_for_it(hands):
    hands.finish(hands.run('1'))
    hands.redis.hset('task-1', 'keep', '1')
    assert remove(hands, '1', takes_kept=True) == ['OK']
    assert not hands.redis.exists('task-1', 'ended-SUCCESS')


def test_what_has_not_ended_stays(hands):
    hands.run('1')
    hands.start('2')
    hands.redis.hset('task-3', 'task', 'hello')
    before = hands.everything()
    assert remove(hands, '1', '2', '3') == ['RUNNING', 'WAIT', 'WAIT']
    assert hands.everything() == before


def test_an_index_without_a_hash_is_cleared(hands):
    for state in ENDS:
        hands.redis.zadd(f'ended-{state}', {'1': 1})
    assert remove(hands, '1') == ['NOT_FOUND']
    assert hands.redis.keys('*') == []


def test_a_key_of_another_type_is_not_ours_to_delete(hands):
    hands.redis.set('task-1', 'mine')
    assert remove(hands, '1') == ['NOT_FOUND']
    assert hands.redis.get('task-1') == 'mine'


def test_repeating_it_is_harmless(hands):
    hands.finish(hands.run('1'))
    assert [remove(hands, '1'), remove(hands, '1')] == [['OK'], ['NOT_FOUND']]


def test_removing_nothing_is_fine(hands):
    assert remove(hands) == []
