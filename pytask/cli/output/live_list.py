"""`ls --watch`: a screen of what runs, what waits and what has just ended, drawn again about twice a second.

The hashes are read each time; events only hurry that, and bring what runs say, which no hash holds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pytask.cli.options import command_name, is_json
from pytask.cli.output import formatting
from pytask.core.clock import monotonic_s
from pytask.core.events import ENDING_EVENTS, MESSAGE
from pytask.core.exit_codes import EXIT_TERMINATED
from pytask.core.names import is_own
from pytask.core.states import ENDED, State
from pytask.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.core.run import Run
    from pytask.store import EventStream

EVERY_S, HURRIED_S = 0.5, 0.1
# Of those that run so many are read, so that the longest-running stay on top and nothing jumps.
MOST_RUNNING = 200
MOST_MESSAGES = 5000
HEAD = ('ID', 'TASK', 'STATE', 'TIME', 'PROGRESS', '')
SIZE_UNKNOWN = (80, 24)


class Wanted(NamedTuple):
    """Which runs are shown."""

    states: tuple[str, ...]
    task: str | None
    queues: tuple[str, ...]
    with_own: bool


def watch(asked: Client, wanted: Wanted) -> None:
    """Show runs until Ctrl-C. Raises UsageError without a terminal, Unavailable where Redis is away now."""
    if is_json() or not formatting.is_terminal() or os.environ.get('TERM') == 'dumb':
        raise click.UsageError(f'--watch draws on a terminal; for a pipe or file there is `{command_name()} tail`')
    asked.store.ping()
    view = View(asked, wanted)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(view), Screen() as screen:
        while True:
            screen.draw(view)
            view.rest()


class Screen:
    """The terminal's second screen: what stood on the first is there again afterwards."""

    def __enter__(self) -> Screen:
        # The second screen, no cursor, and lines end at the edge.
        self._write('\x1b[?1049h\x1b[?25l\x1b[?7l')
        self._before: Any = signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
        return self

    def __exit__(self, *_: object) -> None:
        self._write('\x1b[?7h\x1b[?25h\x1b[?1049l')
        signal.signal(signal.SIGTERM, self._before)

    def draw(self, view: View) -> None:
        # Not shutil's: that believes COLUMNS, which a shell may have exported before the window was resized.
        width, height = os.get_terminal_size(sys.stdout.fileno())
        if not (width and height):
            width, height = SIZE_UNKNOWN
        lines = view.lines(width, height)[:height]
        # Each line is wiped before it is written: after a full one that would take its last character.
        rest = '\n\x1b[J' if len(lines) < height else ''
        self._write('\x1b[H' + '\n'.join(f'\x1b[K{line}' for line in lines) + rest)

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class View:
    """What is to be seen, as lines."""

    def __init__(self, asked: Client, wanted: Wanted) -> None:
        self._asked, self._wanted = asked, wanted
        self._stream: EventStream | None = None
        self._messages: dict[str, str] = {}
        self._totals = ''
        self._runs: list[Run] = []
        self._trouble = ''
        self._well_at = monotonic_s()

    def lines(self, width: int, height: int) -> list[str]:
        """Return the lines of one picture: totals, a head, and as many runs as there is room for."""
        try:
            self._totals, self._runs = self._count(), self._read(max(1, height - 2))
            self._trouble, self._well_at = '', monotonic_s()
        except Unavailable as error:
            self._trouble = str(error).partition('\n')[0]
        rows = [tuple(map(formatting.plain, self._cells(run))) for run in self._runs[: max(0, height - 2)]]
        widths = formatting.widths_of(HEAD, rows)
        return [
            self._top(width),
            formatting.bold(formatting.row(HEAD, widths, width)),
            *(formatting.row(r, widths, width) for r in rows),
        ]

    def rest(self) -> None:
        """Hear what is said until it is time for the next picture."""
        until = monotonic_s() + EVERY_S
        try:
            for event in self._heard(until):
                if self._take(event):
                    until = min(until, monotonic_s() + HURRIED_S)
                if monotonic_s() >= until:
                    return
        except Unavailable as error:
            self._trouble = self._trouble or str(error)
            self.close()
            time.sleep(max(0.0, until - monotonic_s()))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _heard(self, until: float) -> Iterator[Event]:
        if self._stream is None:
            self._stream = self._asked.store.events()
        while (left_s := until - monotonic_s()) > 0:
            event = self._stream.read(timeout_s=min(left_s, HURRIED_S))
            if event is not None:
                yield event

    def _take(self, event: Event) -> bool:
        """Remember what a run says; tell whether its state has changed."""
        if event.event == MESSAGE:
            if len(self._messages) >= MOST_MESSAGES:
                self._messages.clear()
            self._messages[event.run_id] = formatting.plain(event.data)
        elif event.event in ENDING_EVENTS:
            self._messages.pop(event.run_id, None)
        return event.event in ENDING_EVENTS or event.event == 'running'

    def _top(self, width: int) -> str:
        if not self._trouble:
            return self._totals[:width]
        ago = formatting.span(monotonic_s() - self._well_at)
        return formatting.colour(
            f'{formatting.plain(self._trouble)}; trying again, this is {ago} old'[:width], State.ERROR
        )

    def _count(self) -> str:
        store = self._asked.store
        counts, workers = store.runs.counts(), len(store.workers.alive())
        states = [f'{counts.get(state, 0):,} {state}' for state in State]
        return '   '.join([f'{workers} worker' if workers == 1 else f'{workers} workers', *states])

    def _read(self, room: int) -> list[Run]:
        """Return what runs, the longest first, what waits, and what has ended, the latest first."""
        running = self._listed(State.RUNNING, MOST_RUNNING)
        running.sort(key=lambda run: (run.started or 0, run.id))
        left = room - len(running)
        if left <= 0:
            return running
        # Those that wait may be thousands: half of what is left is for those that have ended.
        waiting = self._listed(State.WAIT, left)
        ended = [run for state in sorted(ENDED) for run in self._listed(state, left)]
        ended.sort(key=lambda run: run.ended or 0, reverse=True)
        waiting = waiting[: max(left - len(ended), left // 2)]
        return [*running, *waiting, *ended][:room]

    def _listed(self, state: State, limit: int) -> list[Run]:
        wanted = self._wanted
        if wanted.states and state not in wanted.states:
            return []
        runs = self._asked.list(states=[state], task=wanted.task, queues=wanted.queues, limit=limit)
        return [run for run in runs if wanted.with_own or not is_own(run.task)]

    def _cells(self, run: Run) -> tuple[str, ...]:
        said = (not run.is_ended and self._messages.get(run.id)) or formatting.remark(run)
        return run.id, run.task, run.state, formatting.age(run), formatting.bar(run), said
