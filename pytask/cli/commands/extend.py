"""`extend`: more time for a run; and how spans and times are written on the command line."""

from __future__ import annotations

import click

from pytask.cli.commands.completion import run_ids
from pytask.cli.commands.control import report
from pytask.cli.options import client, common, find_id
from pytask.core.states import State


def span(text: str) -> float:
    """Read seconds. Raises BadParameter for what is no number above 0."""
    from pytask.client.starting import seconds_text
    from pytask.errors import PytaskError

    try:
        seconds = float(text)
        seconds_text('it', seconds)
    except (ValueError, PytaskError):
        raise click.BadParameter(f'{text!r} is no number of seconds above 0') from None
    return seconds


def moment(text: str) -> float:
    """Read Unix seconds, or ISO 8601 text. Raises BadParameter for what is neither."""
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
    """Give a run more time: SECONDS from now where it runs, of its total where it waits. Never less than it has.

    `applied` (it waits), `requested` (written down, and its worker was told), or its end state.
    """
    asked = client()
    full = find_id(asked, run_id)
    return report({full: asked.extend(full, seconds)})
