"""Following one run on the command line: its line that changes, its end, and Ctrl-C meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

import click

from pytask.cli import paint
from pytask.cli.options import command_name, is_json
from pytask.cli.traces import folded
from pytask.errors import Unavailable
from pytask.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client import Client
    from pytask.messages import Event
    from pytask.run import Run

EXIT_OF = {State.SUCCESS: 0, State.STOPPED: 5, State.ERROR: 1, State.EXCEPTION: 1}
EXIT_INTERRUPTED = 130
# A run that has not begun by then gets an explanation.
EXPLAIN_AFTER_S = 1.0
# For so long after one Ctrl-C another one stops the run.
SECOND_WITHIN_S = 2.0

TOLD = {
    'applied': 'is STOPPED',
    'requested': 'will stop: its worker was told',
    'refused': 'is one of pytask itself, and goes on',
    'not_found': 'is not there any more',
}


def follow(run: Run, events: Iterator[Event | None]) -> None:
    """Show what happens to a run until it has ended."""
    from pytask.clock import monotonic_s

    line = StatusLine()
    explain_at = monotonic_s() + EXPLAIN_AFTER_S
    with line, _accepted(run):
        for event in events:
            if event is not None and event.event == 'wait':
                explain_at = 0.0  # better than by its event
            elif event is not None:
                line.show(run, event)
            elif monotonic_s() >= explain_at:
                explain_at = monotonic_s() + 5 * EXPLAIN_AFTER_S
                line.say(_why(run))


@contextlib.contextmanager
def _accepted(run: Run) -> Iterator[None]:
    # What is lost is the sight of it.
    try:
        yield
    except Unavailable as error:
        again = f'{command_name()} show {run.id} --watch'
        raise Unavailable(f'{error}\n  - the run was accepted; when Redis is back, look with: {again}') from error


def interrupted(asked: Client, run_id: str) -> int:
    """After Ctrl-C: the run goes on, unless Ctrl-C comes again soon. Return the exit code."""
    try:
        if not _goes_on(asked, run_id):
            return EXIT_INTERRUPTED
        time.sleep(SECOND_WITHIN_S)
    except KeyboardInterrupt:
        answer = asked.stop(run_id)
        paint.say(f'\nrun {run_id} {TOLD.get(answer, f"has ended: {answer}")}')
    return EXIT_INTERRUPTED


def _goes_on(asked: Client, run_id: str) -> bool:
    """Say what becomes of a run that is not followed any more; tell whether it can still be stopped."""
    command = command_name()
    try:
        run = asked.store.runs.read([run_id])[0]
    except Unavailable:
        pass  # what is said then is as good as known
    else:
        if run is None:
            paint.say('\nnothing was started')
            return False
        if run.is_ended:
            paint.say('')
            finish(run)
            return False
    paint.say(f'\nrun {run_id} goes on; stop it with: {command} stop {run_id}')
    paint.say(
        f'  or with Ctrl-C again, now ({SECOND_WITHIN_S:g} s); follow it with: {command} show {run_id} --watch'
    )
    return True


def finish(run: Run) -> int:
    """Print how a run ended, its output on stdout; return the exit code."""
    if is_json():
        paint.json_line(run.to_json())
        return EXIT_OF.get(run.state, 1)
    state = paint.colour(run.state, run.state, stream=sys.stderr)
    reason = f'  {paint.plain(run.reason)}' if run.reason else ''
    paint.say(f'{run.id}  {paint.plain(run.task)}  {state}  {paint.age(run)}{reason}')
    if run.state is State.EXCEPTION and isinstance(run.output, dict):
        trace = run.output.get('traceback') or f'{run.output.get("type")}: {run.output.get("message")}'
        paint.say(paint.plain_lines(folded(str(trace))))
    elif run.state is State.ERROR:
        paint.say(paint.plain_lines(str(run.output)))
    elif run.output is not None:
        paint.output(run.output)
    return EXIT_OF.get(run.state, 1)


def _why(run: Run) -> str:
    from pytask.cli.why import why

    asked: Client = run.client  # type: ignore[assignment]
    text = why(asked, asked.get(run.id))
    return f'{run.id} waits: {text}' if text else ''


class StatusLine:
    """One line on stderr that a terminal sees change; in a pipe each event is a line of its own."""

    def __init__(self) -> None:
        self._is_live = paint.is_terminal(sys.stderr)
        self._last = ''

    def show(self, run: Run, event: Event) -> None:
        if event.event == 'progress' and isinstance(event.data, dict):
            run.progress, run.target = event.data.get('progress'), event.data.get('target') or run.target
            self._draw(f'{run.id}  {paint.plain(run.task)}  {paint.bar(run)}')
        elif event.event == 'running':
            self._draw(
                f'{run.id}  {paint.plain(run.task)}  {paint.colour("RUNNING", "RUNNING", stream=sys.stderr)}'
            )
        elif event.event not in ('success', 'error', 'exception', 'stopped'):
            text = '' if event.data is None else f'  {paint.plain(event.data)}'
            self.say(f'{run.id}  {paint.plain(event.event)}{text}')

    def say(self, text: str) -> None:
        """Print a line above the changing one; the same text twice is said once."""
        if not text or text == self._last:
            return
        self._last = text
        self._wipe()
        paint.say(text)

    def _draw(self, text: str) -> None:
        if self._is_live:
            self._wipe()
            click.echo(text, err=True, nl=False)
        else:
            paint.say(text)

    def _wipe(self) -> None:
        if self._is_live:
            sys.stderr.write('\r\x1b[2K')  # not by click, which with NO_COLOR takes this for a colour
            sys.stderr.flush()

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._wipe()
