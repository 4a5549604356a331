"""Why tasks do not import, as their author wants to read it: file, line, that line; and which files matter."""

from __future__ import annotations

import linecache
import sys
import traceback
from typing import TYPE_CHECKING

from pytask.cli.finding.import_errors import is_own, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.errors import ConfigError


def explain(error: ConfigError) -> str:
    """Return what is wrong, where it stands, and by whose import it was reached."""
    cause = error.__cause__
    places = list(_places(cause)) if cause is not None else []
    if cause is None or not places:
        return str(error)
    (path, line), *outer = reversed(places)
    if ' does not import' not in str(error):
        return f'{error}\n{_source(path, line, cause)}'
    told = cause.msg if isinstance(cause, SyntaxError) else ' '.join(str(cause).split('\n'))
    text = f'{shown(path)}:{line} does not import: {type(cause).__name__}: {told}\n{_source(path, line, cause)}'
    return ''.join(
        [text, *(f'\n  imported by {shown(path)}:{line}' for path, line in outer if path != places[-1][0])]
    )


def files_of(error: ConfigError | None = None) -> list[str]:
    """Return the files of this folder that were imported, and those in which an error stands."""
    found = {str(getattr(module, '__file__', None) or '') for module in list(sys.modules.values())}
    if error is not None and error.__cause__ is not None:
        found |= {path for path, _ in _places(error.__cause__)}
    return sorted(path for path in found if path.endswith('.py') and is_own(path))


def _places(cause: BaseException) -> Iterator[tuple[str, int]]:
    # The author's own code only, the deepest last.
    for frame in traceback.extract_tb(cause.__traceback__):
        if is_own(frame.filename):
            yield frame.filename, frame.lineno or 0
    if isinstance(cause, SyntaxError) and cause.filename and is_own(cause.filename):
        yield cause.filename, cause.lineno or 0


def _source(path: str, line: int, cause: BaseException | None) -> str:
    linecache.checkcache(path)
    source = linecache.getline(path, line).rstrip().expandtabs(4)
    text = f'{line:>5} | {source}'
    if isinstance(cause, SyntaxError) and cause.offset and cause.filename == path:
        text += f'\n      | {" " * (cause.offset - 1)}^'
    return text if source else ''
