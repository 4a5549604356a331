import pytest

from pytask import Unavailable


@pytest.fixture
def sweep(hands):
    """Sweep all pages; return how many runs were mended."""

    def sweep():
        cursor, mended = hands.store.queues.sweep('0')
        while cursor != '0':
            cursor, more = hands.store.queues.sweep(cursor)
            mended += more
        return mended

    return sweep


def test_a_run_without_a_lease_gets_one_that_is_over(hands, sweep):
    hands.run('1')
    hands.redis.delete('leases')
    assert sweep() == 1
    assert hands.redis.zscore('leases', '1') <= hands.now_ms()


def test_it_is_recovered_as_any_other(hands, sweep):
    hands.run('1')
    hands.redis.delete('leases')
    sweep()
    seen = hands.store.queues.overdue(lease_ms=60_000, limit=10)
    assert hands.store.queues.recover(seen, lease_ms=60_000) == ['1']
    assert (hands.state(), hands.line()) == ('WAIT', ['1'])


def test_its_owner_may_renew_it_first(hands, sweep):
    claimed = hands.run('1')
    hands.redis.delete('leases')
    sweep()
    seen = hands.store.queues.overdue(lease_ms=60_000, limit=10)
    hands.renew(claimed)
    assert hands.store.queues.recover(seen, lease_ms=60_000) == []
    assert hands.finish(claimed) == 'OK'


def test_a_lease_is_left_alone(hands, sweep):
    hands.run('1')
    before = hands.everything()
    assert sweep() == 0
    assert hands.everything() == before


@pytest.mark.parametrize('state', ['', 'WAIT', 'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION', 'DONE'])
def test_what_does_not_run_gets_none(hands, sweep, state):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': state})
    assert sweep() == 0
    assert not hands.redis.exists('leases')


def test_a_local_run_holds_no_lease(hands, sweep):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'RUNNING', 'local': '1'})
    assert sweep() == 0


def test_keys_of_another_type_are_passed_over(hands, sweep):
    hands.redis.set('task-1', 'mine')
    hands.redis.lpush('task-2', 'mine')
    hands.run('3')
    hands.redis.delete('leases')
    assert sweep() == 1


def test_many_are_found_page_by_page(hands, sweep):
    hands.register()
    ids = [f'{i:04}' for i in range(2000)]
    hands.start(*ids)
    while hands.claim(limit=256).runs:
        pass
    hands.redis.delete('leases')
    assert sweep() == 2000
    assert sorted(hands.redis.zrange('leases', 0, -1)) == ids


def test_a_run_that_only_says_so_waits_again(hands, sweep):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'RUNNING'})
    assert sweep() == 1
    seen = hands.store.queues.overdue(lease_ms=60_000, limit=10)
    assert hands.store.queues.recover(seen, lease_ms=60_000) == ['1']
    assert hands.line() == ['1']


def test_when_memory_is_full_it_is_refused_whole(hands, sweep):
    hands.run('1')
    hands.redis.delete('leases')
    before = hands.everything()
    hands.redis.config_set('maxmemory', 1)
    with pytest.raises(Unavailable, match='maxmemory'):
        sweep()
    assert hands.everything() == before
