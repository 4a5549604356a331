"""The first lines of `pytask dev`, and how both of its processes print: whole lines, flushed."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pytask.config.settings import redacted
from pytask.core.version import VERSION

if TYPE_CHECKING:
    from pytask.embedded.server import EmbeddedServer

_has_reader = True


def header(redis: str) -> None:
    line(f'pytask {VERSION}   Python {platform.python_version()}   gevent {version("gevent")}')
    line(redis)


def redis_line(server: EmbeddedServer | None, url: str, *, is_restarted: bool = False) -> str:
    """Return the line about Redis: its URL, and who runs it; `server` is None if it is the user's own."""
    if server is None:
        return f'redis   {redacted(url)}'
    if server.is_joined:
        whose = f'joined: {"another `dev`" if server.owner else "`redis start`"} runs it'
    else:
        own = f'{Path(server.binary).name}, data in .pytask/redis'
        whose = 'it had exited; this `dev` restarted it' if is_restarted else own
    return f'redis   {url}   {whose}'


def line(text: str) -> bool:
    """Print lines, with escapes for what the terminal's encoding lacks.

    Return False if the reader has closed the pipe; from then on nothing is printed.
    """
    global _has_reader  # noqa: PLW0603 - a process has one stdout
    encoding = sys.stdout.encoding or 'ascii'
    try:
        sys.stdout.write(text.encode(encoding, 'backslashreplace').decode(encoding) + '\n')
        sys.stdout.flush()
    except BrokenPipeError:
        with open(os.devnull, 'w') as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        _has_reader = False
    return _has_reader
