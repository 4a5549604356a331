"""Pausing, resuming, removing and reading schedules."""

import pytest
from test_script_declare_schedule import declared

INFINITY = float('inf')


@pytest.fixture
def schedules(hands):
    hands.store.schedules.declare(declared(), 5000)
    return hands.store.schedules


def test_a_paused_schedule_has_no_time(hands, schedules):
    assert schedules.pause('nightly') == 'APPLIED'
    assert hands.redis.zscore('schedules', 'nightly') == INFINITY
    assert float(hands.redis.hget('schedule-nightly', 'paused')) > 1_700_000_000


def test_it_is_paused_since_the_first_time(hands, schedules):
    schedules.pause('nightly')
    hands.redis.hset('schedule-nightly', 'paused', '5')
    assert schedules.pause('nightly') == 'APPLIED'
    assert hands.redis.hget('schedule-nightly', 'paused') == '5'


@pytest.mark.every_server
def test_a_resumed_schedule_has_the_time_it_is_given(hands, schedules):
    schedules.pause('nightly')
    assert schedules.resume('nightly', 9000, is_missed=False) == 'APPLIED'
    assert hands.redis.zscore('schedules', 'nightly') == 9000
    assert not hands.redis.hexists('schedule-nightly', 'paused')
    assert not hands.redis.hexists('schedule-nightly', 'missed')


def test_a_date_that_passed_meanwhile_is_missed(hands, schedules):
    schedules.pause('nightly')
    assert schedules.resume('nightly', None, is_missed=True) == 'APPLIED'
    assert hands.redis.zscore('schedules', 'nightly') == INFINITY
    assert hands.redis.hexists('schedule-nightly', 'missed')


def test_what_is_not_paused_keeps_its_time(hands, schedules):
    assert schedules.resume('nightly', 9000, is_missed=False) == 'REFUSED'
    assert hands.redis.zscore('schedules', 'nightly') == 5000


def test_what_is_not_there_is_not_found(hands):
    schedules = hands.store.schedules
    answers = (schedules.pause('x'), schedules.resume('x', 5, is_missed=False), schedules.remove('x'))
    assert answers == ('NOT_FOUND',) * 3
    assert hands.redis.keys('*') == []


@pytest.mark.every_server
def test_a_removed_schedule_leaves_nothing(hands, schedules):
    assert schedules.remove('nightly') == 'APPLIED'
    assert not hands.redis.exists('schedules', 'schedule-nightly')


def test_what_a_living_worker_has_in_its_code_is_not_removed(hands, schedules):
    hands.store.workers.register('w1', lease_ms=60_000, fields={'tasks': '\n', 'schedules': '\nnightly\n'})
    assert schedules.remove('nightly') == 'REFUSED'
    hands.redis.zadd('workers', {'w1': 1000})  # it has died
    assert schedules.remove('nightly') == 'APPLIED'


@pytest.mark.parametrize('others', ['\nnight\nnightly2\n', '\n'])
def test_workers_with_other_schedules_do_not_matter(hands, schedules, others):
    hands.store.workers.register('w1', lease_ms=60_000, fields={'tasks': '\n', 'schedules': others})
    assert schedules.remove('nightly') == 'APPLIED'


def test_the_next_to_fire_is_read_first(schedules):
    schedules.declare(declared('a'), 7000)
    schedules.declare(declared('b'), 3000)
    schedules.pause('a')
    assert schedules.names() == ['b', 'nightly', 'a']
    found = schedules.read(schedules.names())
    assert [(one.name, one.next_at, one.is_paused) for one in found] == [
        ('b', 3.0, False), ('nightly', 5.0, False), ('a', None, True),
    ]  # fmt: skip


def test_times_tell_what_is_not_there(schedules):
    schedules.declare(declared('a'), None)
    now_ms, times = schedules.times(['nightly', 'a', 'nix'])
    assert now_ms > 1_700_000_000_000
    assert times == {'nightly': 5000.0, 'a': INFINITY, 'nix': None}


def test_junk_of_foreign_hands_is_shown_as_it_is(hands, schedules):
    hands.redis.hset('schedule-nightly', mapping={'trigger': 'junk', 'data': '{', 'last_at': 'x'})
    [found] = schedules.read(['nightly'])
    assert (found.trigger, found.tz, found.data, found.last_at) == ('junk', '', '{', None)


def test_reading_tells_who_is_declared(hands, schedules):
    assert not schedules.read(['nightly'])[0].is_declared
    hands.store.workers.register('w1', lease_ms=60_000, fields={'tasks': '\n', 'schedules': '\nnightly\n'})
    assert schedules.read(['nightly'])[0].is_declared
