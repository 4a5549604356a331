"""`extend`: more time for a run; and how the command line reads spans and times."""

from __future__ import annotations

import click

from pytask.cli.commands.completion import run_ids
from pytask.cli.commands.control import report
from pytask.cli.options import client, common, find_id
from pytask.core.states import State


def span(text: str) -> float:
    """Read seconds. Raises BadParameter unless they are above 0."""
    from pytask.client.starting import seconds_text
    from pytask.errors import PytaskError

    try:
        seconds = float(text)
        seconds_text('it', seconds)
    except (ValueError, PytaskError):
        raise click.BadParameter(f'{text!r} is not a number of seconds above 0') from None
    return seconds


def moment(text: str) -> float:
    """Read Unix seconds or ISO 8601 text. Raises BadParameter for anything else."""
    from pytask.client.starting import due_text
    from pytask.errors import PytaskError

    try:
        at: float | str = float(text) if text.replace('.', '', 1).isdigit() and len(text) > 8 else text
        return int(due_text(at, None)) / 1000
    except PytaskError as error:
        raise click.BadParameter(str(error)) from None


@click.command(context_settings={'ignore_unknown_options': True})
@click.argument('run_id', metavar='ID', shell_complete=run_ids(State.RUNNING, State.WAIT))
@click.argument('seconds', type=span)
@common
def extend(run_id: str, seconds: float) -> int:
    """Give a run more time, never less than it has.

    A running run gets SECONDS from now; for a waiting run SECONDS is its total time. The answer is `applied` if it
    waits, `requested` if its worker was told, or the state in which it had ended.
    """
    asked = client()
    full = find_id(asked, run_id)
    return report({full: asked.extend(full, seconds)})
