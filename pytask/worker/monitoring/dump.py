"""The dump: where every greenlet of every run stands, and every thread; written on SIGUSR1.

Called inside a signal handler, in whatever greenlet is current, also while one blocks the hub. So it
takes no lock, switches to nobody, and writes to the descriptor itself.
"""

from __future__ import annotations

import faulthandler
import os
from typing import TYPE_CHECKING, Any

from pytask.worker.monitoring import stacks

if TYPE_CHECKING:
    from pytask.worker.worker import Worker

STDERR = 2


def write(worker: Worker, frame: Any, descriptor: int = STDERR) -> None:
    """Write all stacks; `frame` is what the current greenlet was doing."""
    lives = worker.slots.all()
    now = '' if frame is None else f', now at {stacks.place_of(frame)}'
    lines = [f'pytask: worker {worker.id}, {len(lives)} runs{now}. All stacks:']
    for live in lives:
        told = f', told to end: {live.ending}' if live.ending else ''
        lines.append(f'run {live.run_id} {live.task_name}, attempt {live.attempt}{told}')
        lines.append(stacks.of_run(live, is_full=True, running=frame))
    _write(descriptor, '\n'.join([*lines, 'all threads:', '']))
    faulthandler.dump_traceback(descriptor, all_threads=True)


def _write(descriptor: int, text: str) -> None:
    left = text.encode('utf-8', 'backslashreplace')
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except OSError:
            return
