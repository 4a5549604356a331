"""`ls --watch`: a screen of the runs that run, wait or have just ended, redrawn twice a second.

Each picture reads the hashes again. Only the last message of a run comes from its events, since no hash has it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

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
    from pytask.client.client import Client
    from pytask.core.run import Run
    from pytask.store import EventStream

EVERY_S = 0.5
# So many running runs are read, so that the longest-running stay on top and no line jumps.
MOST_RUNNING = 200
MOST_MESSAGES = 5000
HEAD = ('ID', 'TASK', 'STATE', 'TIME', 'PROGRESS', '')
# The second screen, no cursor, and lines that end at the edge; then the first one as it was.
ENTER, LEAVE = '\x1b[?1049h\x1b[?25l\x1b[?7l', '\x1b[?7h\x1b[?25h\x1b[?1049l'


class Wanted(NamedTuple):
    """Which runs are shown."""

    states: tuple[str, ...]
    task: str | None
    queues: tuple[str, ...]
    with_own: bool


def watch(asked: Client, wanted: Wanted) -> None:
    """Show runs until Ctrl-C. Raises UsageError without a terminal, Unavailable if Redis is down at the start."""
    if is_json() or not formatting.is_terminal() or os.environ.get('TERM') == 'dumb':
        raise click.UsageError(f'--watch needs a terminal; for a pipe or file use `{command_name()} tail`')
    asked.store.ping()
    view = View(asked, wanted)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    try:
        _write(ENTER)
        while True:
            # Not shutil's: it believes COLUMNS, which a shell may have exported before the window was resized.
            width, height = os.get_terminal_size(sys.stdout.fileno())
            lines = view.lines(width or 80, height or 24)
            # Each line is erased before it is written: after a full one this would erase its last character.
            _write('\x1b[H' + '\n'.join(f'\x1b[K{line}' for line in lines) + ('\n\x1b[J' * (len(lines) < height)))
            view.listen()
    except KeyboardInterrupt:
        pass
    finally:
        _write(LEAVE)
        view.close()


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


class View:
    """What the screen shows, as lines."""

    def __init__(self, asked: Client, wanted: Wanted) -> None:
        self._asked, self._wanted = asked, wanted
        self._stream: EventStream | None = None
        self._messages: dict[str, str] = {}
        self._top = ''
        self._runs: list[Run] = []
        self._read_at = monotonic_s()

    def lines(self, width: int, height: int) -> list[str]:
        """Return the lines of one picture: totals, a head, and the runs that fit."""
        try:
            top, self._runs = self._totals(), self._read(max(1, height - 2))
            self._top, self._read_at = top[:width], monotonic_s()
        except Unavailable as error:
            why, age = str(error).partition('\n')[0], formatting.span(monotonic_s() - self._read_at)
            text = f'{formatting.plain(why)}; retrying, this is {age} old'
            self._top = formatting.colour(text[:width], State.ERROR)
        rows = [tuple(map(formatting.plain, self._cells(run))) for run in self._runs[: max(0, height - 2)]]
        widths = formatting.widths_of(HEAD, rows)
        head = formatting.bold(formatting.row(HEAD, widths, width))
        return [self._top, head, *(formatting.row(row, widths, width) for row in rows)][:height]

    def listen(self) -> None:
        """Collect messages until it is time for the next picture."""
        until = monotonic_s() + EVERY_S
        try:
            self._stream = self._stream or self._asked.store.events()
            while (left_s := until - monotonic_s()) > 0:
                event = self._stream.read(timeout_s=left_s)
                if event is not None and event.event == MESSAGE:
                    self._messages[event.run_id] = formatting.plain(event.data)
                elif event is not None and event.event in ENDING_EVENTS:
                    self._messages.pop(event.run_id, None)
        except Unavailable:
            self.close()
            time.sleep(max(0.0, until - monotonic_s()))
        if len(self._messages) > MOST_MESSAGES:
            self._messages.clear()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _totals(self) -> str:
        store = self._asked.store
        counts, workers = store.runs.counts(), len(store.workers.alive())
        states = [f'{counts.get(state, 0):,} {state}' for state in State]
        return '   '.join([f'{workers} worker' if workers == 1 else f'{workers} workers', *states])

    def _read(self, room: int) -> list[Run]:
        """Return the running runs, the longest first, those that wait, and the ended ones, the latest first."""
        running = sorted(self._listed(State.RUNNING, MOST_RUNNING), key=lambda run: (run.started or 0, run.id))
        left = room - len(running)
        if left <= 0:
            return running[:room]
        ended = [run for state in sorted(ENDED) for run in self._listed(state, left)]
        ended.sort(key=lambda run: run.ended or 0, reverse=True)
        # Thousands may wait: half of the rest is for ended runs.
        waiting = self._listed(State.WAIT, left)[: max(left - len(ended), left // 2)]
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
