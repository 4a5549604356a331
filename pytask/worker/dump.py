"""The dump: where every greenlet of every run stands, and every thread; written on SIGUSR1.

Called inside a signal handler, in whatever greenlet is current, also while one blocks the hub. So it
takes no lock, switches to nobody, and writes to the descriptor itself.
"""

from __future__ import annotations

import faulthandler
import os
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker

STDERR = 2


def write(worker: Worker, frame: Any, descriptor: int = STDERR) -> None:
    """Write all stacks; `frame` is what the current greenlet was doing."""
    lives = worker.slots.all()
    lines = [f'pytask: worker {worker.id}, {len(lives)} runs. All stacks:']
    for live in lives:
        lines += _of_run(live, frame)
    _write(descriptor, '\n'.join([*lines, 'all threads:', '']))
    faulthandler.dump_traceback(descriptor, all_threads=True)


def _of_run(live: Live, frame: Any) -> Iterator[str]:
    told = f', told to end: {live.ending}' if live.ending else ''
    yield f'run {live.run_id} {live.task_name}, attempt {live.attempt}{told}'
    yield from _of_greenlet('start', live.greenlet, frame)
    port: Any = getattr(live.task, 'pytask_port', None)
    for child in list(getattr(port, 'children', None) or ()):
        yield from _of_greenlet(f'child {getattr(child, "name", "")}', child, frame)


def _of_greenlet(name: str, greenlet: Any, frame: Any) -> Iterator[str]:
    if greenlet is None or greenlet.dead:
        return
    import greenlet as greenlets

    here = greenlet.gr_frame if greenlet is not greenlets.getcurrent() else frame
    yield f'  {name}' + (', running now' if here is frame else '' if here is not None else ', not begun')
    for entry in traceback.format_stack(here) if here is not None else ():
        yield from ('    ' + line for line in entry.rstrip().splitlines())


def _write(descriptor: int, text: str) -> None:
    left = text.encode('utf-8', 'backslashreplace')
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except OSError:
            return
