"""`ls --watch`: totals and the list of runs on the terminal's second screen, redrawn twice a second."""

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
from pytask.core.exit_codes import EXIT_TERMINATED
from pytask.core.names import is_own
from pytask.core.states import ENDED, State
from pytask.errors import Unavailable

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.core.run import Run

EVERY_S = 0.5
# So many running runs are read, so that the longest-running stay on top and no line jumps.
MOST_RUNNING = 200
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    try:
        _write(ENTER)
        _draw_for_ever(asked, wanted)
    except KeyboardInterrupt:
        pass
    finally:
        _write(LEAVE)


def _draw_for_ever(asked: Client, wanted: Wanted) -> None:
    top, runs, read_at = '', list['Run'](), monotonic_s()
    while True:
        # Not shutil's: it believes COLUMNS, which a shell may have exported before the window was resized.
        width, height = os.get_terminal_size(sys.stdout.fileno())
        width, height = width or 80, height or 24
        try:
            top, runs, read_at = _totals(asked)[:width], _read(asked, wanted, max(1, height - 2)), monotonic_s()
        except Unavailable as error:
            why, age = str(error).partition('\n')[0], formatting.span(monotonic_s() - read_at)
            top = formatting.colour(f'{formatting.plain(why)}; retrying, this is {age} old'[:width], State.ERROR)
        lines = [top, *_table(runs, width)][:height]
        # Each line is erased before it is written: after a full one this would erase its last character.
        rest = '\n\x1b[J' if len(lines) < height else ''
        _write('\x1b[H' + '\n'.join(f'\x1b[K{line}' for line in lines) + rest)
        time.sleep(EVERY_S)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _table(runs: list[Run], width: int) -> list[str]:
    rows = [tuple(map(formatting.plain, formatting.run_cells(run))) for run in runs]
    widths = formatting.widths_of(formatting.RUN_HEAD, rows)
    head = formatting.bold(formatting.row(formatting.RUN_HEAD, widths, width))
    return [head, *(formatting.row(row, widths, width) for row in rows)]


def _totals(asked: Client) -> str:
    counts, workers = asked.store.runs.counts(), len(asked.store.workers.alive())
    states = [f'{counts.get(state, 0):,} {state}' for state in State]
    return '   '.join([f'{workers} worker' if workers == 1 else f'{workers} workers', *states])


def _read(asked: Client, wanted: Wanted, room: int) -> list[Run]:
    """Return the running runs, the longest first, those that wait, and the ended ones, the latest first."""

    def listed(state: State, limit: int) -> list[Run]:
        if wanted.states and state not in wanted.states:
            return []
        runs = asked.list(states=[state], task=wanted.task, queues=wanted.queues, limit=limit)
        return [run for run in runs if wanted.with_own or not is_own(run.task)]

    running = sorted(listed(State.RUNNING, MOST_RUNNING), key=lambda run: (run.started or 0, run.id))[:room]
    left = room - len(running)
    if not left:
        return running
    ended = sorted((r for state in ENDED for r in listed(state, left)), key=lambda r: r.ended or 0, reverse=True)
    # Thousands may wait: half of the rest is for ended runs.
    waiting = listed(State.WAIT, left)[: max(left - len(ended), left // 2)]
    return [*running, *waiting, *ended][:room]
