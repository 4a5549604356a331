"""Which app a command uses, and which tasks that knows.

The app is the one of `-A`, of `PYTASK_APP`, or of `app` in a file; where none is named, that of this folder's
Flask app, and where there is none of those either, one of the command's own. The tasks are those the app has, and
those of its folder: `tasks` below this one, unless its settings name another, or none with `''`. Who names an app
would not expect ./tasks to be forgotten for it; a folder that is not there is missed only where it was named, or
where there is no app.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.authoring.decorator import as_task_class
from pytask.cli.finding import flask_app, import_errors
from pytask.config import settings
from pytask.config.sources import here
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from pytask.app.app import PyTask

NO_TASKS = """\
no folder of tasks at {folder}; write a first task with: {command} init
  - or name a folder:  --tasks DIR
  - or name an app:    -A module:attribute"""


def make(flags: dict[str, Any], place: str = '') -> PyTask:
    """Return the app that is named, else a new one; flags and `PYTASK_*` count more than what it was made with.

    `place` is where the Flask app of a worker beside a web process is.
    """
    from pytask.app.app import PyTask

    text, source = ('', '') if place else _app_named(flags)
    app = find(text, source or '') if text else None
    if place or source is None:
        text = place or flask_app.place_here()
        app = flask_app.app_at(text, is_named=bool(place)) if text else None
    if app is None:
        app, text = PyTask(), ''
    app.configure(flags)
    app.place = text
    return app


def _app_named(flags: dict[str, Any]) -> tuple[str, str | None]:
    """Return the app that is named, and where; None where it is nowhere."""
    text, source = settings.chosen(flags).get('app', ('', None))
    if text or source is None:  # `-A ''` is for none: not for Flask's either
        flask_app.read_dotenv(text)
        text, source = settings.chosen(flags).get('app', ('', None))  # a file may name one, too
    return text, source


def load_tasks(app: PyTask, *, is_needed: bool, command: str = 'pytask') -> None:
    """Add the tasks of the app's folder. Raises ConfigError for a folder that is needed and not there."""
    folder = Path(app.settings.tasks)
    if not app.settings.tasks:
        return
    if folder.is_dir():
        make_importable(here())  # what stands beside the folder is the author's too
        app.discover(folder)
    elif is_needed and ('tasks' in app.chosen or not app.place):
        raise no_tasks(app.chosen, command)


def where_from(app: PyTask) -> str:
    """Say where an app's tasks come from: `tasks`, `web:app`, or both."""
    folder = app.settings.tasks
    places = [app.place, folder if folder and Path(folder).is_dir() else '']
    return ' and '.join(place for place in places if place)


def elsewhere(app: PyTask, command: str) -> str:
    """Say that another Redis is named here than the one that `dev` uses; '' where none is."""
    url, source = settings.chosen(code=app.given, named=app.named).get('redis', (None, ''))
    if url is None or url == app.settings.redis:
        return ''
    shown = settings.redacted(url)
    return (
        f'note: {source} names {shown}, and this is another one; views and other commands go there\n'
        f'  - to use it here, too:  {command} dev --redis {shown}'
    )


def are_tasks_missing(chosen: settings.Chosen) -> bool:
    """Tell whether neither an app nor a folder was named, and there is no ./tasks and no Flask app."""
    is_named = chosen['app'][0] if 'app' in chosen else flask_app.place_here()
    return not is_named and 'tasks' not in chosen and not Path(settings.Settings.tasks).is_dir()


def no_tasks(chosen: settings.Chosen, command: str) -> ConfigError:
    name, source = chosen.get('tasks', (settings.Settings.tasks, ''))
    folder = Path(name).absolute()
    if not source:
        return ConfigError(NO_TASKS.format(folder=folder, command=command))
    beside = [path.name for path in _below(folder.parent) if path.is_dir()]
    near = get_close_matches(folder.name, beside, n=2)
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    return ConfigError(f'no folder of tasks at {folder}{hint}\n  - named by  {_naming(source, name)}')


def folder_to_watch(chosen: settings.Chosen, command: str) -> str:
    """Return the folder of tasks, '' where an app does without. Raises ConfigError for one that is not there."""
    name = str(chosen.get('tasks', (settings.Settings.tasks, ''))[0])
    if not name or Path(name).is_dir():
        return name
    if 'tasks' in chosen:
        raise no_tasks(chosen, command)
    return ''


