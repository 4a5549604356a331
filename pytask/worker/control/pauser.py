"""The pauser: lets the greenlets of a paused run halt at their next control point, and go on.

The hash says that a run is paused; this worker learns it from the channel, and from every renewal. A
bare `PUBLISH` is made durable first. Who is told to end goes on at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.core import commands
from pytask.errors import PytaskError
from pytask.worker.live import Halt

if TYPE_CHECKING:
    from pytask.core.commands import Command
    from pytask.store import Store
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter


class Pauser:
    def __init__(self, store: Store, report: Reporter) -> None:
        self._store, self._report = store, report

    def obey(self, live: Live, command: Command) -> None:
        """Carry out a `pause` or `resume`; returns at once. A bare one is written down first, and told again."""
        is_pause = command.name == commands.PAUSE
        if 'at' not in command.fields:
            gevent.spawn(self._write, live, is_pause=is_pause)
        elif is_pause:
            self._pause(live)
        else:
            self._resume(live)

    def _pause(self, live: Live) -> None:
        if live.halt is None:
            live.halt = Halt()

    def _resume(self, live: Live) -> None:
        if live.halt is not None:
            live.halt.over.set()
            live.halt = None

    def correct(self, paused: tuple[Live, Halt | None]) -> None:
        """Do what a renewal says: the opposite of what was when it was asked.

        Unless the channel has spoken since then; the next renewal knows.
        """
        live, halt = paused
        if live.halt is halt:
            (self._pause if halt is None else self._resume)(live)

    def _write(self, live: Live, *, is_pause: bool) -> None:
        pauses = self._store.pauses
        try:
            (pauses.pause if is_pause else pauses.resume)(live.run_id)
        except PytaskError as error:
            self._report.not_written(live, 'pause' if is_pause else 'resume', error)
