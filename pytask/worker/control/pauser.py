"""The pauser: lets the greenlets of a paused run halt at their next control point, and go on.

The hash says that a run is paused; this worker learns it from the channel, and from every renewal. A
bare `PUBLISH` is made durable first. Who is told to end goes on at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.errors import PytaskError
from pytask.worker.slots import Halt

if TYPE_CHECKING:
    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker


class Pauser:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def pause(self, live: Live, *, is_durable: bool) -> None:
        """Let a run halt; returns at once. What is not durable is written down first, and told again."""
        if not is_durable:
            gevent.spawn(self._write, live, is_pause=True)
        elif live.halt is None:
            live.halt = Halt()

    def resume(self, live: Live, *, is_durable: bool) -> None:
        """Let a run go on; as `pause`."""
        if not is_durable:
            gevent.spawn(self._write, live, is_pause=False)
        elif live.halt is not None:
            live.halt.over.set()
            live.halt = None

    def correct(self, live: Live, halt: Halt | None) -> None:
        """Do what a renewal says: the opposite of what was when it was asked.

        Unless the channel has spoken since then; the next renewal knows.
        """
        if live.halt is halt:
            (self.pause if halt is None else self.resume)(live, is_durable=True)

    def _write(self, live: Live, *, is_pause: bool) -> None:
        pauses = self._worker.store.pauses
        try:
            (pauses.pause if is_pause else pauses.resume)(live.run_id)
        except PytaskError as error:
            self._worker.report.not_written(live, 'pause' if is_pause else 'resume', error)
