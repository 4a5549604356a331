"""Where every command enters: patch first where greenlets will run, then start the command line.

`python -m pytask` runs `pytask/__init__.py` before this, which is why that one stays light.
"""

from __future__ import annotations

import os
import sys

# The commands that run a worker in this process. The others are clients and stay as they are; so does `dev`
# where it watches the files, and has a process of its own for each worker.
PATCHED = frozenset({'worker', 'dev', 'web'})


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        if _runs_greenlets(frozenset(sys.argv[1:])):
            from gevent import monkey

            monkey.patch_all()
        from pytask.cli import command_line

        sys.exit(command_line())
    except KeyboardInterrupt:  # while it imports
        sys.exit(130)


def _runs_greenlets(words: frozenset[str]) -> bool:
    if 'dev' not in words or 'worker' in words:
        return bool(PATCHED & words)
    return 'PYTASK_DEV_CHANNEL' in os.environ or bool(words & {'--exit', '--no-reload'})


if __name__ == '__main__':
    main()
