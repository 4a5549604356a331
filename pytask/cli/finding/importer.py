"""Imports the PyTask that `module:attribute` names; an error says what is near."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.authoring.decorator import as_task_class
from pytask.cli.finding import flask_app
from pytask.cli.finding.import_errors import failure, is_own, shown
from pytask.config.sources import here
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from pytask.app.app import PyTask


def find(text: str, source: str) -> PyTask:
    """Return the PyTask at `module:attribute`, or the one that the function there returns.

    Without an attribute it is the only PyTask in the module. `source` is the option, variable or file that names
    it. Raises ConfigError.
    """
    make_importable(here())
    name, _, attribute = text.partition(':')
    try:
        with flask_app.being_found():
            module = _import(name, attribute)
            return _named(module, attribute) if attribute else _only(module)
    except ConfigError as error:
        raise ConfigError(f'{error}\n  - named by  {naming(source, text)}') from error.__cause__


def naming(source: str, text: str) -> str:
    """Return how a value was given: `-A web:app`, `PYTASK_APP=web:app`, `pytask.toml: 'web:app'`."""
    if source.endswith('.toml'):
        return f'{source}: {text!r}'
    return f'{source}={text}' if source.startswith('PYTASK_') else f'{source} {text}'


def make_importable(folder: Path) -> None:
    """Let the modules of a folder be imported: `python -m` does that by itself, a console script does not."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import(name: str, attribute: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is None or not f'{name}.'.startswith(f'{missing}.'):
            raise failure(f'{name} does not import', error) from error
        raise ConfigError(f'no module {missing!r}{_modules_hint(name, attribute, missing)}') from error


def _modules_hint(name: str, attribute: str, missing: str) -> str:
    package, dot, last = missing.rpartition('.')
    folder = here().joinpath(*package.split('.'))
    there = sorted(module.name for module in pkgutil.iter_modules([str(folder)]))
    near = get_close_matches(last, there, n=2)
    if near:
        rest = name.removeprefix(missing) + (attribute and f':{attribute}')
        return f'; did you mean {" or ".join(f"{package}{dot}{other}{rest}" for other in near)}?'
    if package and folder.with_suffix('.py').is_file():
        return f'; write the attribute after a colon: {package}:{last}'
    return f'; {folder} has: {", ".join(there[:8])}' if there else ''


def _named(module: ModuleType, attribute: str) -> PyTask:
    place = f'{module.__name__}:{attribute}'
    if not hasattr(module, attribute):
        raise ConfigError(f'no {attribute!r} in {_file_of(module)}{_apps_hint(module, attribute)}')
    thing = getattr(module, attribute)
    app = flask_app.as_app(thing)
    if app is None and _is_factory(thing):
        place, thing = f'{place}()', _call(place, thing)
        app = flask_app.as_app(thing)
    if app is None:
        kind = 'task' if as_task_class(thing) else 'class' if inspect.isclass(thing) else type(thing).__name__
        raise ConfigError(f'{place} is a {kind}, not a PyTask{_apps_hint(module, attribute)}')
    return app


def _is_factory(thing: Any) -> bool:
    # Nothing else that is callable: a task would run, a web framework's app would expect a request.
    return as_task_class(thing) is None and (inspect.isfunction(thing) or isinstance(thing, functools.partial))


def _call(place: str, factory: Any) -> Any:
    try:
        return factory()
    except (Exception, SystemExit) as error:
        raise failure(f'{place}() fails', error) from error


def _only(module: ModuleType) -> PyTask:
    apps = _apps(module)
    if len({id(app) for app in apps.values()}) == 1:
        return next(iter(apps.values()))
    if apps:
        choices = ' or '.join(f'{module.__name__}:{name}' for name in apps)
        raise ConfigError(f'{len(apps)} apps in {_file_of(module)}; choose one: {choices}')
    raise ConfigError(f'no app in {_file_of(module)}{_apps_hint(module)}')


def _apps(module: ModuleType) -> dict[str, PyTask]:
    apps = {name: flask_app.as_app(thing) for name, thing in vars(module).items()}
    return {name: app for name, app in apps.items() if app is not None}


def _apps_hint(module: ModuleType, attribute: str = '') -> str:
    apps = _apps(module)
    if near := get_close_matches(attribute, apps, n=1):
        return f'; did you mean {module.__name__}:{near[0]}?'
    if apps:
        return f'; it has: {", ".join(f"{module.__name__}:{name}" for name in apps)}'
    path = here() / f'{module.__name__}.py'
    if path.is_file() and not is_own(getattr(module, '__file__', None) or ''):
        return f'; Python finds that file before your {path.name}: rename yours'
    return '; write app = PyTask() in it'


def _file_of(module: ModuleType) -> str:
    path = getattr(module, '__file__', None)
    return shown(path) if path else module.__name__
