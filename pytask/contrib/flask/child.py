"""`python -m pytask.contrib.flask.child`: the worker that `background` has started beside a web process.

What it is to do comes as one line of JSON on stdin, which then stays open as long as the parent lives. Its end is a
SIGTERM to this process; should that not have ended it in time, since it hangs, it is ended. The watch stands in a
native thread that was started before anything was patched: it also sees to that while a task blocks the hub.
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
        sys.exit('this is started by BackgroundTaskWorker.start(); to run a worker by hand: pytask worker')
    _keep_apart(line)
    from gevent import monkey

    monkey.patch_all()
    from pytask.cli import command_line

    return command_line(['worker', '--no-restart', *line['words']], place=line['place'])


def _keep_apart(line: dict[str, Any]) -> None:
    parent = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # tasks that read stdin find its end
    os.close(nothing)
    os.set_inheritable(line['lock'], False)  # noqa: FBT003 - its own signature
    # What a task forks may outlive this process, and must not hold its lock.
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
