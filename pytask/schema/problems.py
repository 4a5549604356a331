"""Problems: everything that is wrong with a value, and where, according to an annotation.

msgspec stops at the first problem. So a value that failed is walked through side by side with its annotation
(lists, tuples, dicts, classes with fields), and msgspec checks each part again. Where the two cannot be matched,
such as in a union of several classes, msgspec's own first error is reported.
"""

from __future__ import annotations

import re
from collections import abc
from datetime import datetime
from enum import EnumType
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, is_typeddict

import msgspec

from pytask.schema.annotations import hints_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where it is, behind the name of the input: `.x` or `[0]`; and what is wrong.
Problem = tuple[str, str]
MOST = 100
LONGEST = 40
MOST_CHOICES = 20

UNIONS = (Union, UnionType)
_LISTS = (list, set, frozenset, abc.Collection, abc.Sequence, abc.MutableSequence, abc.Set, abc.MutableSet)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)
_ENUM = 'Invalid enum value'
_PLACE = re.compile(r' - at `(?:key` in `)?\$([^`]*)`$')
_NUMBER = re.compile(r'[-+]?[\d.]+([eE][-+]?\d+)?')


class Misfit(ValueError):
    """A value does not match: `problems` lists everything that is wrong, each with its path."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__('; '.join(f'{path} {what}'.strip() for path, what in problems))


def problems(value: Any, hint: Any, *, is_strict: bool = False) -> list[Problem]:
    """Return the first hundred problems of a value; only the first one if the value is nested too deeply."""
    walk = _Walk(is_strict=is_strict)
    try:
        return list(islice(walk.through(value, hint, ''), MOST))
    except RecursionError:
        return walk.first(value, hint)


def shown(value: Any) -> str:
    """Return the repr of a value, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'


def step(key: Any) -> str:
    """Return one step of a path: `.name`, or `["any key"]`."""
    is_word = isinstance(key, str) and key.isidentifier()
    return f'.{key}' if is_word else f'[{msgspec.json.encode(str(key)).decode()}]'


class _Walk:
    """Walks through a value and its annotation."""

    def __init__(self, *, is_strict: bool) -> None:
        self.is_strict = is_strict

    def through(self, value: Any, hint: Any, path: str) -> Iterator[Problem]:
        found = False
        for problem in self._inside(value, hint, path):
            found = True
            yield problem
        error = self._error(value, hint)
        place = _PLACE.search(error)
        if found and (place or error.startswith('Object ')):  # which its parts have reported
            return
        if error:
            yield _placed(error, value, hint, path)

    def first(self, value: Any, hint: Any) -> list[Problem]:
        """Return what msgspec reports, which goes deeper than this walk."""
        try:
            error = self._error(value, hint)
        except RecursionError:
            error = ''
        return [_placed(error, value, hint, '')] if error else [('', 'is nested too deeply')]

    def _error(self, value: Any, hint: Any) -> str:
        try:
            msgspec.convert(value, hint, strict=self.is_strict, str_keys=True)
        except msgspec.ValidationError as error:
            return str(error)
        return ''

    def _inside(self, value: Any, hint: Any, path: str) -> Iterator[Problem]:
        hint, origin, args = _parts(hint)
        if origin in UNIONS:
            members = [m for m in args if m is not NoneType]
            fitting = members if len(members) == 1 else [m for m in members if _may_hold(value, m)]
            return self._inside(value, fitting[0], path) if len(fitting) == 1 else iter(())
        if hint is datetime and not self.is_strict:
            return _no_moment(value, path)
        if isinstance(value, dict):
            is_mapping = origin in _DICTS and len(args) == 2
            return self._pairs(value, args, path) if is_mapping else self._fields(value, hint, path)
        return self._items(value, hint, path) if isinstance(value, list | tuple | set | frozenset) else iter(())

    def _items(self, values: Any, hint: Any, path: str) -> Iterator[Problem]:
        _, origin, args = _parts(hint)
        hints: Any = ()
        if args and (origin in _LISTS or (origin is tuple and args[-1] is Ellipsis)):
            hints = [args[0]] * len(values)
        elif origin is tuple and len(args) == len(values):
            hints = args
        elif isinstance(hint, type) and issubclass(hint, tuple):  # a NamedTuple
            hints = hints_of(hint).values()
        for at, (value, inner) in enumerate(zip(values, hints, strict=False)):
            yield from self.through(value, inner, f'{path}[{at}]')

    def _pairs(self, value: dict[Any, Any], args: Any, path: str) -> Iterator[Problem]:
        for key, item in value.items():
            wrong = self._error({key: None}, dict[args[0], None])
            if wrong:
                yield path + step(key), f'as a key: {_plain(wrong)}'
            yield from self.through(item, args[1], path + step(key))

    def _fields(self, value: dict[Any, Any], hint: Any, path: str) -> Iterator[Problem]:
        fields, is_closed = _fields_of(hint)
        for name, (inner, is_required) in fields.items():
            if name in value:
                yield from self.through(value[name], inner, path + step(name))
            elif is_required:
                yield path + step(name), 'is missing'
        for name in value:
            if is_closed and name not in fields:
                yield path + step(name), 'is not a field'


