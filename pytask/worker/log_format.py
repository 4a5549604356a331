"""The format of log lines; control characters in them are escaped."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import TextIO

log = logging.getLogger('pytask')


class LogFormat(logging.Formatter):
    """`12:00:00 INFO text`, with control characters escaped."""

    def __init__(self) -> None:
        super().__init__('%(asctime)s %(levelname)-7s %(message)s', '%H:%M:%S')

    def format(self, record: logging.LogRecord) -> str:
        run_id = getattr(record, 'run_id', None)
        text = super().format(record)
        if run_id:
            text += f'  [{run_id} {getattr(record, "task", "")}]'
        return _escaped(text)


class LogHandler(logging.StreamHandler[TextIO]):
    """Ignores errors: a task that closes stderr must not end the service that logs."""

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass


def set_up_logging(level: int, stream: TextIO) -> None:
    """Log to `stream`, unless the embedding program has set up logging already."""
    if logging.getLogger().handlers:
        return
    handler = LogHandler(stream)
    handler.setFormatter(LogFormat())
    log.addHandler(handler)
    log.propagate = False  # else a task that sets up root logging would double each line
    log.setLevel(level)


def tell_at_once(text: str) -> None:
    """Write a warning to stderr without `logging` and its locks; for native threads."""
    is_ours = any(isinstance(handler.formatter, LogFormat) for handler in log.handlers)
    if is_ours and sys.__stderr__ is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.__stderr__.write(f'{time.strftime("%H:%M:%S")} WARNING {_escaped(text)}\n')


def _escaped(text: str) -> str:
    return ''.join(c if c.isprintable() or c in '\n\t' else repr(c)[1:-1] for c in text)
