"""Names of tasks, and how a folder of them is found.

A folder is imported as a package named after it, without touching `sys.path`: a folder
`tasks/http/` on the path would hide the standard library's `http`. Nothing is ever imported because
data names it; only what was added here can run.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import itertools
import sys
import traceback
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pytask.decorate import as_task_class
from pytask.errors import ConfigError, NotFound
from pytask.inputs import inputs_of
from pytask.outputs import outputs_of
from pytask.params import has_run
from pytask.settings import bad_name
from pytask.shape import what_is_wrong
from pytask.steps import FLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pytask.definition import Task
    from pytask.hooks import Hooks
    from pytask.inputs import Inputs
    from pytask.outputs import Outputs

RESERVED = 'pytask/'


class Registry:
    """The tasks one app or worker knows, by NAME and by `<module>.<Class>`; `hooks` is the app."""

    def __init__(self, hooks: Hooks | None = None) -> None:
        self._hooks = hooks
        self._tasks: dict[str, type[Task]] = {}
        self._aliases: dict[str, type[Task]] = {}
        self._inputs: dict[type[Task], Inputs] = {}
        self._outputs: dict[type[Task], Outputs] = {}

    def add(self, thing: Any) -> type[Task]:
        """Add a Task class or a decorated function. Raises ConfigError naming both places of a clash."""
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
        return self._tasks.get(name) or self._aliases.get(name)

    def inputs(self, task: type[Task]) -> Inputs:
        if task not in self._inputs:
            self._inputs[task] = inputs_of(task, self._hooks)
        return self._inputs[task]

    def outputs(self, task: type[Task]) -> Outputs:
        if task not in self._outputs:
            self._outputs[task] = outputs_of(task)
        return self._outputs[task]

    def names(self) -> list[str]:
        return sorted(self._tasks)

    def answers_to(self) -> list[str]:
        """Every name by which a run may ask for one of these tasks."""
        return sorted({*self._tasks, *self._aliases})

    def __iter__(self) -> Iterator[type[Task]]:
        return iter([self._tasks[name] for name in self.names()])

    def discover(self, folder: Path) -> None:
        """Import every module below `folder` and add the tasks in it; a class without `start` is a base.

        Raises ConfigError naming the file that does not import, with its line.
        """
        for module in _import_all(folder):
            for thing in list(vars(module).values()):
                task = as_task_class(thing)
                if task is not None and hasattr(task, 'start') and not task.__module__.startswith('pytask.'):
                    self.add(task)


def is_own(name: str) -> bool:
    """Tell whether this is one of the tasks that every worker runs for itself: pytask's own, but for flows."""
    return name.startswith(RESERVED) and name != FLOW


def no_such_task(name: str, known: Iterable[str]) -> str:
    """Say that nobody knows a task, and which known names are near."""
    near = ' or '.join(f'"{other}"' for other in get_close_matches(name, list(known), n=3, cutoff=0.5))
    return f'no worker knows "{name}"' + (f'; did you mean {near}?' if near else '')


def place_of(task: type[Task]) -> str:
    """File and line where a task is defined, for messages."""
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
            f'{place_of(task)}: NAME must be 1 to 200 printable characters without blanks: {name!r}{remedy}'
        )
    if name.startswith(RESERVED) and not task.__module__.startswith('pytask.'):
        raise ConfigError(f'{place_of(task)}: pytask keeps names that begin with {RESERVED!r} for itself: {name!r}')


def _check(task: type[Task]) -> None:
    name = task.NAME
    start = getattr(task, 'start', None)
    if not callable(start):
        raise ConfigError(f'{place_of(task)}: task {name!r} has no start method')
    wrong = what_is_wrong(task)
    if wrong:
        raise ConfigError(f'{place_of(task)}: {wrong}')
    for policy, (is_fit, wanted) in _POLICIES.items():
        value = getattr(task, policy)
        if not is_fit(value):
            raise ConfigError(f'{place_of(task)}: {policy} of {name!r} must be {wanted}: {value!r}')


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


def _import_all(folder: Path) -> Iterator[Any]:
    folder = folder.resolve()
    if not folder.is_dir():
        raise ConfigError(f'no folder of tasks at {folder}; name one with --tasks')
    root = _package_name(folder)
    yield _guarded(folder / '__init__.py', lambda: _import_root(root, folder))
    # A package's own file first: what is wrong in it is told of it, not of the first module below.
    for path in sorted(
        folder.rglob('*.py'), key=lambda path: (path.parent.parts, path.name != '__init__.py', path)
    ):
        parts = path.relative_to(folder).with_suffix('').parts
        parts = parts[:-1] if parts[-1] == '__init__' else parts
        if not parts or path.is_dir() or any(part.startswith(('.', '__')) for part in parts):
            continue
        name = '.'.join((root, *parts))
        yield _guarded(path, lambda name=name: importlib.import_module(name))


def _package_name(folder: Path) -> str:
    # An app may have imported tasks of this folder before, under a longer name: they are not to be imported twice.
    names = _imported_packages()
    if str(folder) in names:
        return names[str(folder)]
    if str(folder.parent) in names and folder.name.isidentifier():
        return f'{names[str(folder.parent)]}.{folder.name}'
    # Where the name is taken, what has it must stay importable.
    more = (f'{folder.name}_tasks{n or ""}' for n in itertools.count())
    return next(name for name in itertools.chain([folder.name], more) if _is_free(name, folder))


def _imported_packages() -> dict[str, str]:
    """Return folder → name of the packages that this process has imported; not of its own."""
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        paths = list(getattr(module, '__dict__', {}).get('__path__') or [])
        # The first counts: a folder without `__init__.py` shares its name with others further down the path.
        if paths and name.partition('.')[0] != 'pytask':
            found.setdefault(str(paths[0]), name)
    return found


def _is_free(name: str, folder: Path) -> bool:
    known = sys.modules.get(name)
    if known is None:
        return name not in sys.stdlib_module_names
    return list(getattr(known, '__path__', [])) == [str(folder)]


def _import_root(name: str, folder: Path) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    if '.' in name.removeprefix(folder.name):  # below a package that is imported
        return importlib.import_module(name)
    init = folder / '__init__.py'
    loader = init if init.exists() else None
    spec = importlib.util.spec_from_file_location(name, loader, submodule_search_locations=[str(folder)])
    if spec is None:
        spec = importlib.util.spec_from_loader(name, loader=None, is_package=True)
        assert spec is not None
        spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        if spec.loader is not None and init.exists():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _guarded(path: Path, load: Any) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.filename == str(path):
            raise ConfigError(f'{path} can not be read: {error.strerror}; see its rights with ls -l') from error
        where = ''
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            where = f':{error.lineno}'
        elif frames:
            where = f':{frames[-1].lineno}'
        raise ConfigError(f'{path}{where} does not import: {type(error).__name__}: {error}') from error


def find(registry: Registry, name: str) -> type[Task]:
    """Return the task of this name. Raises NotFound with the near names."""
    task = registry.get(name)
    if task is None:
        raise NotFound(no_such_task(name, registry.names()))
    return task
