"""Inputs of a task: what its signature takes, and how data is matched to it.

Read once per class: from `__init__`, from annotated class fields, from a decorated function, or from the
parameter objects of a task that has `inputs` and `run` (`params`). `value_types` says what a single value
may be; all problems are reported together.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pytask.core.codec import encode
from pytask.errors import InputError
from pytask.schema.lookups import Lookup
from pytask.schema.notgiven import NotGiven
from pytask.schema.problems import Misfit
from pytask.schema.value_types import Kind, schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.schema.problems import Problem


REFS = '#/$defs/{name}'


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its name, what it may be, and its default, NotGiven if it has none that is JSON."""

    name: str
    kind: Kind
    is_required: bool
    usage: str
    default: Any = NotGiven
    is_positional: bool = True

    def convert(self, value: Any) -> Any:
        return self.kind.convert(value)


@dataclass(frozen=True)
class Inputs:
    """All inputs of one task. `more` is what further names may be, where the signature ends in `**kwargs`.

    `rest` is the name of `*args`, under which the data has a list; '' for none. `way` is how a task receives them:
    passed to `__init__`, set as its attributes, or passed to its `run`. `taken` is the name of `self`, which
    further names cannot have.
    """

    task: str
    fields: dict[str, Input]
    more: Kind | None = None
    rest: str = ''
    way: Literal['init', 'attributes', 'run'] = 'init'
    taken: str = ''

    @cached_property
    def lookups(self) -> list[str]:
        """The names of the inputs that are resources or references."""
        return [name for name, field in self.fields.items() if isinstance(field.kind, Lookup)]

    @property
    def usage(self) -> str:
        """How the task is called, for messages: `crawl(url: str, depth: int = 2)`."""
        more = ['**more'] if self.more else []
        return f'{self.task}({", ".join([*(field.usage for field in self.fields.values()), *more])})'

    def bind(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments for this data. Raises InputError with every problem in it."""
        fields, bound, problems = self.fields, {}, []
        for name, value in data.items():
            field = fields.get(name) or (None if name == self.taken else self.more)
            if field is None:
                problems.append((name, self._unknown(name)))
                continue
            try:
                bound[name] = field.convert(value)
            except Misfit as misfit:
                problems += _below(name, misfit)
        problems += [
            (name, field.kind.missing()) for name, field in fields.items() if field.is_required and name not in data
        ]
        if problems:
            raise InputError(self.task, problems, self.usage)
        return bound

    def named(self, args: Sequence[Any], data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the data with positional values under the names they have in the signature.

        Further values become a list under the name of `*args`. Raises InputError for too many values, and for one
        that is given twice; `bind` checks whether the values match.
        """
        named = dict(data or {})
        names = [name for name, field in self.fields.items() if field.is_positional]
        problems = [(name, 'is given by position and by name') for name in names[: len(args)] if name in named]
        named |= dict(zip(names, args, strict=False))
        if len(args) > len(names) and self.rest:
            if self.rest in named:
                problems.append((self.rest, 'is given by position and by name'))
            named[self.rest] = list(args[len(names) :])
        elif len(args) > len(names):
            problems.append(('args', f'are {len(args)} by position; {self.task} takes {len(names) or "none"}'))
        if problems:
            raise InputError(self.task, problems, self.usage)
        return named

    def found(self, bound: dict[str, Any]) -> dict[str, Any]:
        """Replace the names of lookups by their objects. Raises InputError, and what making an object raises."""
        problems: list[Problem] = []
        for name in self.lookups:
            field = self.fields[name]
            try:
                bound[name] = field.kind.find(bound.get(name, NotGiven))  # type: ignore[attr-defined]
            except Misfit as misfit:
                problems += _below(name, misfit)
        if problems:
            raise InputError(self.task, problems, self.usage)
        return bound

    def give(self, task: Any, bound: dict[str, Any]) -> None:
        """Pass what was bound to a new instance: to its `__init__`, or as attributes if it has none."""
        if self.way == 'attributes':
            task.__dict__.update(bound)
        elif self.way == 'run':
            task.__dict__['pytask_inputs'] = bound
            task.__init__()
        else:
            args, named = self.arguments(bound)
            task.__init__(*args, **named)

    def arguments(self, bound: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return what is passed by position, which only `*args` needs, and the rest of what was bound."""
        rest = bound.pop(self.rest, []) if self.rest else []
        if not rest:
            return [], bound
        before = [field for field in self.fields.values() if field.is_positional]
        return [*(bound.pop(field.name, field.default) for field in before), *rest], bound

    def schema(self, refs: str = REFS) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the data; it refers to its own `$defs` as `refs` says."""
        kinds = {name: field.kind for name, field in self.fields.items()}
        written, defs = schemas(kinds | ({'**': self.more} if self.more else {}), refs)
        more = written.pop('**', False)
        schema: dict[str, Any] = {
            'type': 'object',
            'properties': {name: written[name] | _default(field) for name, field in self.fields.items()},
            'required': [name for name, field in self.fields.items() if field.is_required],
            'additionalProperties': True if more == {} else more,
        }
        return schema | ({'$defs': defs} if defs else {})

    def _unknown(self, name: str) -> str:
        if not self.fields and self.more is None:
            return f'is not taken: `{self.task}` declares no inputs'
        near = get_close_matches(name, self.fields, n=1)
        return f'is not an input; did you mean {near[0]}?' if near else 'is not an input'


def read_object(task: str, data: bytes) -> dict[str, Any]:
    """Decode a run's data. Raises InputError if it is not a JSON object."""
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise InputError(task, [('data', f'is not JSON: {error}')], f'{task}(…)') from None
    if not isinstance(decoded, dict):
        raise InputError(task, [('data', 'is not a JSON object')], f'{task}(…)')
    return decoded


def _below(name: str, misfit: Misfit) -> list[Problem]:
    return [(name + path, what) for path, what in misfit.problems]


def _default(field: Input) -> dict[str, Any]:
    if field.is_required or field.default is NotGiven:
        return {}
    try:
        return {'default': msgspec.json.decode(encode(field.default))}
    except TypeError:  # not JSON: the author's own object
        return {}
