"""The tasks that an app or worker knows, by name, and how a folder of them is added.

A folder is imported as a package named after it, without touching `sys.path`: a folder
`tasks/http/` on the path would hide the standard library's `http`. Nothing is ever imported because
data names it; only what was added here can run.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pytask.authoring.checks import what_is_wrong
from pytask.authoring.decorator import as_task_class
from pytask.authoring.discovery import import_all
from pytask.core.names import RESERVED, bad_name, no_such_task
from pytask.errors import ConfigError, NotFound
from pytask.schema.outputs import outputs_of
from pytask.schema.params import has_run
from pytask.schema.signatures import inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytask.authoring.task import Task
    from pytask.schema.inputs import Inputs
    from pytask.schema.lookups import Resolvers
    from pytask.schema.outputs import Outputs


class Registry:
    """The tasks of one app or worker, by NAME and by `<module>.<Class>`; `hooks` is the app."""

    def __init__(self, hooks: Resolvers | None = None) -> None:
        self._hooks = hooks
        self._tasks: dict[str, type[Task]] = {}
        self._aliases: dict[str, type[Task]] = {}
        self._inputs: dict[type[Task], Inputs] = {}
        self._outputs: dict[type[Task], Outputs] = {}

    def add(self, thing: Any) -> type[Task]:
        """Add a Task class or a decorated function. Raises ConfigError for a second task of that name."""
        task = as_task_class(thing)
        if task is None:
            raise ConfigError(f'not a task: {thing!r}; subclass pytask.Task or decorate it with @task')
        _check_name(task)
        known = self._tasks.get(task.NAME)
        if known is task:
            return task
        if known is not None:
            raise ConfigError(f'two tasks are named {task.NAME!r}: {place_of(known)} and {place_of(task)}')
        _check(task)
        self._inputs[task], self._outputs[task] = inputs_of(task, self._hooks), outputs_of(task)
        self._tasks[task.NAME] = task
        self._aliases[f'{task.__module__}.{task.__qualname__}'] = task
        return task

    def get(self, name: str) -> type[Task] | None:
        """Return the task of this NAME or `<module>.<Class>`; None if it is unknown."""
        return self._tasks.get(name) or self._aliases.get(name)

    def inputs(self, task: type[Task]) -> Inputs:
        """Return the inputs of a task, added or not. Raises ConfigError for a bad signature."""
        if task not in self._inputs:
            self._inputs[task] = inputs_of(task, self._hooks)
        return self._inputs[task]

    def outputs(self, task: type[Task]) -> Outputs:
        """Return what a task promises to return, added or not. Raises ConfigError for bad `outputs`."""
        if task not in self._outputs:
            self._outputs[task] = outputs_of(task)
        return self._outputs[task]

    def names(self) -> list[str]:
        return sorted(self._tasks)

    def answers_to(self) -> list[str]:
        """Return every name by which a run may request one of these tasks."""
        return sorted({*self._tasks, *self._aliases})

    def __iter__(self) -> Iterator[type[Task]]:
        return iter([self._tasks[name] for name in self.names()])

    def discover(self, folder: Path) -> None:
        """Import every module below `folder` and add the tasks in it; a class without `start` is a base.

        Raises ConfigError naming the file that does not import, with its line.
        """
        for module in import_all(folder):
            for thing in list(vars(module).values()):
                task = as_task_class(thing)
                if task is not None and hasattr(task, 'start') and not task.__module__.startswith('pytask.'):
                    self.add(task)


def place_of(task: type[Task]) -> str:
    """Return the file and line where a task is defined, for messages."""
    source = getattr(task, 'pytask_function', task)
    try:
        return f'{inspect.getsourcefile(source)}:{inspect.getsourcelines(source)[1]}'
    except (OSError, TypeError):
        return f'{task.__module__}.{task.__qualname__}'


def _check_name(task: type[Task]) -> None:
    name = getattr(task, 'NAME', None)
    if not isinstance(name, str) or not name.isprintable() or ' ' in name or not 0 < len(name) <= 200:
        remedy = "; write name = '…'" if has_run(task) and not name else ''
        raise ConfigError(
            f'{place_of(task)}: NAME must be 1 to 200 printable characters without spaces: {name!r}{remedy}'
        )
    if name.startswith(RESERVED) and not task.__module__.startswith('pytask.'):
        raise ConfigError(f'{place_of(task)}: names that begin with {RESERVED!r} are reserved for pytask: {name!r}')


def _check(task: type[Task]) -> None:
    name = task.NAME
    start = getattr(task, 'start', None)
    if not callable(start):
        raise ConfigError(f'{place_of(task)}: task {name!r} has no start method; write `def start(self)`')
    wrong = what_is_wrong(task)
    if wrong:
        raise ConfigError(f'{place_of(task)}: {wrong}')
    for policy, (is_fit, wanted) in _POLICIES.items():
        value = getattr(task, policy)
        if not is_fit(value):
            raise ConfigError(f'{place_of(task)}: {policy} of {name!r} must be {wanted}, not {value!r}')


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(name, str) for name in value)


_POLICIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    'QUEUE': (lambda value: isinstance(value, str) and not bad_name(value, 64), 'the name of a queue'),
    'TIMEOUT': (_is_limit, 'seconds, or None'),
    'GRACE': (_is_limit, 'seconds, or None'),
    'CHECK_EVERY': (lambda value: _is_limit(value) and value != float('inf'), 'seconds, or None'),
    'EXPOSE': (lambda value: isinstance(value, bool), 'True or False'),
    'REDACT': (_are_names, 'a tuple of names'),
    'on_partition': (lambda value: value in ('stop', 'keep'), "'stop' or 'keep'"),
}


def find(registry: Registry, name: str) -> type[Task]:
    """Return the task of this name. Raises NotFound, which suggests close names."""
    task = registry.get(name)
    if task is None:
        raise NotFound(no_such_task(name, registry.names()))
    return task
