"""Restart: a worker that needs a new process executes its own command line in place.

The process id stays, so a supervisor does not notice. At most once a minute: a worker that needs it more often
exits, and the supervisor sees the exit code.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from pytask.core.clock import boot_s

if TYPE_CHECKING:
    from pytask.config.settings import Settings

EVERY_S = 60.0
# Process id and boot time of the last restart. The id matters: processes that a task starts inherit the variable.
_LAST = 'PYTASK_RESTARTED'

_folder = ''
_environment: dict[str, str] = {}


def remember() -> None:
    """Remember the folder and environment this process was started with; a task may change both."""
    global _folder, _environment  # noqa: PLW0603 - a process is one worker
    _environment = dict(os.environ)
    with contextlib.suppress(OSError):
        _folder = os.getcwd()  # noqa: PTH109 - as it is, links and all


def is_possible(settings: Settings) -> bool:
    """Tell whether this process may restart itself now."""
    pid, _, at = _environment.get(_LAST, '').partition(':')
    return not settings.no_restart and not (pid == str(os.getpid()) and boot_s() - float(at) < EVERY_S)


def restart() -> None:
    """Execute this process's own command line in its place; return only if that fails."""
    environment = _environment | {_LAST: f'{os.getpid()}:{boot_s():.3f}'}
    with contextlib.suppress(OSError):
        os.chdir(_folder)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    except OSError as error:
        logging.getLogger('pytask').error('this process cannot restart itself: %s', error)  # noqa: TRY400
