"""Restart: a worker that needs a new process makes its own into one.

Same process id, same command line, so a supervisor sees nothing of it. At most once a minute: what
does not get better by that is for the supervisor to see, by the exit code.
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
# Process id and boot time of the last restart: what a task starts inherits it, and is another process.
_LAST = 'PYTASK_RESTARTED'

_folder = ''
_environment: dict[str, str] = {}


def remember() -> None:
    """Keep the folder and the environment this process was started in: a task may change both."""
    global _folder, _environment  # noqa: PLW0603 - a process is one worker
    _environment = dict(os.environ)
    with contextlib.suppress(OSError):
        _folder = os.getcwd()  # noqa: PTH109 - as it is, links and all


def is_possible(settings: Settings) -> bool:
    """Tell whether this process may start itself anew now."""
    pid, _, at = _environment.get(_LAST, '').partition(':')
    return not settings.no_restart and not (pid == str(os.getpid()) and boot_s() - float(at) < EVERY_S)


def restart() -> None:
    """Execute this process's own command line in its place; returns only where that is not possible."""
    environment = _environment | {_LAST: f'{os.getpid()}:{boot_s():.3f}'}
    with contextlib.suppress(OSError):
        os.chdir(_folder)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    except OSError as error:
        logging.getLogger('pytask').error('this process can not start itself anew: %s', error)  # noqa: TRY400
