"""Steps, routines and results; the signals that steps return."""

from datetime import UTC, datetime

import pytest

from pytask import (
    PytaskError,
    Task,
    spawn,
    step,
    task,
    wait,
)
from pytask.flows.steps import Results, Routine, Step, as_steps, read_steps


@task
def crawl():
    """A task by decorator."""


class Mail(Task):
    def start(self):
        """A task by class."""


FULL = Step('a', 'a', 'a')


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ('a', FULL),
        (('a',), FULL),
        (('k', 'a'), Step('k', 'a', 'a')),
        (['k', 'a', 'n'], Step('k', 'a', 'n')),
        ({'key': 'k', 'task': 'a', 'name': 'n'}, Step('k', 'a', 'n')),
        ({'key': 'k', 'script': 'a'}, Step('k', 'a', 'a')),
        ({'script': 'a'}, FULL),
        ({'key': 'a'}, FULL),
        ({'task': 'a', 'name': 'n'}, Step('a', 'a', 'n')),
        (Step('k', 'a', 'n'), Step('k', 'a', 'n')),
        (crawl, Step('crawl', 'crawl', 'crawl')),
        (('k', Mail), Step('k', 'mail', 'mail')),
    ],
)
def test_every_shape_of_a_step(given, expected):
    assert as_steps([given]) == (expected,)
    assert read_steps(f'[["{expected.key}", "{expected.task}", "{expected.name}"]]') == (expected,)


def test_step_makes_one():
    assert step('k', 'a', 'n') == Step('k', 'a', 'n')
    assert step(task=Mail, name='post') == Step('mail', 'mail', 'post')


@pytest.mark.parametrize(
    ('given', 'why'),
    [
        (['a', ''], 'step 1: a step needs a task'),
        (['a', ()], 'step 1: a step needs a task'),
        ([{}], 'step 0: a step needs a task'),
        ([('a', 'b', 'c', 'd')], 'step 0: a step has 1 to 3 parts, not 4'),
        ([{'key': 'a', 'tsak': 'b'}], 'step 0: unknown in a step: tsak'),
        ([5], 'step 0: 5 cannot be part of a step'),
        (['a\n'], 'step 0: .* cannot be part of a step'),
        ('a', 'steps must be a list, not str'),
        ({'key': 'a'}, 'steps must be a list, not dict'),
        (5, 'steps must be a list, not int'),
        ([], 'a routine has 1 to 1,000 steps, not 0'),
        (['a'] * 1001, 'a routine has 1 to 1,000 steps, not 1,001'),
    ],
)
def test_what_is_no_step_is_told_with_its_position(given, why):
    with pytest.raises(PytaskError, match=f'^{why}'):
        as_steps(given)


@pytest.mark.parametrize('text', [b'', b'{', b'"a"', b'[[]]'])
def test_what_foreign_hands_have_written_is_no_steps(text):
    with pytest.raises(PytaskError):
        read_steps(text)


def test_a_routine_tells_its_steps_by_position():
    made = Routine('r', 2, as_steps(['a', 'b']))
    assert made.step_at(1) == Step('b', 'b', 'b')
    for position in (2, -1, True, 'a'):
        with pytest.raises(PytaskError, match='steps are 0 to 1'):
            made.step_at(position)
    assert made.to_json()['steps'][0] == {'key': 'a', 'task': 'a', 'name': 'a'}


def test_results_are_found_by_key_and_by_position():
    results = Results.read(
        {'0:a': b'1', '2:b:c': b'[2]', '11:a': b'3', 'steps': b'[]', 'error:1': b'"x"', '3:j': b'{'}
    )
    assert (results['a'], results[0], results[11], results['b:c']) == (3, 1, 3, [2])
    assert dict(results) == {'a': 3, 'b:c': [2], 'j': '{'}
    assert len(results) == 3
    assert repr(Results()) == 'Results({})'
    assert results.get('nothing') is None
    with pytest.raises(KeyError):
        results[1]
    assert results.to_json()[0] == {'position': 0, 'key': 'a', 'value': 1}


def test_wait_takes_any_moment():
    moment = datetime(2030, 1, 31, 8, tzinfo=UTC)
    for until in (moment, moment.timestamp(), '2030-01-31T08:00+00:00'):
        assert wait('x', until).until_ms == int(moment.timestamp() * 1000)
    assert wait(reason='x').until_ms is None
    for until in ('tomorrow', -1, True, 1e13, float('nan'), []):
        with pytest.raises(PytaskError, match=r'is not a (date|time)'):
            wait(until=until)


def test_spawn_takes_a_task_or_a_routine():
    assert spawn('x', Mail, (1,), {'n': 2}).task == 'mail'
    assert spawn(task='mail', args=[1]).args == (1,)
    assert spawn(routine=Routine('r', 1, (FULL,))).routine == 'r'
    for bad in ({}, {'task': 'a', 'routine': 'r'}, {'routine': 'r', 'args': (1,)}):
        with pytest.raises(PytaskError, match=r'^spawn'):
            spawn(**bad)


def test_a_field_may_be_named_as_what_a_task_has():
    class Named(Task):
        state: str
        results: int = 5

        def start(self):
            return self.state

    from pytask.schema.signatures import inputs_of

    assert inputs_of(Named).usage == 'named(state: str, results: int = 5)'
