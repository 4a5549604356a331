"""Errors of the author's modules: their own file and line first, then how that was reached."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import pytask
from pytask.config.sources import here
from pytask.errors import ConfigError

_OURS = str(Path(pytask.__file__).parent)


def import_error(name: str, error: BaseException) -> ConfigError:
    """Say that a module does not import, and why."""
    return error_in(f'{name} does not import', error)


def error_in(what: str, error: BaseException) -> ConfigError:
    """Say what failed, first the place where it did."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    own = [place for place in places if is_own(place[0])]
    own = own or [place for place in places if not _is_of_others(place[0])] or places[-1:]
    lines = [f'{_place(*place)}' for place in reversed(own)]
    why = error.msg if isinstance(error, SyntaxError) else str(error)
    head = f'{lines[0]}: {what}: {type(error).__name__}: {why}'
    return ConfigError('\n'.join([head, *(f'  - reached from  {line}' for line in lines[1:])]))


def is_own(path: str) -> bool:
    """Tell whether a file stands in this folder, and not in an environment of Python in it."""
    folder = here()
    if not Path(path).is_relative_to(folder) or path.startswith(_OURS):
        return False
    return not set(Path(path).relative_to(folder).parts) & {'site-packages', 'dist-packages'}


def shown(path: str) -> str:
    """Return a path as it is named here: from this folder on, where it is below."""
    return str(Path(path).relative_to(here())) if is_own(path) else path


def _place(path: str, line: int | None) -> str:
    return f'{shown(path)}:{line}'


def _is_of_others(path: str) -> bool:
    pythons = (sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib'))
    return path.startswith(('<', _OURS, *pythons))
