"""What a task must look like: plain methods, and no arguments for those that the worker calls.

Checked when a task is added, with what to write instead: the first run would be too late.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pytask.schema.params import has_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.task import Task

_ASYNC = 'to run a coroutine, call `self.offload(asyncio.run, main())` in a plain function'
_GENERATOR = 'use `emit` instead of yield; the return value is the output'


def what_is_wrong(task: type[Task]) -> str:
    """Say what a worker could not call in this task, and what to write instead; '' if all is well."""
    function = getattr(task, 'pytask_function', None)
    methods = {name: getattr(task, name, None) for name in ('start', 'stop', 'finish')}
    if function is not None:
        methods['start'] = function
    elif has_run(task):
        methods['start'] = task.run  # type: ignore[attr-defined]
    return next((wrong for name, method in methods.items() if (wrong := _kind(task, name, method))), '') or (
        _takes_self(task, function) if function is not None else _takes_more(task)
    )


def _kind(task: type[Task], name: str, method: Any) -> str:
    where = repr(task.NAME) if name == 'start' else f'{name} of {task.NAME!r}'
    plain = f'{where} must be a plain function, not async and not a generator'
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        return f'{plain}: {_ASYNC}'
    return f'{plain}: {_GENERATOR}' if inspect.isgeneratorfunction(method) else ''


def _takes_self(task: type[Task], function: Callable[..., Any]) -> str:
    if next(iter(inspect.signature(function).parameters), '') != 'self':
        return ''
    return f'{task.NAME!r} is a function, and has no `self`: use `pytask.current_task()`, or write a class'


def _takes_more(task: type[Task]) -> str:
    for name in ('start', 'stop'):
        method = inspect.getattr_static(task, name, None)
        if not inspect.isfunction(method):  # another kind of callable, which the author is responsible for
            continue
        more = [p.name for p in list(inspect.signature(method).parameters.values())[1:] if _is_required(p)]
        if more:
            hint = 'inputs belong to `__init__`' if name == 'start' else 'it receives only `self`'
            return f'{name} of {task.NAME!r} is called without arguments, but takes {", ".join(more)}: {hint}'
    return ''


def _is_required(parameter: inspect.Parameter) -> bool:
    fills = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in fills
