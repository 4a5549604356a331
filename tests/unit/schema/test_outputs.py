from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pytest

from pytask import Task
from pytask.authoring.decorator import function_class
from pytask.errors import OutputError
from pytask.schema.outputs import outputs_of


@dataclass
class Page:
    url: str
    size: int = 0


class Site(TypedDict):
    name: str
    pages: list[Page]


class Pair(NamedTuple):
    left: int
    right: int


def promising(hint):
    def f():
        pass

    f.__annotations__['return'] = hint
    return outputs_of(function_class(f))


def wrong(hint, value):
    with pytest.raises(OutputError) as caught:
        promising(hint).fit(value)
    return [path for path, _ in caught.value.problems]


@pytest.mark.parametrize(
    ('hint', 'value'),
    [
        (int, 3),
        (float, 3),
        (str | None, None),
        (dict[str, int], {'a': 1}),
        (dict[int, int], {1: 1}),
        (list[int], (1, 2)),
        (tuple[int, str], (1, 'a')),
        (set[int], {1}),
        (Page, Page('a')),
        (Page, {'url': 'a', 'more': 1}),
        (Site, {'name': 'a', 'pages': [Page('b'), {'url': 'c'}]}),
        (Pair, Pair(1, 2)),
        (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_what_becomes_the_promised_json_fits(hint, value):
    assert promising(hint).fit(value) is value


@pytest.mark.parametrize(
    ('hint', 'value', 'paths'),
    [
        (int, '3', ['output']),
        (int, True, ['output']),
        (int, None, ['output']),
        (dict[str, int], {'a': 'x', 'b': 1, 'c d': None}, ['output.a', 'output["c d"]']),
        (list[Page], [Page('a'), Page(5), {'size': 'x'}], ['output[1].url', 'output[2].url', 'output[2].size']),
        (Site, {'pages': [{}]}, ['output.name', 'output.pages[0].url']),
        (Pair, (1, 'x'), ['output[1]']),
    ],
)
def test_what_does_not_fit_is_told_with_every_path(hint, value, paths):
    assert wrong(hint, value) == paths


def test_the_first_line_names_the_task():
    with pytest.raises(OutputError) as caught:
        promising(dict[str, int]).fit({'a': 'x'})
    assert (
        str(caught.value)
        == "`f` returned a value that does not match its return annotation\n  output.a  expected int, got str ('x')"
    )


@pytest.mark.parametrize('hint', [None, Any, Path, object, Page | Pair | dict, 'Nowhere', 5, list[Path]], ids=str)
@pytest.mark.parametrize('value', [None, 'x', {'a': [1]}], ids=str)
def test_where_nothing_can_be_promised_anything_fits(hint, value):
    assert promising(hint).fit(value) is value


def test_the_promise_of_a_class_is_that_of_its_start():
    class Count(Task):
        def start(self) -> int:
            return 1

    assert outputs_of(Count).schema() == {'type': 'integer'}


def test_a_schema_refers_to_its_own_definitions():
    assert promising(list[Page]).schema() == {
        'type': 'array',
        'items': {'$ref': '#/$defs/Page'},
        '$defs': {
            'Page': {
                'title': 'Page',
                'type': 'object',
                'properties': {'url': {'type': 'string'}, 'size': {'type': 'integer', 'default': 0}},
                'required': ['url'],
            }
        },
    }
    assert promising(None).schema() == {}


@dataclass
class Node:
    n: int
    children: list[Node]


def test_what_is_nested_deeply_is_told_with_its_first_problem():
    tree: Any = {'n': 'x', 'children': []}
    for _ in range(300):
        tree = {'n': 1, 'children': [tree]}
    assert wrong(Node, tree)
