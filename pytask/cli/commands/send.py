"""Commands that send messages to a run: send and ask."""

from __future__ import annotations

from typing import Any

import click

from pytask.cli.commands.completion import run_ids
from pytask.cli.commands.control import report
from pytask.cli.data_arguments import point_out, taken, whole_data
from pytask.cli.options import client, common, find_id, together
from pytask.cli.output import formatting
from pytask.core.exit_codes import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_OK, EXIT_STOPPED
from pytask.core.states import State
from pytask.errors import RunEnded

# Every other answer means that the message was not accepted.
EXIT_OF = {'requested': EXIT_OK, 'not_found': EXIT_NOT_FOUND, State.STOPPED.value: EXIT_STOPPED}


_talking = together(
    taken,
    click.argument('name'),
    click.argument('run_id', metavar='ID', shell_complete=run_ids(State.RUNNING, State.WAIT)),
)


@click.command()
@_talking
@common
def send(run_id: str, name: str, data: dict[str, Any], whole: str | None) -> int:
    """Send the message NAME to a run: its task's `on_NAME` is called with the data.

    Exit code: 0 `requested`, 1 `full`, `refused` or ended, 3 not found, 5 STOPPED.
    """
    asked = client()
    full = find_id(asked, run_id)
    point_out(data)
    answer = asked.send(full, name, whole_data(whole) | data)
    report({full: answer})
    return EXIT_OF.get(answer, EXIT_FAILED)


@click.command()
@_talking
@click.option('--timeout', type=float, default=5.0, metavar='SECONDS', help='How long to wait. Default: 5.')
@common
def ask(run_id: str, name: str, data: dict[str, Any], whole: str | None, timeout: float) -> int:
    """Send the message NAME to a run, and print what its task's `on_NAME` returns, as JSON.

    Exit code: 0 answered, 1 failed or the run ended, 3 not found, 4 timed out, 5 STOPPED.
    """
    asked = client()
    point_out(data)
    try:
        answer = asked.ask(find_id(asked, run_id), name, whole_data(whole) | data, timeout=timeout)
    except RunEnded as error:
        click.echo(f'Error: {error}', err=True)
        return EXIT_OF.get(error.state, EXIT_FAILED)
    formatting.json_line(answer)
    return EXIT_OK
