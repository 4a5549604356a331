"""`python -m pytask.contrib.flask.child`: the worker that `background` starts beside a web process.

Its instructions are one line of JSON on stdin, which then stays open while the parent lives. When stdin closes,
this process gets a SIGTERM; if it has not ended in time, it exits at once. A native thread watches stdin. It is
started before anything is patched, so it works even while a task blocks the event loop.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
from functools import partial
from time import sleep
from typing import Any

from pytask.core.exit_codes import EXIT_BROKEN


def main() -> int:
    with open(0, 'rb', buffering=0, closefd=False) as stdin:
        line = json.loads(stdin.readline() or b'null')
    if line is None:
        sys.exit('BackgroundTaskWorker.start() starts this; to run a worker yourself: pytask worker')
    _keep_apart(line)
    from gevent import monkey

    monkey.patch_all()
    from pytask.cli import command_line

    return command_line(['worker', '--no-restart', *line['words']], place=line['place'])


def _keep_apart(line: dict[str, Any]) -> None:
    parent = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a task that reads stdin gets an end of file
    os.close(nothing)
    os.set_inheritable(line['lock'], False)  # noqa: FBT003 - its own signature
    # A process that a task forks may outlive this one, and must not hold its lock.
    for descriptor in (line['lock'], parent):
        os.register_at_fork(after_in_child=partial(os.close, descriptor))
    sys.path[:] = line['path']
    _thread.start_new_thread(_watch, (parent, line['limit'], os.getpid()))


def _watch(parent: int, limit_s: float, pid: int) -> None:
    while os.read(parent, 1024):
        pass
    os.kill(pid, signal.SIGTERM)
    sleep(limit_s)
    os._exit(EXIT_BROKEN)


if __name__ == '__main__':
    sys.exit(main())
