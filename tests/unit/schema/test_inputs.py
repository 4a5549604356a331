import copy
import pickle
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import pytest

from pytask import NotGiven, Task
from pytask.authoring.decorator import function_class
from pytask.errors import ConfigError, InputError
from pytask.schema.signatures import inputs_of


class Colour(Enum):
    RED = 'red'


@dataclass
class Point:
    x: int
    y: int = 0


ORIGIN = Point(1)


class Crawl(Task):
    def __init__(self, url: str, depth: int = 2, *, tags: list[str] = ()):
        pass


def inputs(function):
    return inputs_of(function_class(function))


def annotated(hint):
    def f(x):
        pass

    f.__annotations__['x'] = hint
    return inputs(f)


def problems(function_or_task, data):
    found = inputs_of(function_or_task) if isinstance(function_or_task, type) else inputs(function_or_task)
    with pytest.raises(InputError) as caught:
        found.bind(data)
    return caught.value


def test_inputs_without_types_take_anything():
    def f(a, b=1):
        pass

    assert inputs(f).bind({'a': {'x': [None]}}) == {'a': {'x': [None]}}


def test_what_is_left_out_keeps_its_default():
    assert inputs_of(Crawl).bind({'url': 'x'}) == {'url': 'x'}


@pytest.mark.parametrize(
    ('hint', 'given', 'bound'),
    [
        (int, '6', 6),
        (int, 6.0, 6),
        (float, '2.5', 2.5),
        (float, 2, 2.0),
        (bool, 'true', True),
        (bool, '0', False),
        (int | None, None, None),
        (list[int], ['1', 2], [1, 2]),
        (dict[str, int], {'a': '1'}, {'a': 1}),
        (datetime, '2026-01-02T03:04:05Z', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (Colour, 'red', Colour.RED),
        (Literal['a', 'b'], 'a', 'a'),
        (Point, {'x': '1'}, Point(1)),
        (Any, object, object),
    ],
)
def test_an_annotated_input_is_converted_where_that_is_safe(hint, given, bound):
    assert annotated(hint).bind({'x': given}) == {'x': bound}


@pytest.mark.parametrize(
    ('hint', 'given', 'why'),
    [
        (int, 'abc', 'expected int'),
        (int, 2.5, 'expected int'),
        (int, None, 'got null'),
        (str, 5, 'expected str'),
        (list[int], 'abc', 'expected array'),
    ],
)
def test_what_does_not_fit_is_told_with_the_value(hint, given, why):
    with pytest.raises(InputError) as caught:
        annotated(hint).bind({'x': given})
    [(name, what)] = caught.value.problems
    assert name == 'x'
    assert why in what
    assert repr(given) in what


def test_all_problems_are_told_at_once():
    error = problems(Crawl, {'depth': 'deep', 'colour': 1})
    assert [name for name, _ in error.problems] == ['depth', 'colour', 'url']
    assert str(error).splitlines() == [
        'invalid inputs for `crawl`',
        "  depth  expected int, got str ('deep')",
        '  colour  is not an input',
        '  url  is missing',
        '  usage  crawl(url: str, depth: int = 2, tags: list[str] = ())',
    ]


def test_a_giant_value_is_cut_in_the_message():
    assert len(str(problems(Crawl, {'url': ['x' * 100_000]}))) < 300


def test_more_keywords_are_taken_where_the_signature_takes_them():
    def f(a: int, **more):
        pass

    assert inputs(f).bind({'a': '1', 'b': '2'}) == {'a': 1, 'b': '2'}
    assert inputs(f).usage == 'f(a: int, **more)'


def test_more_positions_are_one_input_a_list():
    def f(first, *more: int, a=1):
        pass

    found = inputs(f)
    assert found.usage == 'f(first, *more, a=1)'
    assert found.named([1, 2, 3], {'a': 4}) == {'first': 1, 'more': [2, 3], 'a': 4}
    assert found.arguments(found.bind({'first': 'x', 'more': ['2'], 'a': 4})) == (['x', 2], {'a': 4})
    assert found.arguments(found.bind({'first': 'x'})) == ([], {'first': 'x'})


def test_positional_values_get_the_names_of_the_signature():
    def f(a, b=1, *, c=2):
        pass

    assert inputs(f).named(['x']) == {'a': 'x'}
    assert inputs(f).named(['x', 'y'], {'c': 'z'}) == {'a': 'x', 'b': 'y', 'c': 'z'}
    assert inputs(f).named([], {'a': 'x'}) == {'a': 'x'}


def test_values_of_class_fields_are_named_in_their_order():
    class Fetch(Task):
        url: str
        depth: int = 2

        def start(self):
            pass

    assert inputs_of(Fetch).named(['x', 3]) == {'url': 'x', 'depth': 3}


@pytest.mark.parametrize(
    ('args', 'data', 'problems'),
    [
        ((1, 2, 3), {}, [('args', 'are 3 by position; f takes 2')]),
        ((1,), {'a': 2}, [('a', 'is given by position and by name')]),
    ],
)
def test_positional_values_nobody_takes_are_told(args, data, problems):
    def f(a, b=1, *, c=2):
        pass

    with pytest.raises(InputError) as caught:
        inputs(f).named(args, data)
    assert caught.value.problems == problems


def test_a_task_without_inputs_says_so():
    def f():
        pass

    assert problems(f, {'a': 1}).problems == [('a', 'is not taken: `f` declares no inputs')]


def test_a_class_without_init_has_no_inputs():
    class Plain(Task):
        def start(self):
            pass

    assert inputs_of(Plain).bind({}) == {}
    assert problems(Plain, {'a': 1}).problems == [('a', 'is not taken: `plain` declares no inputs')]


def test_annotated_class_fields_are_inputs():
    class Fetch(Task):
        url: str
        depth: int = 2

        def start(self):
            pass

    assert inputs_of(Fetch).bind({'url': 'x', 'depth': '3'}) == {'url': 'x', 'depth': 3}


def test_an_annotated_class_field_may_have_any_name():
    class Check(Task):
        host: str
        port: int = 80

        def start(self):
            pass

    assert inputs_of(Check).bind({'host': 'x', 'port': '8080'}) == {'host': 'x', 'port': 8080}


def test_an_inherited_init_gives_the_inputs():
    class Deeper(Crawl):
        pass

    assert list(inputs_of(Deeper).fields) == ['url', 'depth', 'tags']


def test_positional_only_inputs_are_refused():
    def f(a, /):
        pass

    with pytest.raises(ConfigError, match="f: input 'a' is positional-only"):
        inputs(f)


@pytest.mark.parametrize('hint', [Path, object, complex, Task, type('Own', (), {}), 5])
def test_a_type_nobody_can_convert_to_passes_through(hint):
    given = 'some text'
    assert annotated(hint).bind({'x': given})['x'] is given


@pytest.mark.parametrize(
    ('hint', 'given'), [(Path | None, 'a'), (list[Path], ['a']), (dict[str, Path], {'a': 'b'})], ids=str
)
def test_such_a_type_inside_another_passes_through(hint, given):
    assert annotated(hint).bind({'x': given}) == {'x': given}


@pytest.mark.parametrize('hint', ['OnlyForTypeCheckers', 'some words', 'a.b.c', 'list[Nowhere]'])
def test_an_annotation_that_is_no_type_passes_through(hint):
    assert annotated(hint).bind({'x': 'a'}) == {'x': 'a'}


def test_usage_shows_names_types_and_defaults():
    def f(a, b=1, c: str = 'x', *, d: bool = False):
        pass

    assert inputs(f).usage == "f(a, b=1, c: str = 'x', d: bool = False)"


def test_the_schema_of_inputs():
    def f(url: str, when: datetime | None = None, at: Point = ORIGIN, *, tags: list[str] = (), own: Path, **more):
        pass

    assert inputs(f).schema('#/components/schemas/{name}') == {
        'type': 'object',
        'properties': {
            'url': {'type': 'string'},
            'when': {'anyOf': [{'type': 'string', 'format': 'date-time'}, {'type': 'null'}], 'default': None},
            'at': {'$ref': '#/components/schemas/Point', 'default': {'x': 1, 'y': 0}},
            'tags': {'type': 'array', 'items': {'type': 'string'}, 'default': []},
            'own': {},
        },
        'required': ['url', 'own'],
        'additionalProperties': True,
        '$defs': {
            'Point': {
                'title': 'Point',
                'type': 'object',
                'properties': {'x': {'type': 'integer'}, 'y': {'type': 'integer', 'default': 0}},
                'required': ['x'],
            }
        },
    }


def test_the_schema_of_no_inputs_and_of_typed_further_ones():
    def nothing():
        pass

    def more(**more: int):
        pass

    assert inputs(nothing).schema() == {
        'type': 'object',
        'properties': {},
        'required': [],
        'additionalProperties': False,
    }
    assert inputs(more).schema()['additionalProperties'] == {'type': 'integer'}
    assert inputs(more).bind({'a': '1'}) == {'a': 1}
    assert problems(more, {'a': 'x', 'b': 1.5}).problems == [
        ('a', "expected int, got str ('x')"),
        ('b', 'expected int, got float (1.5)'),
    ]


def test_what_was_not_given_is_told_from_none():
    def f(a: int | None = NotGiven):
        pass

    assert inputs(f).bind({}) == {}
    assert inputs(f).bind({'a': None}) == {'a': None}
    assert 'default' not in inputs(f).schema()['properties']['a']
    assert inputs(f).usage == 'f(a: int | None = NotGiven)'


def test_not_given_is_one_false_thing():
    assert not NotGiven
    assert repr(NotGiven) == 'NotGiven'
    assert copy.deepcopy(NotGiven) is NotGiven
    assert pickle.loads(pickle.dumps(NotGiven)) is NotGiven


class Partly(Task):
    LIMIT: 'ClassVar[Nowhere]' = 5  # noqa: F821
    LEAST: ClassVar[int] = 1
    count: 'int'
    foreign: 'Nowhere' = None  # noqa: F821


class FurtherPartly(Partly):
    other: 'list[Point]' = ()


def test_an_annotation_that_is_nowhere_leaves_the_others_as_they_are():
    found = inputs_of(FurtherPartly)
    assert list(found.fields) == ['count', 'foreign', 'other']
    given = {'count': '6', 'foreign': [1], 'other': [{'x': 1}]}
    assert found.bind(given) == {'count': 6, 'foreign': [1], 'other': [Point(1)]}
    assert problems(FurtherPartly, {'count': 'x', 'other': 1}).problems == [
        ('count', "expected int, got str ('x')"),
        ('other', 'expected array, got int (1)'),
    ]


def test_so_it_does_in_a_signature():
    def f(a: int, foreign: 'Nowhere' = None):  # noqa: F821
        pass

    assert inputs(f).bind({'a': '6', 'foreign': 1}) == {'a': 6, 'foreign': 1}


def test_constants_of_a_class_are_no_inputs():
    class Constant(Task):
        A: ClassVar = 5
        B: Final = 6
        C: Final[int] = 7
        D: ClassVar[int] = 8
        e: int = 9

        def start(self):
            pass

    assert list(inputs_of(Constant).fields) == ['e']


def test_a_function_may_take_what_methods_call_their_first():
    def f(cls, **data):
        return cls, data

    task_class = function_class(f)
    found = inputs_of(task_class)
    task = task_class.__new__(task_class)
    found.give(task, found.bind({'cls': 1, 'self': 2}))
    assert task.start() == (1, {'self': 2})


def test_what_an_init_calls_its_first_is_no_further_name():
    class More(Task):
        def __init__(self, **data):
            pass

    class Positional(Task):
        def __init__(self, /, **data):
            pass

    assert problems(More, {'self': 1, 'cls': 2}).problems == [('self', 'is not an input')]
    assert inputs_of(Positional).bind({'self': 1}) == {'self': 1}
