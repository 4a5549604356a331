"""Where every command enters: patch first where greenlets will run, then start the command line.

`python -m pytask` runs `pytask/__init__.py` before this, which is why that one stays light.
"""

from __future__ import annotations

import sys

# The commands that run a worker in this process. The others are clients and stay as they are.
PATCHED = frozenset({'worker', 'dev'})


def main() -> None:
    """Run the command line and exit with its code."""
    if PATCHED & set(sys.argv[1:]):
        from gevent import monkey

        monkey.patch_all()
    try:
        from pytask.cli import command_line
    except KeyboardInterrupt:  # it takes a moment to import
        sys.exit(130)
    sys.exit(command_line())


if __name__ == '__main__':
    main()
