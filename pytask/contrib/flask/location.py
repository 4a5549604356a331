"""Where another process finds this one's Flask app, and whether this process serves it at all."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

if TYPE_CHECKING:
    from flask import Flask


def place_of(flask: Flask) -> str:
    """Return where another process finds an app, in the form of FLASK_APP. Raises RuntimeError."""
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, '__dict__', {}).items()):
            if value is flask:
                return f'{_module(name)}:{attribute}'
    context = click.get_current_context(silent=True)
    info = context.find_object(ScriptInfo) if context is not None else None
    named = (info.app_import_path if info is not None else None) or os.environ.get('FLASK_APP')
    return named or _file_of(flask, info) or _module(flask.import_name)


def _file_of(flask: Flask, info: ScriptInfo | None) -> str:
    """Return the file that `flask run` finds by itself, or that created the app under any name; '' for none."""
    from pytask.cli.finding.flask_app import file_here

    is_found_by_flask = info is not None and info.create_app is None
    return file_here() if is_found_by_flask or flask.import_name not in sys.modules else ''


def only_reloads() -> bool:
    """Tell whether this process is werkzeug's reloader, which only restarts the process that serves."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - documented under this name
    while frame is not None and frame.f_code.co_name != 'restart_with_reloader':
        frame = frame.f_back
    return frame is not None


def _module(name: str) -> str:
    """Return how another process imports a module of this one: by its name, a script by its file."""
    module = sys.modules.get(name)
    if name != '__main__':
        return name
    spec = getattr(module, '__spec__', None)
    if spec is not None:
        return str(spec.name)
    file = getattr(module, '__file__', None)
    if file is None:
        raise RuntimeError('start() needs an app in a module or script; from a prompt, run `pytask worker` instead')
    return str(Path(file).absolute())
