"""The census: counts by queue and state, and the age of the oldest waiting run."""

import time

from pytask.store.counts import MAX_QUEUES, QueueFigures


def test_an_empty_store_has_no_runs(hands):
    figures = hands.store.census.take(['default'])
    assert set(figures.states.values()) == {0}
    assert set(figures.states) == {'RUNNING', 'due', 'held', 'ERROR', 'EXCEPTION', 'STOPPED', 'SUCCESS'}
    assert figures.lines == {'default': QueueFigures(0, None, None)}


def test_nothing_is_asked_of_no_queue(hands):
    assert hands.store.census.take([]).lines == {}


def test_queues_are_those_served_and_those_that_ever_had_a_run_up_to_a_bound(hands, redis):
    redis.sadd('queues', *(f'q{n}' for n in range(3 * MAX_QUEUES)))
    lines = hands.store.census.take(['mine']).lines
    assert len(lines) == MAX_QUEUES
    assert 'mine' in lines


def test_the_age_is_that_of_the_next_in_line(hands, redis):
    redis.hset('task-old', mapping={'task': 'a', 'created': f'{time.time() - 50:.3f}'})
    redis.hset('task-new', mapping={'task': 'a', 'created': 'nonsense'})
    redis.lpush('new-task', 'old', 'new')
    line = hands.store.census.take(['default']).lines['default']
    assert (line.waiting, line.oldest) == (2, b'old')
    assert 49 < line.age_s < 100
    redis.rpop('new-task')
    assert hands.store.census.take(['default']).lines['default'] == QueueFigures(1, b'new', None)


def test_entries_that_can_not_be_runs_are_counted_without_an_age(hands, redis):
    redis.lpush('new-task', 'x' * 10_000)
    redis.set('task-text', 'no hash')
    redis.lpush('new-task-a', 'text')
    lines = hands.store.census.take(['default', 'a']).lines
    assert [(line.waiting, line.age_s) for line in lines.values()] == [(1, None), (1, None)]
