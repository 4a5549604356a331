"""Inputs of a task: what its signature takes, and how data is fitted to it.

Read once per class: from `__init__`, from annotated class fields, from a decorated function, or from the
parameter objects of a task that has `inputs` and `run` (`params`). What a single value may be stands in `kinds`;
all problems are told at once.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pytask.core.codec import encode
from pytask.core.port import Attached
from pytask.errors import ConfigError, InputError
from pytask.schema.annotations import hints_of, is_constant
from pytask.schema.lookups import Lookup
from pytask.schema.notgiven import NotGiven
from pytask.schema.params import declared, defaults, has_run
from pytask.schema.problems import Misfit
from pytask.schema.value_types import Kind, kind_of, schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.core.port import TaskClass
    from pytask.schema.lookups import Resolvers
    from pytask.schema.problems import Problem


REFS = '#/$defs/{name}'


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its name, what it may be, and its default, NotGiven where it has none that is JSON."""

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

    `rest` is the name of `*args`, under which the data has a list; '' for none. `way` tells how a task gets them:
    passed to `__init__`, set as its attributes, or passed to its `run`. `taken` is a name that none of `more` can
    have: that of `self`.
    """

    task: str
    fields: dict[str, Input]
    more: Kind | None = None
    rest: str = ''
    way: Literal['init', 'attributes', 'run'] = 'init'
    taken: str = ''

    @cached_property
    def lookups(self) -> list[str]:
        return [name for name, field in self.fields.items() if isinstance(field.kind, Lookup)]

    @property
    def usage(self) -> str:
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
        """Return data in which positional values stand under the names they have in the signature.

        What is more than those stands under the name of `*args`, as a list. Raises InputError for too many, and
        for what is given twice; whether values fit is seen when they are bound.
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
        """Put in what resources and references stand for. Raises InputError, and what making them raises."""
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
        """Give a new instance what was bound: its `__init__` is called, unless it has none of its own."""
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


def inputs_of(task_class: type[TaskClass], hooks: Resolvers | None = None) -> Inputs:
    """Read the inputs of a task class; `hooks` is the app that has its resources and resolvers.

    Raises ConfigError for a signature that data can not fill.
    """
    if has_run(task_class):
        return Inputs(task_class.NAME, _declared(task_class), way='run')
    source: Callable[..., Any] = getattr(task_class, 'pytask_function', task_class.__init__)
    if source is object.__init__:
        return Inputs(task_class.NAME, _annotated(task_class, hooks), way='attributes')
    return inputs_of_call(task_class.NAME, source, is_unbound=source is task_class.__init__, hooks=hooks)


def inputs_of_call(
    name: str, source: Callable[..., Any], *, is_unbound: bool, hooks: Resolvers | None = None
) -> Inputs:
    """Read the inputs of anything that is called with data; the first of what is unbound is `self`."""
    parameters = list(inspect.signature(source).parameters.values())
    bound, parameters = parameters[: int(is_unbound)], parameters[int(is_unbound) :]
    hints = hints_of(source)
    fields: dict[str, Input] = {}
    more, rest = None, ''
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ConfigError(f'{name}: input {parameter.name!r} is positional only; data has names')
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            more = kind_of(hint)
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = parameter.name
            fields[rest] = _rest(rest, hint)
        else:
            fields[parameter.name] = _input(parameter, hint, hooks)
    taken = [first.name for first in bound if first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return Inputs(name, fields, more, rest, taken=''.join(taken))


def read_object(task: str, data: bytes) -> dict[str, Any]:
    """Decode a run's data. Raises InputError for what is no JSON object."""
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise InputError(task, [('data', f'is not JSON: {error}')], f'{task}(…)') from None
    if not isinstance(decoded, dict):
        raise InputError(task, [('data', 'is not a JSON object')], f'{task}(…)')
    return decoded


def _below(name: str, misfit: Misfit) -> list[Problem]:
    return [(name + path, what) for path, what in misfit.problems]


def _annotated(task_class: type[TaskClass], hooks: Resolvers | None) -> dict[str, Input]:
    # What Task itself annotates is policy; what a subclass adds and does not call ClassVar or Final is an input.
    fields = {}
    for name, hint in hints_of(task_class).items():
        if not is_constant(hint) and not name.startswith('_') and name != 'pytask_port':
            default = getattr(task_class, name, inspect.Parameter.empty)
            if isinstance(default, Attached):  # named as what the port offers
                default = inspect.Parameter.empty
            parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            fields[name] = _input(parameter, hint, hooks)
    return fields


def _declared(task_class: type[TaskClass]) -> dict[str, Input]:
    given = defaults(task_class)
    fields = {}
    for name, kind in declared(task_class, 'inputs').items():
        usage = f'{name}: {kind!r}' + ('' if kind.required else f' = {given.get(name, NotGiven)!r}')
        fields[name] = Input(name, kind, kind.required, usage, given.get(name, NotGiven))
    return fields


def _input(parameter: inspect.Parameter, hint: Any, hooks: Resolvers | None) -> Input:
    name, default = parameter.name, parameter.default
    kind = default.of(hooks) if isinstance(default, Lookup) else kind_of(hint)
    if isinstance(kind, Lookup):
        default = inspect.Parameter.empty if kind.required else NotGiven
    is_required = default is inspect.Parameter.empty
    usage = name if hint is Any else f'{name}: {inspect.formatannotation(hint)}'
    if not is_required:
        usage += f'={default!r}' if hint is Any else f' = {default!r}'
    is_positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    return Input(name, kind, is_required, usage, NotGiven if is_required else default, is_positional)


def _rest(name: str, hint: Any) -> Input:
    kind = kind_of(list[hint])
    return Input(name, kind, is_required=False, usage=f'*{name}', is_positional=False)


def _default(field: Input) -> dict[str, Any]:
    if field.is_required or field.default is NotGiven:
        return {}
    try:
        return {'default': msgspec.json.decode(encode(field.default))}
    except TypeError:  # no JSON: the author's own object
        return {}
