"""What is wrong with a value, and where: a table, and msgspec itself beside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from pytask.schema.problems import MOST, Misfit
from pytask.schema.value_types import kind_of


class Bad(list):
    """All that is wrong: (path, what) pairs."""

    def __init__(self, *problems):
        super().__init__(problems)


class Colour(Enum):
    RED = 'red'
    BLUE = 'blue'


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class Line:
    points: list[Point]
    name: str | None = None


@dataclass
class Even:
    n: int

    def __post_init__(self):
        if self.n % 2:
            raise ValueError('n is odd')


class Site(TypedDict):
    url: str
    depth: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str = ''


class Strict(Struct, forbid_unknown_fields=True, rename='camel'):
    page_size: int
    at: Point | None = None


class Circle(Struct, tag=True):
    r: float


class Square(Struct, tag=True):
    side: float


class Row(Struct, array_like=True):
    a: int
    b: int


Port = Annotated[int, Meta(ge=1, le=65535)]
Slug = Annotated[str, Meta(min_length=2, pattern='^[a-z]+$')]

YEAR = "expected datetime, such as 2026-12-31T23:59:59Z, got a number as text ('2026')"
# Type, given, expected.
ROWS = [
    # numbers
    (int, 6, 6),
    (int, '6', 6),
    (int, 6.0, 6),
    (int, '6.0', 6),
    (int, '-3', -3),
    (int, 10**30, 10**30),
    (int, 'six', Bad(('', "expected int, got str ('six')"))),
    (int, 6.5, Bad(('', 'expected int, got float (6.5)'))),
    (int, '6.5', Bad(('', "expected int, got str ('6.5')"))),
    (int, True, Bad(('', 'expected int, got bool (True)'))),
    (int, None, Bad(('', 'expected int, got null (None)'))),
    (int, '', Bad(('', "expected int, got str ('')"))),
    (int, ' 6', Bad(('', "expected int, got str (' 6')"))),
    (int, [6], Bad(('', 'expected int, got array ([6])'))),
    (int, {'a': 6}, Bad(('', "expected int, got object ({'a': 6})"))),
    (float, 2, 2.0),
    (float, '2.5', 2.5),
    (float, '1e3', 1000.0),
    (float, 'x', Bad(('', "expected float, got str ('x')"))),
    (float, True, Bad(('', 'expected float, got bool (True)'))),
    (float, None, Bad(('', 'expected float, got null (None)'))),
    (bool, True, True),
    (bool, 'true', True),
    (bool, 'False', False),
    (bool, '0', False),
    (bool, 1, True),
    (bool, 0, False),
    (bool, 2, Bad(('', 'expected bool, got int (2)'))),
    (bool, 'yes', Bad(('', "expected bool, got str ('yes')"))),
    (bool, 1.0, Bad(('', 'expected bool, got float (1.0)'))),
    (Decimal, '1.50', Decimal('1.50')),
    (Decimal, 'x', Bad(('', "invalid decimal string ('x')"))),
    (Port, 80, 80),
    (Port, '80', 80),
    (Port, 0, Bad(('', 'expected int >= 1 (0)'))),
    (Port, 70000, Bad(('', 'expected int <= 65535 (70000)'))),
    (Port, 'x', Bad(('', "expected int, got str ('x')"))),
    # text
    (str, 'a', 'a'),
    (str, '', ''),
    (str, 5, Bad(('', 'expected str, got int (5)'))),
    (str, None, Bad(('', 'expected str, got null (None)'))),
    (str, ['a'], Bad(('', "expected str, got array (['a'])"))),
    (Slug, 'ab', 'ab'),
    (Slug, 'a', Bad(('', "expected str of length >= 2 ('a')"))),
    (Slug, 'AB', Bad(('', "expected str matching regex '^[a-z]+$' ('AB')"))),
    (bytes, 'YQ==', b'a'),
    (bytes, 'not base64', Bad(('', "invalid base64 encoded string ('not base64')"))),
    (Literal['a', 'b'], 'a', 'a'),
    (Literal['a', 'b'], 'c', Bad(('', "'c' is not one of 'a', 'b'"))),
    (Literal[1, 2], '2', 2),
    (Literal[1, 2], 3, Bad(('', '3 is not one of 1, 2'))),
    (Colour, 'red', Colour.RED),
    (Colour, 'green', Bad(('', "'green' is not one of 'red', 'blue'"))),
    (Level, 1, Level.LOW),
    (Level, '2', Level.HIGH),
    (Level, 3, Bad(('', '3 is not one of 1, 2'))),
    (UUID, '12345678-1234-5678-1234-567812345678', UUID('12345678-1234-5678-1234-567812345678')),
    (UUID, 'x', Bad(('', "invalid UUID ('x')"))),
    # None, and choices
    (None, None, None),
    (None, 5, Bad(('', 'expected null, got int (5)'))),
    (int | None, None, None),
    (int | None, 'null', None),
    (int | None, '7', 7),
    (int | None, 'x', Bad(('', "expected int | null, got str ('x')"))),
    (str | None, 5, Bad(('', 'expected str | null, got int (5)'))),
    (int | str, 'x', 'x'),
    (int | str, '5', '5'),
    (int | str, [], Bad(('', 'expected int | str, got array ([])'))),
    (
        int | list[int],
        ['1', 'x', None],
        Bad(('[1]', "expected int, got str ('x')"), ('[2]', 'expected int, got null (None)')),
    ),
    (int | list[int] | dict[str, int], {'a': 'x', 'b': 1}, Bad(('.a', "expected int, got str ('x')"))),
    # moments
    (datetime, '2026-01-02T03:04:05Z', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (datetime, '2026-01-02 03:04:05', datetime(2026, 1, 2, 3, 4, 5)),
    (datetime, '2026-01-02', Bad(('', "invalid RFC3339 encoded datetime ('2026-01-02')"))),
    (datetime, '2026', Bad(('', YEAR))),
    (
        datetime,
        '1767225600.5',
        Bad(('', "expected datetime, such as 2026-12-31T23:59:59Z, got a number as text ('1767225600.5')")),
    ),
    (datetime, 1767225600, datetime(2026, 1, 1, 0, 0, tzinfo=UTC)),
    (datetime, 'soon', Bad(('', "invalid RFC3339 encoded datetime ('soon')"))),
    (datetime | None, '2026', Bad(('', YEAR))),
    (
        list[datetime],
        ['2026-01-02T03:04:05Z', '2026', 'x'],
        Bad(('[1]', YEAR), ('[2]', "invalid RFC3339 encoded datetime ('x')")),
    ),
    (dict[str, datetime], {'at': '2026'}, Bad(('.at', YEAR))),
    (date, '2026-01-02', date(2026, 1, 2)),
    (date, '2026-13-02', Bad(('', "invalid RFC3339 encoded date ('2026-13-02')"))),
    (date, '2026', Bad(('', "invalid RFC3339 encoded date ('2026')"))),
    (time, '03:04:05', time(3, 4, 5)),
    (time, '25:00', Bad(('', "invalid RFC3339 encoded time ('25:00')"))),
    (timedelta, 5, timedelta(seconds=5)),
    (timedelta, 'PT5S', timedelta(seconds=5)),
    (timedelta, 'x', Bad(('', "invalid ISO8601 duration ('x')"))),
    # lists
    (list, [1, 'a'], [1, 'a']),
    (list, 'a', Bad(('', "expected array, got str ('a')"))),
    (list[int], ['1', 2], [1, 2]),
    (list[int], [], []),
    (
        list[int],
        ['x', 1, None, 2.5],
        Bad(
            ('[0]', "expected int, got str ('x')"),
            ('[2]', 'expected int, got null (None)'),
            ('[3]', 'expected int, got float (2.5)'),
        ),
    ),
    (list[int], 'abc', Bad(('', "expected array, got str ('abc')"))),
    (list[int], {'a': 1}, Bad(('', "expected array, got object ({'a': 1})"))),
    (list[int], None, Bad(('', 'expected array, got null (None)'))),
    (
        list[list[int]],
        [[1], ['x'], 'y'],
        Bad(('[1][0]', "expected int, got str ('x')"), ('[2]', "expected array, got str ('y')")),
    ),
    (set[int], ['1', 1], {1}),
    (set[int], ['x'], Bad(('[0]', "expected int, got str ('x')"))),
    (frozenset[str], ['a'], frozenset({'a'})),
    (tuple[int, ...], ['1', 'x'], Bad(('[1]', "expected int, got str ('x')"))),
    (tuple[int, str], [1, 'a'], (1, 'a')),
    (tuple[int, str], ['x', 5], Bad(('[0]', "expected int, got str ('x')"), ('[1]', 'expected str, got int (5)'))),
    (tuple[int, str], [1], Bad(('', 'expected array of length 2, got 1 ([1])'))),
    (Sequence[int], ['x'], Bad(('[0]', "expected int, got str ('x')"))),
    (Annotated[list[int], Meta(min_length=2)], [1], Bad(('', 'expected array of length >= 2 ([1])'))),
    (
        Annotated[list[int], Meta(min_length=2)],
        ['x'],
        Bad(('[0]', "expected int, got str ('x')"), ('', "expected array of length >= 2 (['x'])")),
    ),
    # dicts
    (dict, {'a': 1}, {'a': 1}),
    (dict, [], Bad(('', 'expected object, got array ([])'))),
    (dict[str, int], {'a': '1'}, {'a': 1}),
    (
        dict[str, int],
        {'a': 'x', 'b c': None, 'd': 1},
        Bad(('.a', "expected int, got str ('x')"), ('["b c"]', 'expected int, got null (None)')),
    ),
    (dict[int, str], {'1': 'a'}, {1: 'a'}),
    (
        dict[int, str],
        {'a': 'a', '2': 5},
        Bad(('.a', 'as a key: expected int, got str'), ('["2"]', 'expected str, got int (5)')),
    ),
    (
        dict[str, list[int]],
        {'a': [1, 'x'], 'b': 'y'},
        Bad(('.a[1]', "expected int, got str ('x')"), ('.b', "expected array, got str ('y')")),
    ),
    (Mapping[str, int], {'a': 'x'}, Bad(('.a', "expected int, got str ('x')"))),
    (dict[str, Any], {'a': [{}]}, {'a': [{}]}),
    # classes with fields
    (Point, {'x': '1'}, Point(x=1, y=0)),
    (Point, {'x': 1, 'z': 3}, Point(x=1, y=0)),
    (Point, {}, Bad(('.x', 'is missing'))),
    (
        Point,
        {'x': 'a', 'y': 'b'},
        Bad(('.x', "expected int, got str ('a')"), ('.y', "expected int, got str ('b')")),
    ),
    (Point, {'y': 'b'}, Bad(('.x', 'is missing'), ('.y', "expected int, got str ('b')"))),
    (Point, [1, 2], Bad(('', 'expected object, got array ([1, 2])'))),
    (Point, 'x', Bad(('', "expected object, got str ('x')"))),
    (
        list[Point],
        [{'x': 1}, {'y': 'q'}, 5],
        Bad(
            ('[1].x', 'is missing'),
            ('[1].y', "expected int, got str ('q')"),
            ('[2]', 'expected object, got int (5)'),
        ),
    ),
    (
        Line,
        {'points': [{'x': 'a'}, {}], 'name': 5},
        Bad(
            ('.points[0].x', "expected int, got str ('a')"),
            ('.points[1].x', 'is missing'),
            ('.name', 'expected str | null, got int (5)'),
        ),
    ),
    (Line | None, {'points': [{'x': 'a'}]}, Bad(('.points[0].x', "expected int, got str ('a')"))),
    (
        dict[str, Line],
        {'a': {}, 'b': {'points': None}},
        Bad(('.a.points', 'is missing'), ('.b.points', 'expected array, got null (None)')),
    ),
    (Even, {'n': '4'}, Even(n=4)),
    (Even, {'n': 3}, Bad(('', "n is odd ({'n': 3})"))),
    (list[Even], [{'n': 3}, {'n': 5}], Bad(('[0]', "n is odd ({'n': 3})"), ('[1]', "n is odd ({'n': 5})"))),
    (Site, {'url': 'x'}, {'url': 'x'}),
    (
        Site,
        {'url': 5, 'depth': 'x'},
        Bad(('.depth', "expected int, got str ('x')"), ('.url', 'expected str, got int (5)')),
    ),
    (Site, {'depth': '3'}, Bad(('.url', 'is missing'))),
    (Pair, [1, 'a'], Pair(left=1, right='a')),
    (Pair, ['x', 5], Bad(('[0]', "expected int, got str ('x')"), ('[1]', 'expected str, got int (5)'))),
    (Pair, [], Bad(('', 'expected array of length 1 to 2, got 0 ([])'))),
    (Strict, {'pageSize': '5'}, Strict(page_size=5, at=None)),
    (Strict, {'page_size': 5}, Bad(('.pageSize', 'is missing'), ('.page_size', 'is not a field'))),
    (
        Strict,
        {'pageSize': 'x', 'at': {'x': 'y'}, 'more': 1},
        Bad(
            ('.pageSize', "expected int, got str ('x')"),
            ('.at.x', "expected int, got str ('y')"),
            ('.more', 'is not a field'),
        ),
    ),
    (Circle | Square, {'type': 'Circle', 'r': '2'}, Circle(r=2.0)),
    (Circle | Square, {'type': 'Ring', 'r': 2}, Bad(('.type', "invalid value 'Ring'"))),
    (Circle | Square, {'r': 2}, Bad(('', "object missing required field type ({'r': 2})"))),
    (Row, [1, '2'], Row(a=1, b=2)),
    (Row, [1, 'x'], Bad(('[1]', 'expected int, got str'))),
    # anything
    (Any, {'a': [None]}, {'a': [None]}),
]


def rows(is_bad):
    return [
        pytest.param(*row, id=f'{n}-{row[1]!r:.30}')
        for n, row in enumerate(ROWS)
        if isinstance(row[2], Bad) is is_bad
    ]


def test_the_table_is_long():
    assert len(ROWS) > 120


@pytest.mark.parametrize(('hint', 'given', 'expected'), rows(is_bad=False))
def test_what_fits_becomes_what_msgspec_makes_of_it(hint, given, expected):
    converted = kind_of(hint).convert(given)
    assert (converted, type(converted)) == (expected, type(expected))
    assert msgspec.convert(given, hint, strict=False) == expected


@pytest.mark.parametrize(('hint', 'given', 'expected'), rows(is_bad=True))
def test_what_does_not_fit_is_told_all_at_once(hint, given, expected):
    with pytest.raises(Misfit) as caught:
        kind_of(hint).convert(given)
    assert list(caught.value.problems) == expected


@pytest.mark.parametrize(('hint', 'given', 'expected'), rows(is_bad=True))
def test_the_first_error_of_msgspec_is_among_them(hint, given, expected):
    if all('got a number as text' in what for _, what in expected):
        msgspec.convert(given, hint, strict=False)  # which takes it for seconds since 1970
        return
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(given, hint, strict=False)
    text, _, place = str(caught.value).replace('`', '').partition(' - at ')
    assert any(is_same(text, place, path, what) for path, what in expected), str(caught.value)


def is_same(text, place, path, what):
    """Tell whether msgspec's error is this problem; it names no keys of dicts, and no field where one lacks."""
    place = place.removeprefix('key in ').removeprefix('$')
    field = re.search(r'^Object (missing required|contains unknown) field (\w+)$', text)
    if field and f'.{field[2]}' in path:
        place, text = (
            f'{place}.{field[2]}',
            {'missing required': 'is missing', 'contains unknown': 'is not a field'}[field[1]],
        )
    pattern = re.escape(place).replace(r'\[\.\.\.\]', r'(\.\w+|\["[^]]*"\])')
    is_there = re.fullmatch(pattern, path) or (what.startswith('as a key') and place == '')
    is_choice = text.startswith('Invalid enum value') and 'is not one of' in what
    return bool(is_there) and (is_choice or text[:1].lower() + text[1:] in what)


