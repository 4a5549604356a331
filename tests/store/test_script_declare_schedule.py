import pytest

from pytask.schedules.schedule import Declared
from pytask.schedules.triggers import Date, Every


def declared(name='nightly', task='hello', seconds=30, *, data=b'{}', queue='default'):
    return Declared(name, task, queue, data, Every(seconds))


@pytest.fixture
def schedules(hands):
    return hands.store.schedules


def test_a_new_schedule_is_a_hash_and_a_time(hands, schedules):
    assert schedules.declare(declared(data=b'{"a":1}', queue='mail'), 5000) == 'NEW'
    assert hands.redis.hgetall('schedule-nightly') == {
        'task': 'hello', 'queue': 'mail', 'data': '{"a":1}', 'trigger': '{"every":30}',
    }  # fmt: skip
    assert hands.redis.zrange('schedules', 0, -1, withscores=True) == [('nightly', 5000)]


def test_the_same_again_changes_nothing(hands, schedules):
    schedules.declare(declared(), 5000)
    before = hands.everything()
    assert schedules.declare(declared(), 9000) == 'SAME'
    assert hands.everything() == before


@pytest.mark.parametrize('other', [{'task': 'other'}, {'data': b'{"a":1}'}, {'queue': 'mail'}])
def test_other_data_keeps_the_time(hands, schedules, other):
    schedules.declare(declared(), 5000)
    schedules.fire('nightly', 5000, 8000, 'a')
    assert schedules.declare(declared(**other), 9000) == 'CHANGED'
    assert hands.redis.zscore('schedules', 'nightly') == 8000
    [(field, value)] = other.items()
    assert hands.redis.hmget('schedule-nightly', field, 'last_run') == [
        getattr(value, 'decode', lambda: value)(),
        'a',
    ]


def test_another_trigger_is_a_new_time(hands, schedules):
    schedules.declare(declared(), 5000)
    schedules.fire('nightly', 5000, 8000, 'a')
    assert schedules.declare(declared(seconds=60), 9000) == 'CHANGED'
    assert hands.redis.zscore('schedules', 'nightly') == 9000
    assert hands.redis.hmget('schedule-nightly', 'trigger', 'last_run', 'last_at') == ['{"every":60}', None, None]


def test_a_schedule_without_a_time_is_missed(hands, schedules):
    old = Declared('old', 'hello', 'default', b'{}', Date('2009-11-06', 'UTC'))
    assert schedules.declare(old, None) == 'MISSED'
    assert hands.redis.zscore('schedules', 'old') == float('inf')
    assert hands.redis.hget('schedule-old', 'missed') == '1'
    assert schedules.declare(old, None) == 'SAME'


def test_a_date_that_has_come_is_not_missed_when_its_data_changes(hands, schedules):
    past = Declared('old', 'hello', 'default', b'{}', Date('2009-11-06', 'UTC'))
    schedules.declare(past, 5000)
    assert schedules.declare(past._replace(data=b'{"a":1}'), None) == 'CHANGED'
    assert hands.redis.zscore('schedules', 'old') == 5000
    assert not hands.redis.hexists('schedule-old', 'missed')


def test_another_date_is_not_missed_any_more(hands, schedules):
    schedules.declare(Declared('old', 'hello', 'default', b'{}', Date('2009-11-06', 'UTC')), None)
    schedules.declare(Declared('old', 'hello', 'default', b'{}', Date('2039-11-06', 'UTC')), 7000)
    assert hands.redis.zscore('schedules', 'old') == 7000
    assert not hands.redis.hexists('schedule-old', 'missed')


def test_a_paused_schedule_stays_so_when_it_changes(hands, schedules):
    schedules.declare(declared(), 5000)
    schedules.pause('nightly')
    assert schedules.declare(declared(), 9000) == 'SAME'
    assert schedules.declare(declared(seconds=60), 9000) == 'CHANGED'
    assert hands.redis.zscore('schedules', 'nightly') == float('inf')
    assert hands.redis.hexists('schedule-nightly', 'paused')


def test_what_redis_has_half_forgotten_is_written_anew(hands, schedules):
    schedules.declare(declared(), 5000)
    hands.redis.delete('schedules')
    assert schedules.declare(declared(), 9000) == 'NEW'
    assert hands.redis.zscore('schedules', 'nightly') == 9000


def test_a_key_of_another_type_is_left_alone(hands, schedules):
    hands.redis.set('schedule-nightly', 'mine')
    assert schedules.declare(declared(), 5000) == 'REFUSED'
    assert (hands.redis.get('schedule-nightly'), hands.redis.exists('schedules')) == ('mine', 0)
