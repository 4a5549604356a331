"""Errors in the author's own modules: the file, the line and its source, then the imports that led there."""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytask
from pytask.config.sources import here
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS = str(Path(pytask.__file__).parent)


def failure(what: str, error: BaseException) -> ConfigError:
    """Return an error that says what failed; raise it `from` the other one, then `explain` finds the line."""
    return ConfigError(f'{what}: {_reason(error)}')


def explain(error: ConfigError) -> str:
    """Return the text of an error, with the author's line that caused it and the imports that led there."""
    cause = error.__cause__
    places = list(_places(cause)) if cause is not None else []
    if cause is None or not places:
        return str(error)
    (path, line), *outer = reversed(places)
    is_import = ' does not import' in str(error)
    head = f' does not import: {_reason(cause)}' if is_import else f': {error}'
    lines = [f'{shown(path)}:{line}{head}', *_source(path, line, cause)]
    return '\n'.join(lines + [f'  imported by {shown(above)}:{n}' for above, n in outer if above != path])


def files_of(error: ConfigError | None = None) -> list[str]:
    """Return the files of this folder that were imported, and those that an error points to."""
    found = {str(getattr(module, '__file__', None) or '') for module in list(sys.modules.values())}
    if error is not None and error.__cause__ is not None:
        found |= {path for path, _ in _places(error.__cause__)}
    return sorted(path for path in found if path.endswith('.py') and is_own(path))


def is_own(path: str) -> bool:
    """Tell whether a file is in this folder, but not in a virtual environment in it."""
    folder = here()
    if not Path(path).is_relative_to(folder) or path.startswith(_OURS):
        return False
    return not set(Path(path).relative_to(folder).parts) & {'site-packages', 'dist-packages'}


def shown(path: str) -> str:
    """Return a path relative to this folder if it is below it."""
    return str(Path(path).relative_to(here())) if is_own(path) else path


def _reason(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else ' '.join(str(error).split('\n'))
    return f'{type(error).__name__}: {text}'


def _places(cause: BaseException) -> Iterator[tuple[str, int]]:
    # Only the author's own code; the deepest frame comes last.
    for frame in traceback.extract_tb(cause.__traceback__):
        if is_own(frame.filename):
            yield frame.filename, frame.lineno or 0
    if isinstance(cause, SyntaxError) and cause.filename and is_own(cause.filename):
        yield cause.filename, cause.lineno or 0


def _source(path: str, line: int, cause: BaseException) -> Iterator[str]:
    linecache.checkcache(path)
    source = linecache.getline(path, line).rstrip().expandtabs(4)
    if source:
        yield f'{line:>5} | {source}'
        if isinstance(cause, SyntaxError) and cause.offset and cause.filename == path:
            yield f'      | {" " * (cause.offset - 1)}^'