def test_a_flood_of_problems_is_cut():
    with pytest.raises(Misfit) as caught:
        kind_of(list[int]).convert(['x'] * 100_000)
    assert len(caught.value.problems) == MOST


@dataclass
class Node:
    n: int
    children: 'list[Node]'
    at: datetime | None = None


@dataclass
class Foreign:
    name: 'Nowhere'  # noqa: F821


def deep(leaf, levels=300):
    node = {'n': leaf, 'children': []}
    for _ in range(levels):
        node = {'n': 1, 'children': [node]}
    return node


def test_too_deep_a_walk_is_told_as_msgspec_tells_it():
    assert kind_of(Node).convert(deep(1, 100)).n == 1
    with pytest.raises(Misfit) as caught:
        kind_of(Node).convert(deep('x'))
    path, what = caught.value.problems[0]
    assert path == '.children[0]' * 300 + '.n'
    assert what.startswith('expected int, got str')


def test_a_class_with_a_field_that_is_nowhere_takes_anything():
    for hint in (Foreign, list[Foreign]):
        assert kind_of(hint).convert({'name': 1}) == {'name': 1}


def test_metadata_need_not_be_hashable():
    with pytest.raises(Misfit, match='expected array'):
        kind_of(list[Annotated[int, {'doc': '…'}]] | None).convert({'a': 1})
