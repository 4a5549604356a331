"""What tasks print and log: whose code is running tells which run it belongs to.

`show` puts the task and the run id in front of every line that a task prints, from any of its greenlets and
`offload` threads, for `pytask dev`; in a worker stdout stays as it is. `stamp_logs` gives records of the
standard `logging` the same two facts. What is printed outside of runs is left alone.

Lines are gathered per greenlet, and written whole: `print` writes a line in pieces. What a run leaves without
an end of line comes out when its `start` is over. Only who prints pays for it.
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
# Colours may pass to a terminal; whatever else would steer it is escaped.
_COLOUR = r'\x1b\[[0-9;]*m'
_CONTROLS = re.compile(f'({_COLOUR})|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029]')

# Run → (greenlet, stream) → what it has begun to write there. Empty unless somebody is in the middle of a line.
_unfinished: dict[Live, dict[tuple[Any, TaskStream], str]] = {}
# A native lock: native threads write too. Nothing in it switches greenlets; a finalizer may write in the midst.
_new_lock = get_original('_thread', 'RLock')
_lock = _new_lock()


class TaskStream:
    """A text stream that puts a text in front of what tasks write, and passes on what others do."""

    def __init__(self, stream: TextIO, head: Callable[[str, str], str]) -> None:
        self._stream, self._head = stream, head
        self._is_terminal = stream.isatty()

    def write(self, text: str) -> int:
        live = _live()
        if live is None or not isinstance(text, str):  # which that refuses
            return self._stream.write(text)
        with _lock:
            begun = _unfinished.setdefault(live, {})
            *lines, rest = (begun.pop((getcurrent(), self), '') + text).split('\n')
            if live.phase == LEAVING or len(rest) > LONGEST:  # nobody comes for it later; or it is too long to keep
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
        text = text.removesuffix('\r').rpartition('\r')[2]  # progress bars write over their line
        cleaned = _CONTROLS.sub(self._replace, text)
        return f'{cleaned}\x1b[0m' if '\x1b' in cleaned else cleaned

    def _replace(self, found: re.Match[str]) -> str:
        return found[1] if found[1] and self._is_terminal else '' if found[1] else repr(found[0])[1:-1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def show(head: Callable[[str, str], str]) -> None:
    """From now on, put `head(task, run id)` in front of what tasks print and log."""
    sys.stdout, sys.stderr = TaskStream(sys.stdout, head), TaskStream(sys.stderr, head)
    os.register_at_fork(after_in_child=_forked)


def _forked() -> None:
    global _lock  # noqa: PLW0603 - who held it has not come along
    _lock = _new_lock()


def finish(live: Live) -> None:
    """Write what a run has left in the middle of a line; its `start` is over."""
    if not _unfinished:
        return
    with _lock:
        for (_, stream), text in _unfinished.pop(live, {}).items():
            stream.write_lines(live, [text])


def beneath(stream: TextIO) -> TextIO:
    """Return the stream itself: for what pytask says, which already names the run."""
    return getattr(stream, '_stream', stream) if isinstance(stream, TaskStream) else stream


def stamp_logs() -> None:
    """Let what tasks log tell task and run id: as `task` and `run_id` of the records, in front, or behind.

    Where the author has set logging up, that stays as it is. Else warnings go to stderr, as everywhere; where
    task output is shown, what tasks log is from INFO on.
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
    # What pytask logs has its own handler, and needs none here.
    return record.name.partition('.')[0] != _OWN


def _from_tasks(record: logging.LogRecord) -> bool:
    if record.name == _TASKS or _not_ours(record):
        return record.levelno >= logging.WARNING or _live() is not None
    return False


def _live() -> Live | None:
    task = current.get()
    return None if task is None else getattr(task.pytask_port, 'live', None)
