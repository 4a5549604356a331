"""Which app a command uses, and which tasks it knows.

The app is the one that `-A`, `PYTASK_APP` or `app` in a settings file names, else that of this folder's Flask app,
else a new one. Its tasks are its own and those in its folder: ./tasks, unless a setting names another folder, or
none with `''`. `-A` does not disable ./tasks: its tasks would silently disappear. A missing folder is an error only
if it was named, or if there is no app.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.cli.finding import flask_app
from pytask.cli.finding.importer import find, make_importable, naming
from pytask.config import settings
from pytask.config.sources import here
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from pytask.app.app import PyTask

NO_TASKS = """\
no folder of tasks at {folder}; write a first task with: {command} init
  - or name a folder:  --tasks DIR
  - or name an app:    -A module:attribute"""


def make(flags: dict[str, Any], place: str = '') -> PyTask:
    """Return the app that is named, else a new one; flags and `PYTASK_*` override what is set in code.

    `place` is the Flask app of a worker beside a web process.
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
    """Return the app that is named and the source of that; the source is None if none is."""
    text, source = settings.chosen(flags).get('app', ('', None))
    if text or source is None:  # `-A ''` is for no app at all, not even Flask's
        flask_app.read_dotenv(text)
        text, source = settings.chosen(flags).get('app', ('', None))  # .env may name one, too
    return text, source


def load_tasks(app: PyTask, *, is_needed: bool, command: str = 'pytask') -> None:
    """Add the tasks in the app's folder. Raises ConfigError if the folder is needed and missing."""
    folder = Path(app.settings.tasks)
    if not app.settings.tasks:
        return
    if folder.is_dir():
        make_importable(here())  # modules beside the folder are the author's too
        app.discover(folder)
    elif is_needed and ('tasks' in app.chosen or not app.place):
        raise no_tasks(app.chosen, command)


def where_from(app: PyTask) -> str:
    """Return where an app's tasks come from: `tasks`, `web:app`, or both."""
    folder = app.settings.tasks
    places = [app.place, folder if folder and Path(folder).is_dir() else '']
    return ' and '.join(place for place in places if place)


def elsewhere(app: PyTask, command: str) -> str:
    """Return a note if the settings name another Redis than the one that `dev` uses, else ''."""
    url, source = settings.chosen(code=app.given, named=app.named).get('redis', (None, ''))
    if url is None or url == app.settings.redis:
        return ''
    shown = settings.redacted(url)
    return (
        f'note: {source} names {shown}, but `dev` uses its own Redis; your site and other commands use {shown}\n'
        f'  - to use it here, too:  {command} dev --redis {shown}'
    )


def are_tasks_missing(chosen: settings.Chosen) -> bool:
    """Tell whether no app and no folder was named, and there is neither ./tasks nor a Flask app."""
    is_named = chosen['app'][0] if 'app' in chosen else flask_app.place_here()
    return not is_named and 'tasks' not in chosen and not Path(settings.Settings.tasks).is_dir()


def no_tasks(chosen: settings.Chosen, command: str) -> ConfigError:
    """Return the error for a missing folder of tasks."""
    name, source = chosen.get('tasks', (settings.Settings.tasks, ''))
    folder = Path(name).absolute()
    if not source:
        return ConfigError(NO_TASKS.format(folder=folder, command=command))
    beside = [path.name for path in sorted(folder.parent.glob('*/'))]
    near = get_close_matches(folder.name, beside, n=2)
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    return ConfigError(f'no folder of tasks at {folder}{hint}\n  - named by  {naming(source, name)}')


def folder_to_watch(chosen: settings.Chosen, command: str) -> str:
    """Return the folder of tasks, '' if the app has none. Raises ConfigError if it was named and is missing."""
    name = str(chosen.get('tasks', (settings.Settings.tasks, ''))[0])
    if not name or Path(name).is_dir():
        return name
    if 'tasks' in chosen:
        raise no_tasks(chosen, command)
    return ''