def make_importable(folder: Path) -> None:
    """Let modules of a folder be imported, as `python -m` does and a console script does not."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def find(text: str, source: str) -> PyTask:
    """Return the PyTask that `module:attribute` names, or that the function there makes.

    Where no attribute is named it is the only one in the module. Raises ConfigError, which names what was tried
    and what is near.
    """
    make_importable(here())
    name, _, attribute = text.partition(':')
    try:
        with flask_app.being_found():
            module = _import(name, attribute and f':{attribute}')
            return _named(module, attribute) if attribute else _only(module)
    except ConfigError as error:
        raise ConfigError(f'{error}\n  - named by  {_naming(source, text)}') from error.__cause__


def _naming(source: str, text: str) -> str:
    if source.startswith('PYTASK_'):
        return f'{source}={text}'
    if source.endswith('.toml'):
        return f'{source}: {text!r}'
    return f'{source} {text}'


def _import(name: str, colon_attribute: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f'{name}.'.startswith(f'{error.name}.'):
            raise import_errors.import_error(name, error) from error
        raise ConfigError(_no_module(name + colon_attribute, error.name)) from error
    except (Exception, SystemExit) as error:
        raise import_errors.import_error(name, error) from error


def _no_module(text: str, missing: str) -> str:
    package, _, last = missing.rpartition('.')
    folder = here().joinpath(*package.split('.')) if package else here()
    there = sorted({path.stem for path in _below(folder) if _is_module(path)})
    near = get_close_matches(last, there, n=2)
    if near:
        rest = text.removeprefix(missing)
        hint = f'; did you mean {" or ".join((package and package + ".") + other + rest for other in near)}?'
    elif package and _is_file(package):
        hint = f'; an attribute stands behind a colon: {package}:{last}'
    else:
        hint = f'; in {folder} there are: {", ".join(there[:8])}' if there else ''
    return f'no module {missing!r}{hint}'


def _is_file(name: str) -> bool:
    return here().joinpath(*name.split('.')).with_suffix('.py').is_file()


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_module(path: Path) -> bool:
    if path.is_dir():
        return path.name.isidentifier() and any(path.glob('*.py'))
    return path.suffix == '.py' and path.stem.isidentifier() and path.stem != '__init__'


def _named(module: ModuleType, attribute: str) -> PyTask:
    place = f'{module.__name__}:{attribute}'
    if not hasattr(module, attribute):
        raise ConfigError(f'no {attribute!r} in {_file_of(module)}{_apps_hint(module, attribute)}')
    thing = getattr(module, attribute)
    app = flask_app.as_app(thing)
    if app is not None:
        return app
    if not _is_factory(thing):
        raise ConfigError(f'{place} is {_kind(thing)}, not a PyTask{_apps_hint(module, attribute)}')
    return _made(place, thing)


def _made(place: str, factory: Any) -> PyTask:
    try:
        inspect.signature(factory).bind()
    except TypeError:
        needs = inspect.signature(factory)
        raise ConfigError(f'{place} needs arguments, {needs}; name a function that takes none') from None
    try:
        made = factory()
    except (Exception, SystemExit) as error:
        raise import_errors.error_in(f'{place}() fails', error) from error
    app = flask_app.as_app(made)
    if app is None:
        raise ConfigError(f'{place}() returns {_kind(made)}, not a PyTask')
    return app


def _only(module: ModuleType) -> PyTask:
    apps = _apps(module)
    if len({id(app) for app in apps.values()}) == 1:
        return next(iter(apps.values()))
    if apps:
        choices = ' or '.join(f'{module.__name__}:{name}' for name in apps)
        raise ConfigError(f'{len(apps)} apps in {_file_of(module)}; say which: {choices}')
    raise ConfigError(f'no app in {_file_of(module)}{_apps_hint(module, "")}')


def _apps(module: ModuleType) -> dict[str, PyTask]:
    apps = {name: flask_app.as_app(thing) for name, thing in vars(module).items()}
    return {name: app for name, app in apps.items() if app is not None}


def _apps_hint(module: ModuleType, attribute: str) -> str:
    """Say which apps there are, and whether another module of that name is meant."""
    apps = _apps(module)
    if apps:
        near = get_close_matches(attribute, apps, n=1)
        words = f'did you mean {module.__name__}:{near[0]}' if near else 'there are'
        rest = '?' if near else f': {", ".join(f"{module.__name__}:{name}" for name in apps)}'
        return f'; {words}{rest}'
    if _is_file(module.__name__) and not import_errors.is_own(getattr(module, '__file__', None) or ''):
        return f'; Python finds that one before {module.__name__}.py here: give yours another name'
    return '; there is no PyTask in it: write app = PyTask()'


def _is_factory(thing: Any) -> bool:
    # Never what is callable for other reasons: a task would be run, a web framework's app be asked for a page.
    return as_task_class(thing) is None and (inspect.isfunction(thing) or isinstance(thing, functools.partial))


def _kind(thing: Any) -> str:
    if inspect.isclass(thing) or as_task_class(thing) is not None:
        return 'a task' if as_task_class(thing) is not None else 'a class'
    return 'None' if thing is None else f'a {type(thing).__name__}'


def _file_of(module: ModuleType) -> str:
    path = getattr(module, '__file__', None)
    return import_errors.shown(path) if path else module.__name__
