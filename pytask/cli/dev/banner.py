"""The first lines of `pytask dev`, and how both of its processes write: whole lines, at once."""

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


_is_read = True


def header(redis: str) -> None:
    line(f'pytask {VERSION}   Python {platform.python_version()}   gevent {version("gevent")}')
    line(redis)


def redis_line(server: EmbeddedServer | None, url: str, *, is_anew: bool = False) -> str:
    """Say which Redis it is, and whose; `is_anew` where it had ended."""
    if server is None:
        return f'redis   {redacted(url)}'
    if server.is_joined:
        whose = f'joined: {"another `dev`" if server.owner else "`redis start`"} runs it'
    elif is_anew:
        whose = 'it had ended: this `dev` has started it anew'
    else:
        whose = f'{Path(server.binary).name}, data in .pytask/redis'
    return f'redis   {url}   {whose}'


def line(text: str) -> bool:
    """Write lines; what the terminal's encoding lacks is escaped. False where nobody reads any more.

    What is written after that goes nowhere.
    """
    global _is_read  # noqa: PLW0603 - a process has one stdout
    encoding = sys.stdout.encoding or 'ascii'
    try:
        sys.stdout.write(text.encode(encoding, 'backslashreplace').decode(encoding) + '\n')
        sys.stdout.flush()
    except BrokenPipeError:
        with open(os.devnull, 'w') as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        _is_read = False
    return _is_read
