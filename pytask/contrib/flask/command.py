"""`flask pytask …`: pytask's command line for the app that `flask` has found.

`flask` has already imported modules that a worker needs patched, so this executes a new process.
"""

from __future__ import annotations

import os
import sys

import click
from flask.cli import ScriptInfo


@click.command(
    'pytask',
    add_help_option=False,
    context_settings={'ignore_unknown_options': True, 'allow_interspersed_args': False, 'help_option_names': []},
)
@click.argument('words', nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Start tasks, list and stop their runs, run a worker."""
    environment = {key: text for key, text in os.environ.items() if key != 'FLASK_RUN_FROM_CLI'}
    environment.setdefault('PYTASK_COMMAND', 'flask pytask')
    place = ctx.ensure_object(ScriptInfo).app_import_path
    if place:
        environment['FLASK_APP'] = place
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, '-m', 'pytask', *words], environment)
