"""Inputs of a task: what its signature takes, and how data is fitted to it.

Read once per class from `__init__` (or the decorated function). Annotated inputs are converted by
msgspec, lax where that is safe (`"6"` for an int); all problems are told at once. A type msgspec can
not convert to is passed through untouched: the annotation is the author's, and may be anything.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, get_origin, get_type_hints

import msgspec

from pytask.errors import ConfigError, InputError
from pytask.prompt import Attached

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.definition import Task

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its name, its type (Any where none was given), and whether it has a default."""

    name: str
    type: Any
    is_required: bool
    usage: str

    def convert(self, value: Any) -> Any:
        return value if self.type is Any else msgspec.convert(value, self.type, strict=False)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of one task. `takes_more` is true where the signature ends in `**kwargs`.

    `are_attributes` is true for annotated class fields, which are set on the instance instead of passed.
    """

    task: str
    fields: dict[str, Input]
    takes_more: bool
    are_attributes: bool = False

    @property
    def usage(self) -> str:
        more = ['**more'] if self.takes_more else []
        return f'{self.task}({", ".join([*(field.usage for field in self.fields.values()), *more])})'

    def bind(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments for this data. Raises InputError with every problem in it."""
        fields, bound, problems = self.fields, {}, []
        for name, value in data.items():
            field = fields.get(name)
            if field is None:
                if self.takes_more:
                    bound[name] = value
                else:
                    problems.append((name, self._unknown(name)))
                continue
            try:
                bound[name] = field.convert(value)
            except msgspec.ValidationError as error:
                problems.append((name, _teach(error, value)))
        problems += [
            (name, 'is missing') for name, field in fields.items() if field.is_required and name not in data
        ]
        if problems:
            raise InputError(self.task, problems, self.usage)
        return bound

    def _unknown(self, name: str) -> str:
        if not self.fields:
            return f'is not taken: `{self.task}` declares no inputs'
        near = get_close_matches(name, self.fields, n=1)
        return f'is not an input; did you mean {near[0]}?' if near else 'is not an input'


def inputs_of(task_class: type[Task]) -> Inputs:
    """Read the inputs of a task class. Raises ConfigError for a signature that data can not fill."""
    source: Callable[..., Any] = getattr(task_class, 'pytask_function', task_class.__init__)
    if source is object.__init__:
        return Inputs(task_class.NAME, _annotated(task_class), takes_more=False, are_attributes=True)
    return inputs_of_call(task_class.NAME, source, is_unbound=source is task_class.__init__)


def inputs_of_call(name: str, source: Callable[..., Any], *, is_unbound: bool) -> Inputs:
    """Read the inputs of anything that is called with data; the first of what is unbound is `self`."""
    parameters = list(inspect.signature(source).parameters.values())[int(is_unbound) :]
    hints = _hints(source)
    fields = {p.name: _input(p, hints.get(p.name, Any)) for p in parameters if p.kind in _NAMED}
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ConfigError(f'{name}: input {parameter.name!r} is positional only; data has names')
    more = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    return Inputs(name, fields, takes_more=more)


def read_object(task: str, data: bytes) -> dict[str, Any]:
    """Decode a run's data. Raises InputError for what is no JSON object."""
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise InputError(task, [('data', f'is not JSON: {error}')], f'{task}(…)') from None
    if not isinstance(decoded, dict):
        raise InputError(task, [('data', 'is not a JSON object')], f'{task}(…)')
    return decoded


def _annotated(task_class: type[Task]) -> dict[str, Input]:
    # What Task itself annotates is policy; what a subclass adds and does not call ClassVar is an input.
    fields = {}
    for name, hint in _hints(task_class).items():
        if get_origin(hint) is not ClassVar and not name.startswith('_') and name != 'pytask_port':
            default = getattr(task_class, name, inspect.Parameter.empty)
            if isinstance(default, Attached):  # named as what the port offers
                default = inspect.Parameter.empty
            parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            fields[name] = _input(parameter, hint)
    return fields


def _hints(source: Any) -> dict[str, Any]:
    try:
        return get_type_hints(source)
    except (NameError, TypeError, AttributeError, SyntaxError):  # for type checkers only, or no type at all
        return dict.fromkeys(inspect.get_annotations(source), Any)


def _input(parameter: inspect.Parameter, hint: Any) -> Input:
    default = parameter.default
    is_required = default is inspect.Parameter.empty
    usage = parameter.name
    if hint is not Any:
        usage += f': {inspect.formatannotation(hint)}'
    if not is_required:
        usage += f' = {default!r}' if hint is not Any else f'={default!r}'
    return Input(parameter.name, _convertible(hint), is_required, usage)


def _convertible(hint: Any) -> Any:
    try:
        msgspec.json.Decoder(hint)
    except TypeError:
        return Any
    # A class msgspec does not know gets a decoder too, and fails on every value; so does what holds one.
    return Any if 'CustomType(' in repr(msgspec.inspect.type_info(hint)) else hint


def _teach(error: msgspec.ValidationError, value: Any) -> str:
    shown = repr(value)
    return f'{_lower(str(error))} ({shown if len(shown) <= 40 else shown[:37] + "..."})'


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].replace('`', '')
