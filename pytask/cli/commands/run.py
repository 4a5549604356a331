"""`run` and `start`: check what was given, start a run, and follow it to its end."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import task_names
from pytask.cli.commands.extend import moment, span
from pytask.cli.data_arguments import check, taken, whole_data
from pytask.cli.options import command_name, common, is_json, load_tasks, make_app
from pytask.cli.output import formatting
from pytask.cli.output.follow_run import finish, follow, interrupted
from pytask.core.exit_codes import EXIT_INTERRUPTED
from pytask.core.limits import LONGEST_QUEUE
from pytask.core.names import bad_name
from pytask.errors import WaitTimeout

if TYPE_CHECKING:
    from pytask.app.app import PyTask
    from pytask.client.client import Client


def _queue(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    wrong = bad_name(name, LONGEST_QUEUE) if name is not None else ''
    if wrong:
        raise click.UsageError(f'--queue {wrong}', ctx)
    return name


def _launching(command: Any) -> Any:
    for add in (
        click.option('--timeout', type=span, metavar='SECONDS', help='How long it may take. Default: its TIMEOUT.'),
        click.option('--id', 'run_id', metavar='ID', help='Id of your own: the same start again is the same run.'),
        click.option('--queue', '-q', metavar='NAME', callback=_queue,
                     help='Queue to wait in. Default: the task\'s own.'),
        taken,
        click.argument('task', shell_complete=task_names),
    ):  # fmt: skip
        command = add(command)
    return command


@click.command()
@_launching
@click.option('--in', 'delay', type=span, metavar='SECONDS', help='Start it in so many seconds.')
@click.option(
    '--at',
    type=moment,
    metavar='TIME',
    help="Start it at this time: ISO 8601 in this machine's zone, such as 2026-11-30T08:00, or Unix seconds.",
)
@common
def start(task: str, data: dict[str, Any], whole: str | None, **options: Any) -> None:
    """Start a run of TASK and print its id.

    What is written name=text is text, unless the task says that it takes a number or a flag; name:=JSON is JSON.
    Data that does not fit is refused where the task is known here; else its worker finds out.
    """
    if options['at'] is not None and options['delay'] is not None:
        raise click.UsageError('give --at a time, or --in so many seconds, not both')
    given = whole_data(whole) | data
    run = _checked_client(task, given).start(task, given, **options)
    if is_json():
        formatting.json_line(run.to_json())
    else:
        click.echo(run.id)


@click.command()
@_launching
@click.option('--wait', 'wait_s', type=span, metavar='SECONDS', help='Follow it for so long; then the run goes on.')
@common
def run(task: str, data: dict[str, Any], wait_s: float | None, whole: str | None, **options: Any) -> int:
    """Start a run of TASK, follow it, and print its output: `pytask run text/count path=README.rst`.

    What is written name=text is text, unless the task says that it takes a number or a flag; name:=JSON is JSON.

    Exit code: 0 SUCCESS, 1 ERROR or EXCEPTION, 4 timed out, 5 STOPPED. After Ctrl-C the run goes on; a second one
    stops it.
    """
    given = whole_data(whole) | data
    asked = _checked_client(task, given)
    run_id = options.pop('run_id') or asked.new_id()
    try:
        events = asked.watch(run_id, timeout=wait_s)  # before it starts: a short run is over at once
        follow(asked.start(task, given, run_id=run_id, **options), events)
    except KeyboardInterrupt:
        return interrupted(asked, run_id)
    except WaitTimeout as error:
        raise WaitTimeout(
            f'{error}\n  it goes on; follow it with: {command_name()} show {run_id} --watch'
        ) from None
    return finish(asked.get(run_id))


def _checked_client(task: str, data: dict[str, Any]) -> Client:
    """Return the client, once the data was checked as far as the task is known here. Raises InputError."""
    app = make_app()
    try:
        load_tasks(app, is_needed=False)
    except KeyboardInterrupt:
        formatting.say('\nnothing was started')
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    known = app.registry.get(task)
    if known is None:
        _point_out_near(app, task)
    check(task, data, None if known is None else app.registry.inputs(known))
    return app.client


def _point_out_near(app: PyTask, task: str) -> None:
    near = get_close_matches(task, app.registry.names(), n=2, cutoff=0.6)
    if near:
        formatting.say(f'note: no task {task!r} is known here; did you mean {" or ".join(near)}?')
