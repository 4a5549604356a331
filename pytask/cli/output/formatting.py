"""How output looks: tables on a terminal, tab-separated in a pipe, one JSON object per line on demand.

Colour only on a terminal or with FORCE_COLOR, and never with NO_COLOR. Text from runs is escaped, so that a task's
message cannot control the terminal. Unless the terminal is UTF-8, bars are ASCII.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click
import msgspec

from pytask.cli.options import colour_by_environment, is_json
from pytask.core.clock import wall_s

if TYPE_CHECKING:
    from pytask.core.run import Run
    from pytask.flows.flow import Flow

COLOURS = {
    'SUCCESS': 'green', 'RUNNING': 'cyan', 'WAIT': 'yellow', 'STOPPED': 'magenta', 'ERROR': 'red',
    'EXCEPTION': 'red',
}  # fmt: skip
BAR = 20
RUN_HEAD = ('ID', 'TASK', 'STATE', 'TIME', 'PROGRESS', '')


def is_terminal(stream: TextIO | None = None) -> bool:
    return (stream or sys.stdout).isatty()


def colour(text: str, state: str, *, stream: TextIO | None = None) -> str:
    if not _has_colour(stream or sys.stdout):
        return text
    return click.style(text, fg=COLOURS.get(state))


def dim(text: str) -> str:
    return click.style(text, dim=True) if _has_colour(sys.stdout) else text


def _has_colour(stream: TextIO) -> bool:
    chosen = colour_by_environment()
    return is_terminal(stream) if chosen is None else chosen


def is_utf8(stream: TextIO | None = None) -> bool:
    return ((stream or sys.stdout).encoding or '').lower().replace('-', '') == 'utf8'


def say(text: str) -> None:
    """Print on stderr, beside the data."""
    click.echo(text, err=True)


def json_line(value: Any) -> None:
    click.echo(msgspec.json.encode(value).decode())


def plain(value: Any) -> str:
    """Return text for a cell or a line: text as it is, else JSON; control characters are escaped."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return ''.join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def plain_lines(text: str) -> str:
    """Return text of several lines with the control characters escaped in each."""
    return '\n'.join(plain(line.replace('\t', '    ')) for line in text.rstrip('\n').split('\n'))


def output(value: Any) -> None:
    """Print the output of a run: unchanged for another program, escaped on a terminal."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    click.echo(plain_lines(text) if is_terminal() else text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: aligned, with a head, on a terminal; else tab-separated and without a head."""
    lines = [[plain(cell) for cell in one] for one in rows]
    if not is_terminal():
        for line in lines:
            click.echo('\t'.join(line))
        return
    widths = widths_of(head, lines)
    room = shutil.get_terminal_size().columns
    if lines and any(head):
        click.echo(bold(row(head, widths, room)))
    for line in lines:
        click.echo(row(line, widths, room))


def listing(things: Sequence[Any], head: Sequence[str], row_of: Callable[[Any], Sequence[str]], empty: str) -> None:
    """Print things as JSON objects or as a table; on a terminal, say that there are none."""
    if is_json():
        for thing in things:
            json_line(thing.to_json())
        return
    table(head, map(row_of, things))
    if not things and is_terminal():
        say(empty)


def print_id(run: Run | Flow) -> None:
    """Print the id of what was started, or all of it as JSON."""
    if is_json():
        json_line(run.to_json())
    else:
        click.echo(run.id)


def print_row(cells: Sequence[str], widths: Sequence[int]) -> None:
    """Print a row of a table before its other rows are known."""
    shown = [plain(cell) for cell in cells]
    click.echo(row(shown, widths, shutil.get_terminal_size().columns) if is_terminal() else '\t'.join(shown))


def widths_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]


def row(cells: Sequence[str], widths: Sequence[int], room: int) -> str:
    """Return one aligned line of at most `room` columns, its state coloured."""
    text = '  '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    if len(text) > room:
        cut = '…' if is_utf8() else '...'
        text = text[: max(0, room - len(cut))] + cut
    at = 0
    for cell, width in zip(cells, widths, strict=True):
        end = at + len(cell)
        if cell in COLOURS:
            return text[:at] + colour(text[at:end], cell) + text[end:]
        at += width + 2
    return text


def run_cells(run: Run) -> tuple[str, ...]:
    return run.id, run.task, run.state, age(run), bar(run), remark(run)


def bar(run: Run) -> str:
    """Return progress as text: `████░░░░  40%`, `40%` once it has ended; the bare number without a target."""
    if run.progress is None:
        return ''
    if not run.target or run.target < 0:
        return f'{run.progress:,}'
    share = min(1.0, max(0.0, run.progress / run.target))
    if run.is_ended:
        return f'{share:.0%}'
    full = round(share * BAR)
    done, rest = ('█', '░') if is_utf8() else ('#', '.')
    return f'{done * full}{rest * (BAR - full)} {share:4.0%}'


def progress(data: Any) -> str:
    """Return the data of an event `progress` as text: `3/10`, or the bare number without a target."""
    if not isinstance(data, dict):
        return plain(data)
    done, target = data.get('progress'), data.get('target')
    return plain(done) if target is None else f'{plain(done)}/{plain(target)}'


def age(run: Run) -> str:
    """Return how long a run took, has been running, or waiting."""
    begun = run.started or run.created
    if begun is None:
        return ''
    return span((run.ended or wall_s()) - begun)


def when(run: Run) -> str:
    """Return when a waiting run is due, as `due in 5m`; '' for any other run."""
    left_s = (run.at or 0) - wall_s()
    return f'due in {span(left_s)}' if run.state == 'WAIT' and left_s > 0 else ''


def remark(run: Run) -> str:
    """Return the last column about a run: how it ended, or what it waits for."""
    return outcome(run) if run.is_ended else '; '.join(part for part in (when(run), run.reason) if part)


def span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f'{seconds:.2f}s'
    if seconds < 120:
        return f'{seconds:.0f}s'
    if seconds < 2 * 3600:
        return f'{seconds / 60:.0f}m'
    return f'{seconds / 3600:.0f}h' if seconds < 48 * 3600 else f'{seconds / 86400:.0f}d'


def outcome(run: Run) -> str:
    """Return the end of a run in one line, with its reason."""
    reason = f'({plain(run.reason)})' if run.reason and not _is_exception(run) else ''
    return ' '.join(part for part in (output_line(run), reason) if part)


def output_line(run: Run) -> str:
    """Return the output of a run in one line."""
    if _is_exception(run):
        return plain(f'{run.output["type"]}: {run.output["message"]}')
    return '' if run.output is None else plain(run.output)


def _is_exception(run: Run) -> bool:
    return run.state == 'EXCEPTION' and isinstance(run.output, dict) and {'type', 'message'} <= run.output.keys()


def bold(text: str) -> str:
    return click.style(text, bold=True) if _has_colour(sys.stdout) else text
