"""Parameter objects: tasks that declare `inputs` and `outputs` as dicts, and do their work in `run`.

    class Copy(Task):
        name = 'copy'
        inputs = {'path': String(), 'times': Int(required=False)}
        outputs = {'copies': List(String())}

        def run(self, path, times=1):
            return [f'{path}.{n}' for n in range(times)]

Such a class is a task like any other: its `start` calls `run` with the inputs. These objects convert by a table of
their own, more laxly than annotations do: 5 → '5', 'x' → ['x'], '5.2' → 5.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

from pytask.errors import ConfigError
from pytask.schema.problems import Misfit, shown
from pytask.schema.value_types import Kind

if TYPE_CHECKING:
    from pytask.core.port import TaskClass

_WORDS = {'true': True, 'false': False}


class Parameter(Kind):
    """One input or output: this one takes any JSON."""

    json: dict[str, Any] = {}

    def __init__(self, *, required: bool = True) -> None:
        self.required = required

    def __repr__(self) -> str:
        return type(self).__name__

    def schema(self) -> Any:
        return self.json


class String(Parameter):
    """Text; numbers become text."""

    json = {'type': 'string'}

    def convert(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        if not _is_number(value):
            raise _misfit('text or a number', value)
        return str(value)


class Number(Parameter):
    """A number. Text is converted; a whole number becomes an int."""

    json = {'type': 'number'}
    takes_text = False
    what = 'a number'

    def convert(self, value: Any) -> Any:
        number = value
        if isinstance(value, str):
            try:
                number = _read(value)
            except ValueError:
                raise _misfit(self.what, value) from None
        if not _is_number(number):
            raise _misfit(self.what, value)
        return number


class Int(Number):
    """A whole number; decimals are dropped."""

    json = {'type': 'integer'}
    what = 'a whole number'

    def convert(self, value: Any) -> Any:
        return int(super().convert(value))


class Float(Number):
    """A number, as a float."""

    def convert(self, value: Any) -> Any:
        return float(super().convert(value))


class Boolean(Parameter):
    """True or false; 'true', 'false', 1 and 0 are converted."""

    json = {'type': 'boolean'}
    takes_text = False

    def convert(self, value: Any) -> Any:
        word = value.lower() if isinstance(value, str) else ''
        if word not in _WORDS and (isinstance(value, str) or value not in (0, 1)):
            raise _misfit('true or false', value)
        return _WORDS[word] if word else bool(value)


class List(Parameter):
    """A list whose items are `of`; any other value becomes a list of one."""

    takes_text = False

    def __init__(self, of: Parameter, *, required: bool = True) -> None:
        super().__init__(required=required)
        self.of = of

    def convert(self, value: Any) -> Any:
        items, wrong = [], []
        for at, item in enumerate(value if isinstance(value, list | tuple) else [value]):
            try:
                items.append(self.of.convert(item))
            except Misfit as misfit:
                wrong += [(f'[{at}]{path}', what) for path, what in misfit.problems]
        if wrong:
            raise Misfit(*wrong)
        return items

    def schema(self) -> Any:
        return {'type': 'array', 'items': self.of.schema()}

    def __repr__(self) -> str:
        return f'List({self.of!r})'


class Dict(Parameter):
    """An object; a list is accepted too."""

    json = {'type': ['object', 'array']}
    takes_text = False

    def convert(self, value: Any) -> Any:
        if not isinstance(value, dict | list):
            raise _misfit('an object or a list', value)
        return value


def start(task: Any) -> Any:
    """Be the `start` of a task that has `run`."""
    return task.run(**task.__dict__.get('pytask_inputs', {}))


def has_run(task_class: type[TaskClass]) -> bool:
    """Tell whether a task does its work in `run`."""
    return getattr(task_class, 'start', None) is start


def shape(task_class: type[TaskClass]) -> None:
    """Give a class that has `run`, and `name`, `inputs` or `outputs`, its `start`; its `name` is its NAME.

    Without one it gets none, and is refused when it is added. Other classes are left unchanged.
    """
    own = task_class.__dict__
    is_one = callable(getattr(task_class, 'run', None)) and any(
        hasattr(task_class, word) for word in ('name', 'inputs', 'outputs')
    )
    if getattr(task_class, 'start', start) is start and is_one:
        task_class.start = start  # type: ignore[attr-defined]
        if 'NAME' not in own:
            task_class.NAME = own.get('name', '')


def declared(task_class: type[TaskClass], word: str) -> dict[str, Parameter]:
    """Return the `inputs` or `outputs` of a class. Raises ConfigError if it is not a dict of parameters."""
    found = getattr(task_class, word, None) or {}
    if not isinstance(found, dict):
        raise ConfigError(f'{task_class.NAME}: {word} is {type(found).__name__}; write a dict of name: parameter')
    for name, parameter in found.items():
        if not isinstance(parameter, Parameter):
            is_class = inspect.isclass(parameter)
            what = f'{parameter.__name__} is a class' if is_class else f'{parameter!r} is not a parameter'
            hint = f'{parameter.__name__}()' if is_class else 'one of pytask.params'
            raise ConfigError(f'{task_class.NAME}: {word} {name!r}: {what}; write {hint}')
    return found


def defaults(task_class: type[TaskClass]) -> dict[str, Any]:
    """Return the defaults of `run`. Raises ConfigError if `inputs` and the signature of `run` disagree."""
    inputs, task = declared(task_class, 'inputs'), task_class.NAME
    parameters = dict(inspect.signature(task_class.run).parameters)  # type: ignore[attr-defined]
    if not isinstance(inspect.getattr_static(task_class, 'run'), staticmethod):
        parameters.pop(next(iter(parameters), ''), None)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name, parameter in inputs.items():
        if name not in parameters and not takes_any:
            raise ConfigError(f'{task}: run does not take the input {name!r}; write run(self, …, {name})')
        if name in parameters and not parameter.required and parameters[name].default is inspect.Parameter.empty:
            raise ConfigError(f'{task}: input {name!r} is required=False, so run needs a default: {name}=…')
    fills = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    given = {name: p for name, p in parameters.items() if p.kind not in fills}
    missing = [n for n, p in given.items() if n not in inputs and p.default is inspect.Parameter.empty]
    if missing:
        raise ConfigError(f'{task}: run takes {missing[0]!r}, which is not in `inputs`; declare it there')
    return {name: p.default for name, p in given.items() if p.default is not inspect.Parameter.empty}


def _read(text: str) -> float:
    # A float has only 16 digits, so whole numbers do not go through one.
    if '_' in text:
        raise ValueError('underscores are Python notation')
    try:
        return int(text)
    except ValueError:
        number = float(text)
    return int(number) if number.is_integer() else number


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False


def _misfit(what: str, value: Any) -> Misfit:
    return Misfit(('', f'must be {what}, not {shown(value)}'))
