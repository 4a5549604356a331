"""What tasks print and log, marked with the run that it comes from.

`show`, for `pytask dev`, puts the task and the run id in front of every line that a task prints, from any of its
greenlets and `offload` threads; in a worker stdout is unchanged. `stamp_logs` adds the same two facts to records of
the standard `logging`. What is printed outside runs is left alone.

Lines are collected per greenlet and written whole, because `print` writes a line in pieces. An unfinished line is
written when the run's `start` is over.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

from gevent.monkey import get_original
from greenlet import getcurrent

from pytask.authoring.task import current
from pytask.worker.live import LEAVING
from pytask.worker.log_format import LogFormat, LogHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.worker.live import Live

# A line longer than this is written in pieces.
LONGEST = 64 * 1024
_OWN = 'pytask'
_TASKS = 'pytask.task'
# A terminal gets colours; all other control sequences are escaped.
_COLOUR = r'\x1b\[[0-9;]*m'
_CONTROLS = re.compile(f'({_COLOUR})|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029]')

# Run → (greenlet, stream) → its unfinished line.
_unfinished: dict[Live, dict[tuple[Any, TaskStream], str]] = {}
# Native, because native threads write, too; reentrant, because a finalizer may write at any time. Nothing under it
# switches greenlets.
_new_lock = get_original('_thread', 'RLock')
_lock = _new_lock()


class TaskStream:
    """A text stream that puts a text in front of the lines that tasks write."""

    def __init__(self, stream: TextIO, head: Callable[[str, str], str]) -> None:
        self._stream, self._head = stream, head
        self._is_terminal = stream.isatty()

    def write(self, text: str) -> int:
        live = _live()
        if live is None or not isinstance(text, str):  # the stream raises for what is not text
            return self._stream.write(text)
        with _lock:
            begun = _unfinished.setdefault(live, {})
            *lines, rest = (begun.pop((getcurrent(), self), '') + text).split('\n')
            if live.phase == LEAVING or len(rest) > LONGEST:  # `finish` has passed, or it is too long to keep
                lines, rest = [line for line in (*lines, rest) if line], ''
            if rest:
                begun[getcurrent(), self] = rest
            elif not begun:
                del _unfinished[live]
            self.write_lines(live, lines)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for text in lines:
            self.write(text)

    def write_lines(self, live: Live, lines: list[str]) -> None:
        if lines:
            head = self._head(live.task_name, live.run_id)
            self._stream.write(''.join(f'{head}{self._clean(text)}\n' for text in lines))
            self._stream.flush()

    def _clean(self, text: str) -> str:
        text = text.removesuffix('\r').rpartition('\r')[2]  # progress bars overwrite their line
        cleaned = _CONTROLS.sub(self._replace, text)
        return f'{cleaned}\x1b[0m' if '\x1b' in cleaned else cleaned

    def _replace(self, found: re.Match[str]) -> str:
        return found[1] if found[1] and self._is_terminal else '' if found[1] else repr(found[0])[1:-1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def show(head: Callable[[str, str], str]) -> None:
    """From now on, put `head(task, run id)` in front of the lines that tasks print and log."""
    sys.stdout, sys.stderr = TaskStream(sys.stdout, head), TaskStream(sys.stderr, head)
    os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    global _lock  # noqa: PLW0603 - its holder may not exist in the child
    _lock = _new_lock()


def finish(live: Live) -> None:
    """Write the unfinished lines of a run whose `start` is over."""
    if not _unfinished:
        return
    with _lock:
        for (_, stream), text in _unfinished.pop(live, {}).items():
            stream.write_lines(live, [text])


def beneath(stream: TextIO) -> TextIO:
    """Return the stream below a TaskStream, for pytask's own lines, which name the run already."""
    return getattr(stream, '_stream', stream) if isinstance(stream, TaskStream) else stream


def stamp_logs() -> None:
    """Add task and run id to what tasks log, as `task` and `run_id` of the records.

    If the author has set up logging, that stays as it is. Otherwise warnings go to stderr, as always in Python; if
    task output is shown, tasks log from INFO on.
    """
    root, is_shown = logging.getLogger(), isinstance(sys.stderr, TaskStream)
    if not root.handlers:
        handler: logging.Handler = LogHandler(sys.stderr)
        handler.setFormatter(logging.Formatter('%(levelname)s %(message)s') if is_shown else LogFormat())
        handler.addFilter(_from_tasks if is_shown else _not_ours)
        root.addHandler(handler)
        if is_shown:
            root.setLevel(logging.INFO)
            logging.getLogger(_TASKS).setLevel(logging.INFO)
            for own in logging.getLogger(_OWN).handlers:
                own.addFilter(lambda record: record.name != _TASKS)
    for handler in root.handlers:
        handler.addFilter(_stamp)


def _stamp(record: logging.LogRecord) -> bool:
    live = _live()
    if not hasattr(record, 'run_id'):
        record.run_id, record.task = (live.run_id, live.task_name) if live else ('', '')
    return True


def _not_ours(record: logging.LogRecord) -> bool:
    # pytask's own records have a handler already.
    return record.name.partition('.')[0] != _OWN


def _from_tasks(record: logging.LogRecord) -> bool:
    if record.name == _TASKS or _not_ours(record):
        return record.levelno >= logging.WARNING or _live() is not None
    return False


def _live() -> Live | None:
    task = current.get()
    return None if task is None else getattr(task.pytask_port, 'live', None)
