"""`run` and `start`: data from the command line, and following a run to its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pytask.cli import paint
from pytask.cli.more import span
from pytask.cli.options import command_name, common, is_json, load_tasks, make_app
from pytask.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client import Client
    from pytask.messages import Event
    from pytask.run import Run

EXIT_OF = {State.SUCCESS: 0, State.STOPPED: 5, State.ERROR: 1, State.EXCEPTION: 1}
# A run that has not begun by then gets an explanation.
EXPLAIN_AFTER_S = 1.0


def pairs(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition('=')
        if not equals or not name.rstrip(':'):
            raise click.UsageError(f'{word!r} is no input; write name=text or name:=JSON', ctx)
        if name.endswith(':'):
            found[name[:-1]] = _json(text, f'{name}={text}')
        else:
            found[name] = text
    return found


def _json(text: str, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        why = str(error).removeprefix('JSON is malformed: ')
        raise click.UsageError(f'{where} is not JSON: {why}') from error


def whole_data(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text == '-':
        text = sys.stdin.read()
    elif text.startswith('@'):
        try:
            text = Path(text[1:]).read_text()
        except OSError as error:
            raise click.UsageError(f'--data {text}: {error.strerror}') from error
    value = _json(text, '--data')
    if not isinstance(value, dict):
        raise click.UsageError('--data must be a JSON object')
    return value


def _launching(command: Any) -> Any:
    for add in (
        click.option('--timeout', type=span, metavar='SECONDS', help='How long it may take. Default: its TIMEOUT.'),
        click.option('--id', 'run_id', metavar='ID', help='Id of your own: the same start again is the same run.'),
        click.option('--queue', '-q', metavar='NAME', help='Queue to wait in. Default: the task\'s own.'),
        click.option('--data', 'whole', metavar='JSON|@FILE|-', help='All data as one JSON object.'),
        click.argument('data', nargs=-1, callback=pairs, metavar='[name=text | name:=JSON]...'),
        click.argument('task'),
    ):  # fmt: skip
        command = add(command)
    return command


def _client() -> Client:
    app = make_app()
    load_tasks(app, is_needed=False)  # to check the data before anything is enqueued
    return app.client


@click.command()
@_launching
@common
def start(task: str, data: dict[str, Any], whole: str | None, **options: Any) -> None:
    """Start a run of TASK and print its id."""
    run = _client().start(task, whole_data(whole) | data, **options)
    if is_json():
        paint.json_line(run.to_json())
    else:
        click.echo(run.id)


@click.command()
@_launching
@click.option('--wait', 'wait_s', type=span, metavar='SECONDS', help='Follow it for so long; then the run goes on.')
@common
def run(task: str, data: dict[str, Any], wait_s: float | None, whole: str | None, **options: Any) -> int:
    """Start a run of TASK, follow it, and print its output.

    Exit code: 0 SUCCESS, 1 ERROR or EXCEPTION, 4 timed out, 5 STOPPED.
    """
    asked = _client()
    run_id = options.pop('run_id') or asked.new_id()
    events = asked.watch(run_id, timeout=wait_s)  # before it starts: a short run is over at once
    run = asked.start(task, whole_data(whole) | data, run_id=run_id, **options)
    try:
        _follow(run, events)
    except KeyboardInterrupt:
        paint.say(f'\nrun {run.id} goes on; stop it with: {command_name()} stop {run.id}')
        raise
    return finish(asked.get(run.id))


def finish(run: Run) -> int:
    """Print how a run ended, its output on stdout; return the exit code."""
    if is_json():
        paint.json_line(run.to_json())
    else:
        state = paint.colour(run.state, run.state, stream=sys.stderr)
        paint.say(f'{run.id}  {run.task}  {state}  {paint.age(run)}' + (f'  {run.reason}' if run.reason else ''))
        if run.state is State.EXCEPTION and isinstance(run.output, dict):
            paint.say(str(run.output.get('traceback') or f'{run.output.get("type")}: {run.output.get("message")}'))
        elif run.state is State.ERROR:
            paint.say(str(run.output))
        elif run.output is not None:
            click.echo(run.output if isinstance(run.output, str) else msgspec.json.encode(run.output).decode())
    return EXIT_OF.get(run.state, 1)


def _follow(run: Run, events: Iterator[Event | None]) -> None:
    from pytask.clock import monotonic_s

    line = StatusLine()
    explain_at = monotonic_s() + EXPLAIN_AFTER_S
    with line:
        for event in events:
            if event is not None:
                line.show(run, event)
            elif monotonic_s() >= explain_at:
                explain_at = monotonic_s() + 5 * EXPLAIN_AFTER_S
                line.say(_why(run))


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
            self._draw(f'{run.id}  {run.task}  {paint.bar(run)}')
        elif event.event == 'running':
            self._draw(f'{run.id}  {run.task}  {paint.colour("RUNNING", "RUNNING", stream=sys.stderr)}')
        elif event.event not in ('success', 'error', 'exception', 'stopped'):
            text = '' if event.data is None else f'  {paint.plain(event.data)}'
            self.say(f'{run.id}  {event.event}{text}')

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
            click.echo('\r\x1b[2K', err=True, nl=False)

    def __enter__(self) -> StatusLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._wipe()
