"""Following one run on the command line: its status line, its end, and Ctrl-C meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

import click

from pytask.cli.options import command_name, is_json
from pytask.cli.output import formatting
from pytask.cli.output.tracebacks import folded
from pytask.core.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_STOPPED
from pytask.core.states import State
from pytask.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.core.run import Run

EXIT_OF = {
    State.SUCCESS: EXIT_OK,
    State.STOPPED: EXIT_STOPPED,
    State.ERROR: EXIT_FAILED,
    State.EXCEPTION: EXIT_FAILED,
}
# If a run has not begun by then, the reason is shown.
EXPLAIN_AFTER_S = 1.0
# A second Ctrl-C within this time stops the run.
SECOND_WITHIN_S = 2.0

STOPPED = {
    'applied': 'is STOPPED',
    'requested': 'will stop: its worker was told',
    'refused': "is one of pytask's own, and continues",
    'not_found': 'no longer exists',
}


def follow(run: Run, events: Iterator[Event | None]) -> None:
    """Show what happens to a run until it has ended."""
    from pytask.core.clock import monotonic_s

    line = StatusLine()
    explain_at = monotonic_s() + EXPLAIN_AFTER_S
    with line, _accepted(run):
        for event in events:
            if event is not None and event.event == 'wait':
                explain_at = 0.0  # an explanation says more than the event
            elif event is not None:
                line.show(run, event)
            elif monotonic_s() >= explain_at:
                explain_at = monotonic_s() + 5 * EXPLAIN_AFTER_S
                line.say(_why(run))


@contextlib.contextmanager
def _accepted(run: Run) -> Iterator[None]:
    # Only the connection is lost, not the run.
    try:
        yield
    except Unavailable as error:
        again = f'{command_name()} show {run.id} --watch'
        raise Unavailable(
            f'{error}\n  - the run was accepted; when Redis is back, follow it with: {again}'
        ) from error


def interrupted(asked: Client, run_id: str) -> int:
    """Handle Ctrl-C: the run continues, unless Ctrl-C comes again soon. Return the exit code."""
    try:
        if not _continues(asked, run_id):
            return EXIT_INTERRUPTED
        time.sleep(SECOND_WITHIN_S)
    except KeyboardInterrupt:
        answer = asked.stop(run_id)
        formatting.say(f'\nrun {run_id} {STOPPED.get(answer, f"has ended: {answer}")}')
    return EXIT_INTERRUPTED


def _continues(asked: Client, run_id: str) -> bool:
    """Say what happens to the run now; tell whether it can still be stopped."""
    command = command_name()
    try:
        run = asked.store.runs.read([run_id])[0]
    except Unavailable:
        pass  # it was probably accepted
    else:
        if run is None:
            formatting.say('\nnothing was started')
            return False
        if run.is_ended:
            formatting.say('')
            finish(run)
            return False
    formatting.say(f'\nrun {run_id} continues; stop it with: {command} stop {run_id}')
    formatting.say(
        f'  or with Ctrl-C within {SECOND_WITHIN_S:g} s; follow it with: {command} show {run_id} --watch'
    )
    return True


def finish(run: Run) -> int:
    """Print how a run ended, its output on stdout; return the exit code."""
    if is_json():
        formatting.json_line(run.to_json())
        return EXIT_OF.get(run.state, EXIT_FAILED)
    state = formatting.colour(run.state, run.state, stream=sys.stderr)
    reason = f'  {formatting.plain(run.reason)}' if run.reason else ''
    formatting.say(f'{run.id}  {formatting.plain(run.task)}  {state}  {formatting.age(run)}{reason}')
    if run.state is State.EXCEPTION and isinstance(run.output, dict):
        trace = run.output.get('traceback') or f'{run.output.get("type")}: {run.output.get("message")}'
        formatting.say(formatting.plain_lines(folded(str(trace))))
    elif run.state is State.ERROR:
        formatting.say(formatting.plain_lines(str(run.output)))
    elif run.output is not None:
        formatting.output(run.output)
    return EXIT_OF.get(run.state, EXIT_FAILED)


def _why(run: Run) -> str:
    from pytask.cli.why import why

    asked: Client = run.client  # type: ignore[assignment]
    text = why(asked, asked.get(run.id))
    return f'{run.id} waits: {text}' if text else ''


class StatusLine:
    """One line on stderr that changes on a terminal; in a pipe each event is a line of its own."""

    def __init__(self) -> None:
        self._is_live = formatting.is_terminal(sys.stderr)
        self._last = ''

    def show(self, run: Run, event: Event) -> None:
        if event.event == 'progress' and isinstance(event.data, dict):
            run.progress, run.target = event.data.get('progress'), event.data.get('target') or run.target
            self._draw(f'{run.id}  {formatting.plain(run.task)}  {formatting.bar(run)}')
        elif event.event == 'running':
            state = formatting.colour('RUNNING', 'RUNNING', stream=sys.stderr)
            self._draw(f'{run.id}  {formatting.plain(run.task)}  {state}')
        elif event.event not in ('success', 'error', 'exception', 'stopped'):
            text = '' if event.data is None else f'  {formatting.plain(event.data)}'
            self.say(f'{run.id}  {formatting.plain(event.event)}{text}')

    def say(self, text: str) -> None:
        """Print a line above the changing one, unless it is the same as the last."""
        if not text or text == self._last:
            return
        self._last = text
        self._wipe()
        formatting.say(text)

    def _draw(self, text: str) -> None:
        if self._is_live:
            self._wipe()
            click.echo(text, err=True, nl=False)
        else:
            formatting.say(text)

    def _wipe(self) -> None:
        if self._is_live:
            sys.stderr.write('\r\x1b[2K')  # not by click, which strips it with NO_COLOR
            sys.stderr.flush()

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._wipe()
