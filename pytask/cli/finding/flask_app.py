"""The Flask app of this folder, found as `flask run` finds it: FLASK_APP, wsgi.py, app.py.

A file is only imported if it looks like Flask: other programs have an app.py too. Flask itself is only imported if
there is something to find. .flaskenv and .env are then read as well, if python-dotenv is installed: `flask run` and
`flask shell` obey them, so pytask's settings in them must count too.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.cli.finding.import_errors import failure
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
# Flask's own variable: a command imported this, so `app.run()` must not serve.
_LOOKED_AT = 'FLASK_RUN_FROM_CLI'


def place_here() -> str:
    """Return where the Flask app of this folder is, as FLASK_APP would say it; '' if nothing looks like one."""
    if find_spec('flask') is None:
        return ''
    read_dotenv()
    return os.environ.get('FLASK_APP') or file_here()


def file_here() -> str:
    """Return the file that Flask takes by default; '' if neither looks like a Flask app."""
    return next((name for name, looks in _FILES.items() if looks.search(_text(Path(name)))), '')


def read_dotenv(named: str = '') -> None:
    """Read .flaskenv and .env as `flask` does, if `module:attribute`, or this folder, looks like Flask."""
    if find_spec('flask') is None or find_spec('dotenv') is None:
        return
    if _looks_like_flask(named) if named else _is_one_here():
        from flask.cli import load_dotenv
        from flask.helpers import get_load_dotenv

        if get_load_dotenv():
            load_dotenv()


def app_at(place: str, *, is_named: bool) -> PyTask | None:
    """Return the PyTask of a Flask app, or None. Raises ConfigError if it has none although it was named."""
    with being_found():
        app = as_app(_load(place))
    if app is None and is_named:
        raise ConfigError(f'the Flask app {place} has no task worker; add BackgroundTaskWorker(app)')
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
    """Import without side effects: `start()` of a task worker and Flask's `app.run()` do nothing meanwhile."""
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
    """Import a Flask app. Raises ConfigError; returns None for a default file without one."""
    from flask.cli import NoAppException, ScriptInfo

    try:
        # FLASK_DEBUG decides about debug mode if it is set, else the app itself.
        return ScriptInfo(app_import_path=place, set_debug_flag='FLASK_DEBUG' in os.environ).load_app()
    except NoAppException as error:
        inner = error.__context__
        if isinstance(inner, ImportError) and 'Traceback' in error.message:
            raise failure(f'{place} does not import', inner) from inner
        named = os.environ.get('FLASK_APP')
        if place in _FILES and not named:
            return None
        # A Flask site that started this worker may have found the place by itself.
        why = f'named by  FLASK_APP={place}' if place == named else 'name the app:  FLASK_APP=module:attribute'
        raise ConfigError(f'{error.message}\n  - {why}') from error
    except (Exception, SystemExit) as error:
        raise failure(f'{place} does not import', error) from error


def _looks_like_flask(named: str) -> bool:
    path = here().joinpath(*named.partition(':')[0].split('.'))
    file = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    return _FILES.get(file.name, _FILES['app.py']).search(_text(file)) is not None


def _is_one_here() -> bool:
    from dotenv import dotenv_values, find_dotenv

    if os.environ.get('FLASK_APP') or file_here():
        return True
    return any('FLASK_APP' in dotenv_values(find_dotenv(name, usecwd=True)) for name in ('.flaskenv', '.env'))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return ''
