"""`run` and `start`: check the data, start a run, and follow it to its end."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import task_names
from pytask.cli.commands.extend import moment, span
from pytask.cli.data_arguments import check, taken, whole_data
from pytask.cli.options import command_name, common, load_tasks, make_app, together
from pytask.cli.output import formatting
from pytask.cli.output.follow_run import finish, follow, interrupted
from pytask.core.exit_codes import EXIT_INTERRUPTED
from pytask.core.limits import LONGEST_QUEUE
from pytask.core.names import bad_name
from pytask.errors import WaitTimeout

if TYPE_CHECKING:
    from pytask.client.client import Client


def _queue(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    wrong = bad_name(name, LONGEST_QUEUE) if name is not None else ''
    if wrong:
        raise click.UsageError(f'--queue {wrong}', ctx)
    return name


_launching = together(
    click.option('--timeout', type=span, metavar='SECONDS', help="How long it may take. Default: the task's."),
    click.option('--id', 'run_id', metavar='ID', help='Id of the run; a second start with it is the same run.'),
    click.option('--queue', '-q', metavar='NAME', callback=_queue, help="Queue to use. Default: the task's."),
    taken,
    click.argument('task', shell_complete=task_names),
)


@click.command()
@_launching
@click.option('--in', 'delay', type=span, metavar='SECONDS', help='Start it in this many seconds.')
@click.option(
    '--at', type=moment, metavar='TIME',
    help='Start it at this time: ISO 8601 in local time, such as 2026-11-30T08:00, or Unix seconds.',
)  # fmt: skip
@common
def start(task: str, data: dict[str, Any], whole: str | None, **options: Any) -> None:
    """Start a run of TASK and print its id.

    name=text is text, unless the task declares a number or a flag; name:=JSON is JSON. Data is checked here if the
    task is known here, else by its worker.
    """
    if options['at'] is not None and options['delay'] is not None:
        raise click.UsageError('give either --at or --in, not both')
    data = whole_data(whole) | data
    formatting.print_id(_checked_client(task, data).start(task, data, **options))


@click.command()
@_launching
@click.option('--wait', 'wait_s', type=span, metavar='SECONDS', help='Follow it this long; the run continues.')
@common
def run(task: str, data: dict[str, Any], wait_s: float | None, whole: str | None, **options: Any) -> int:
    """Start a run of TASK, follow it, and print its output: `pytask run text/count path=README.rst`.

    name=text is text, unless the task declares a number or a flag; name:=JSON is JSON.

    After Ctrl-C the run continues; a second Ctrl-C stops it.

    Exit code: 0 SUCCESS, 1 ERROR or EXCEPTION, 4 timed out, 5 STOPPED.
    """
    data = whole_data(whole) | data
    asked = _checked_client(task, data)
    run_id = options.pop('run_id') or asked.new_id()
    try:
        events = asked.watch(run_id, timeout=wait_s)  # before the start: a short run ends at once
        follow(asked.start(task, data, run_id=run_id, **options), events)
    except KeyboardInterrupt:
        return interrupted(asked, run_id)
    except WaitTimeout as error:
        hint = f'it continues; follow it with: {command_name()} show {run_id} --watch'
        raise WaitTimeout(f'{error}\n  {hint}') from None
    return finish(asked.get(run_id))


def _checked_client(task: str, data: dict[str, Any]) -> Client:
    """Return the client, after checking the data if the task is known here. Raises InputError."""
    app = make_app()
    try:
        load_tasks(app, is_needed=False)
    except KeyboardInterrupt:
        formatting.say('\nnothing was started')
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    known = app.registry.get(task)
    if known is None and (near := get_close_matches(task, app.registry.names(), n=2, cutoff=0.6)):
        formatting.say(f'note: no task {task!r} is known here; did you mean {" or ".join(near)}?')
    check(task, data, None if known is None else app.registry.inputs(known))
    return app.client
