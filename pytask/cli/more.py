"""`extend`: more time for a run; and how spans are written on the command line."""

from __future__ import annotations

from typing import Any

import click

from pytask.cli import paint
from pytask.cli.options import client, common, find_id, is_json


class Span(click.ParamType):
    """Seconds, as a number above 0."""

    name = 'seconds'

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from pytask.errors import PytaskError
        from pytask.launch import seconds_text

        try:
            seconds = float(value)
            seconds_text('it', seconds)
        except (ValueError, PytaskError):
            self.fail(f'{value!r} is no number of seconds above 0', param, ctx)
        return seconds


SPAN = Span()


@click.command(context_settings={'ignore_unknown_options': True})
@click.argument('run_id', metavar='ID')
@click.argument('seconds', type=SPAN)
@common
def extend(run_id: str, seconds: float) -> int:
    """Give a run more time: SECONDS from now where it runs, of its total where it waits. Never less than it has.

    `applied` (it waits), `requested` (written down, and its worker was told), or its end state.
    """
    asked = client()
    full = find_id(asked, run_id)
    answer = asked.extend(full, seconds)
    if is_json():
        paint.json_line({'id': full, 'answer': answer})
    else:
        paint.table(('ID', ''), [(full, answer)])
    return int(answer == 'refused')
