"""Errors as text, for the output of an EXCEPTION and for the log.

Nothing here raises, although an error's `__str__` may and recursion may leave little room.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

MAX_TEXT = 64 * 1024
_OWN = str(Path(__file__).parents[1])


def describe(error: BaseException) -> dict[str, str]:
    """Return `{"type", "message", "traceback"}`, the last two up to 64 KiB, without the worker's own frames."""
    return {'type': type(error).__name__, 'message': _message(error)[:MAX_TEXT], 'traceback': _traceback(error)}


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, 500 characters at most."""
    return (_message(error).splitlines() or [''])[0][:500]


def _message(error: BaseException) -> str:
    try:
        return _plain(str(error))
    except BaseException:  # noqa: BLE001 - the error's own __str__, which may leave or be interrupted like any user code
        return f'<unprintable {type(error).__name__}>'


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.TracebackException.from_exception(error, limit=None, compact=True)
        _leave_out_own_frames(lines)
        return _plain(''.join(lines.format()))[-MAX_TEXT:]
    except BaseException:  # noqa: BLE001 - as above
        return ''


def _leave_out_own_frames(lines: Any) -> None:
    while len(lines.stack) > 1 and lines.stack[0].filename.startswith(_OWN):
        del lines.stack[0]


def _plain(text: str) -> str:
    # Lone surrogates come out of file names and broken input; JSON and terminals refuse them.
    return text.encode('utf-8', 'backslashreplace').decode('utf-8')
