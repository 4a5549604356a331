"""Several prefixes are several independent shards."""

import pytest
from hands import Hands

from pytask.core.states import State
from pytask.store import Store


@pytest.fixture
def pair(server, redis, raw):
    """Hands in two prefixes of one server."""
    stores = [Store(server.url, prefix) for prefix in ('a:', '{b}:')]
    yield [Hands(store, redis, raw) for store in stores]
    for store in stores:
        store.close()


def test_every_key_begins_with_the_prefix(pair, redis):
    here = pair[0]
    here.finish(here.run('1'))
    here.start('2', task='other')
    here.redis.lpush('a:new-task', 'early', 'x-control')
    here.claim()
    here.release(here.run('3'))
    here.command('3')
    assert {key for key in redis.keys('*') if not key.startswith('a:')} == set()


def test_runs_of_one_id_do_not_meet(pair):
    here, there = pair
    assert [here.start('1'), there.start('1', data=b'{"a":1}')] == [[True], [True]]
    here.register()
    there.register()
    assert [run.data for run in here.claim().runs] == [b'{}']
    assert [run.data for run in there.claim().runs] == [b'{"a":1}']


def test_a_worker_of_one_is_none_of_the_other(pair):
    here, there = pair
    here.register('w1', lease_ms=60_000)
    there.register('w1', lease_ms=2000)
    there.register('w2', lease_ms=2000)
    assert [len(hands.store.workers.alive()) for hands in pair] == [1, 2]


def test_a_stop_of_one_is_none_of_the_other(pair):
    here, there = pair
    here.start('1')
    there.start('1')
    here.command('1')
    assert [hands.store.runs.counts()[State.WAIT] for hands in pair] == [1, 1]
    assert [hands.store.runs.read(['1'])[0].state for hands in pair] == [State.STOPPED, State.WAIT]


def test_events_of_one_are_not_heard_in_the_other(pair):
    here, there = pair
    stream = there.store.events()
    here.run('1')
    there.run('2')
    event = stream.read(timeout_s=5)
    stream.close()
    assert (event.run_id, event.event) == ('2', 'running')


def test_abbreviated_ids_are_found_in_one_only(pair):
    pair[0].start('abc')
    assert [hands.store.runs.starting_with('a', 10) for hands in pair] == [['abc'], []]
