"""The pauser halts the greenlets of a paused run at their next control point, until it is resumed.

The run's hash says that it is paused; the worker learns it from the control channel and from every renewal. A bare
`PUBLISH` is stored first. A run that is told to end continues at once.
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
    """Pauses and resumes the runs of one worker."""

    def __init__(self, store: Store, report: Reporter) -> None:
        self._store, self._report = store, report

    def obey(self, live: Live, command: Command) -> None:
        """Carry out a `pause` or `resume`; return at once. A bare one is stored, and then comes back."""
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
        """Correct a run whose pause (None for none), when a renewal was sent, was not what Redis answered.

        If the channel has changed it since then, the next renewal decides.
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
