"""Read the inputs of a task class: from `__init__`, annotated fields, its function, or `inputs` and `run`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pytask.core.port import Attached
from pytask.errors import ConfigError
from pytask.schema.annotations import hints_of, is_constant
from pytask.schema.inputs import Input, Inputs
from pytask.schema.lookups import Lookup
from pytask.schema.notgiven import NotGiven
from pytask.schema.params import declared, defaults, has_run
from pytask.schema.value_types import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.core.port import TaskClass
    from pytask.schema.lookups import Resolvers


def inputs_of(task_class: type[TaskClass], hooks: Resolvers | None = None) -> Inputs:
    """Read the inputs of a task class; `hooks` is the app that has its resources and resolvers.

    Raises ConfigError for a signature that data cannot fill.
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
    """Read the inputs of anything that is called with data; the first parameter of an unbound method is `self`."""
    parameters = list(inspect.signature(source).parameters.values())
    bound, parameters = parameters[: int(is_unbound)], parameters[int(is_unbound) :]
    hints = hints_of(source)
    fields: dict[str, Input] = {}
    more, rest = None, ''
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise ConfigError(
                f'{name}: input {parameter.name!r} is positional-only, but data is passed by name; remove the `/`'
            )
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            more = kind_of(hint)
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = parameter.name
            fields[rest] = _rest(rest, hint)
        else:
            fields[parameter.name] = _input(parameter, hint, hooks)
    taken = [first.name for first in bound if first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return Inputs(name, fields, more, rest, taken=''.join(taken))


def _annotated(task_class: type[TaskClass], hooks: Resolvers | None) -> dict[str, Input]:
    # Task's own annotations are policy; those a subclass adds are inputs, unless they are ClassVar or Final.
    fields = {}
    for name, hint in hints_of(task_class).items():
        if not is_constant(hint) and not name.startswith('_') and name != 'pytask_port':
            default = getattr(task_class, name, inspect.Parameter.empty)
            if isinstance(default, Attached):  # the name of an attribute of the port
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
