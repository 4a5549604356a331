"""The Flask app of this folder, found as `flask run` finds it: FLASK_APP, wsgi.py, app.py.

A file is only imported where it looks like Flask: other programs are called app.py too. Flask itself is only
imported where there is something to find. Then .flaskenv and .env are read, where python-dotenv is installed: what
they say, of pytask's settings too, is what `flask run` and `flask shell` go by.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.cli.finding import import_errors
from pytask.config.sources import here
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from pytask.app.app import PyTask

_FILES = {
    'wsgi.py': re.compile(r'flask|create_app|make_app|\bapp\b', re.IGNORECASE),
    'app.py': re.compile(r'flask|create_app|make_app', re.IGNORECASE),
}
# Flask's own word for: a command has imported this, so `app.run()` is not to serve.
_LOOKED_AT = 'FLASK_RUN_FROM_CLI'
_DOTENV = ('.flaskenv', '.env')


def place_here() -> str:
    """Return where the Flask app of this folder is, as FLASK_APP would say it; '' where nothing looks like one."""
    if find_spec('flask') is None:
        return ''
    read_dotenv()
    return os.environ.get('FLASK_APP') or file_here()


def file_here() -> str:
    """Return the file that Flask would take by itself; '' where none looks like an app."""
    return next((name for name, looks in _FILES.items() if looks.search(_text(Path(name)))), '')


def read_dotenv(named: str = '') -> None:
    """Let .flaskenv and .env count as for `flask`, where `module:attribute` or this folder looks like Flask."""
    if find_spec('flask') is None or find_spec('dotenv') is None:
        return
    if _looks_like_flask(named) if named else _is_one_here():
        from flask.cli import load_dotenv
        from flask.helpers import get_load_dotenv

        if get_load_dotenv():
            load_dotenv()


def app_at(place: str, *, is_named: bool) -> PyTask | None:
    """Return the PyTask of a Flask app; None where that has none. Raises ConfigError where it should have."""
    with being_found():
        app = as_app(_load(place))
    if app is None and is_named:
        raise ConfigError(
            f'the Flask app {place} has no task worker: BackgroundTaskWorker(app), or its init_app(app)'
        )
    return app


def as_app(thing: Any) -> PyTask | None:
    """Return a PyTask, or that of a Flask app; None for anything else."""
    from pytask.app.app import PyTask

    if isinstance(thing, PyTask):
        return thing
    extensions = getattr(thing, 'extensions', None)
    app = extensions.get('pytask') if isinstance(extensions, dict) else None
    return app if isinstance(app, PyTask) else None


@contextmanager
def being_found() -> Iterator[None]:
    """Let what is imported only be looked at: `start()` of a task worker and Flask's `app.run()` do nothing."""
    from pytask.app.app import is_being_found

    token, before = is_being_found.set(True), os.environ.get(_LOOKED_AT)
    os.environ[_LOOKED_AT] = 'true'
    try:
        yield
    finally:
        is_being_found.reset(token)
        os.environ.pop(_LOOKED_AT)
        if before is not None:
            os.environ[_LOOKED_AT] = before


def _load(place: str) -> Flask | None:
    """Import a Flask app. Raises ConfigError; None for a file that has none, and that nobody has named."""
    from flask.cli import NoAppException, ScriptInfo

    try:
        # Debug as the environment says it; else as the app does.
        return ScriptInfo(app_import_path=place, set_debug_flag='FLASK_DEBUG' in os.environ).load_app()
    except NoAppException as error:
        if isinstance(error.__context__, ImportError) and 'Traceback' in error.message:
            raise import_errors.import_error(place, error.__context__) from error
        if place in _FILES and not os.environ.get('FLASK_APP'):
            return None
        raise ConfigError(f'{error.message}\n  - {_why(place)}') from error
    except (Exception, SystemExit) as error:
        raise import_errors.import_error(place, error) from error


def _why(place: str) -> str:
    """Say who has named a place; one that a site has found for its worker nobody has."""
    if place == os.environ.get('FLASK_APP'):
        return f'named by  FLASK_APP={place}'
    return f'the app was looked for at {place}; say where it is:  FLASK_APP=module:attribute'


def _looks_like_flask(named: str) -> bool:
    path = here().joinpath(*named.partition(':')[0].split('.'))
    file = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    return _FILES.get(file.name, _FILES['app.py']).search(_text(file)) is not None


def _is_one_here() -> bool:
    return bool(os.environ.get('FLASK_APP') or file_here()) or _dotenv_names_one()


def _dotenv_names_one() -> bool:
    folder = here()
    for name in _DOTENV:
        nearest = next((path for above in (folder, *folder.parents) if (path := above / name).is_file()), None)
        if nearest is not None and 'FLASK_APP' in _text(nearest):
            return True
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
