"""The entry point of every command: patch first if greenlets will run, then start the command line.

`python -m pytask` runs `pytask/__init__.py` before this, which is why that one stays light.
"""

from __future__ import annotations

import os
import sys

from pytask.core.exit_codes import EXIT_INTERRUPTED

# The commands that run greenlets in this process; `dev` only in its worker process, not in its supervisor.
PATCHED = frozenset({'worker', 'web'})


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        if _runs_greenlets(frozenset(sys.argv[1:])):
            from gevent import monkey

            monkey.patch_all()
        from pytask.cli import command_line

        sys.exit(command_line())
    except KeyboardInterrupt:  # during the imports
        sys.exit(EXIT_INTERRUPTED)


def _runs_greenlets(words: frozenset[str]) -> bool:
    return bool(PATCHED & words) or ('dev' in words and 'PYTASK_DEV_CHANNEL' in os.environ)


if __name__ == '__main__':
    main()