def _fields_of(hint: Any) -> tuple[dict[str, tuple[Any, bool]], bool]:
    """Return a class's fields, name → (annotation, whether it must be there), and whether others are refused."""
    # Checked before the cache: other annotations may be unhashable, such as list[Annotated[int, {}]].
    return _fields_of_class(hint) if isinstance(hint, type) or is_typeddict(hint) else ({}, False)


@cache
def _fields_of_class(hint: Any) -> tuple[dict[str, tuple[Any, bool]], bool]:
    info: Any = msgspec.inspect.type_info(hint)
    if getattr(info, 'array_like', False) or isinstance(info, msgspec.inspect.NamedTupleType):
        return {}, False
    hints = hints_of(hint)
    fields = {f.encode_name: (_bare(hints.get(f.name, Any)), f.required) for f in getattr(info, 'fields', ())}
    return fields, getattr(info, 'forbid_unknown_fields', False) and info.tag_field is None


def _bare(hint: Any) -> Any:
    # Required[…] and NotRequired[…] stand only in a TypedDict; a type variable is unknown here.
    if str(get_origin(hint)) in {'typing.Required', 'typing.NotRequired', 'typing.ReadOnly'}:
        return get_args(hint)[0]
    return Any if isinstance(hint, TypeVar) else hint


def _parts(hint: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    while get_origin(hint) is Annotated:
        hint = hint.__origin__
    return hint, get_origin(hint), get_args(hint)


def _may_hold(value: Any, hint: Any) -> bool:
    hint, origin, _ = _parts(hint)
    if isinstance(value, dict):
        return (origin or hint) in _DICTS or bool(_fields_of(hint)[0])
    return isinstance(value, list) and (origin or hint) in (*_LISTS, tuple)


def _no_moment(value: Any, path: str) -> Iterator[Problem]:
    # msgspec reads "2026" as seconds since 1970; the caller meant a year.
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        yield path, f'expected datetime, such as 2026-12-31T23:59:59Z, got a number as text ({shown(value)})'


def _placed(error: str, value: Any, hint: Any, path: str) -> Problem:
    place = _PLACE.search(error)
    return (path + place[1], _plain(error)) if place else (path, _told(error, value, hint))


def _told(error: str, value: Any, hint: Any) -> str:
    hint, origin, args = _parts(hint)
    choices: Any = (
        [m.value for m in list[Any](hint)] if isinstance(hint, EnumType) else args if origin is Literal else ()
    )
    if choices and _ENUM in error:
        return f'{shown(value)} is not one of {", ".join(map(repr, choices[:MOST_CHOICES]))}'
    return f'{_plain(error)} ({shown(value)})'


def _plain(error: str) -> str:
    text = _PLACE.sub('', error)
    return text[:1].lower() + text[1:].replace('`', '')
