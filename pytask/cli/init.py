"""`init`: writes files to begin with, from the samples of the package."""

from __future__ import annotations

import getpass
import math
import shlex
import sys
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from pytask import settings
from pytask.cli.options import common

ENVIRONMENT_FILE = '/etc/pytask.env'
# Above --drain: GRACE of `stop`, two interruptions, the last records.
STOP_MARGIN_S = 20
# Above --max-hang: the worker's own end comes first, and leaves the stacks in the log.
HANG_MARGIN_S = 60


@click.group(invoke_without_command=True)
@common
@click.pass_context
def init(ctx: click.Context) -> None:
    """Write files to begin with. Nothing is overwritten without --force."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@init.command()
@click.option('--dir', 'folder', type=click.Path(exists=True, file_okay=False, path_type=Path), default='.',
              help='Folder of the project, with ./tasks in it. Default: this one.')  # fmt: skip
@click.option('--force', is_flag=True, help='Overwrite a pytask.service that is there.')
@common
def systemd(*, folder: Path, force: bool) -> None:
    """Write pytask.service: a worker for this folder, by this Python."""
    path = folder.resolve() / 'pytask.service'
    if path.exists() and not force:
        raise click.UsageError(f'{path} is there already; --force overwrites it')
    path.write_text(unit(folder.resolve(), settings.load(folder=folder)))
    click.echo(_next(path))


def unit(folder: Path, chosen: settings.Settings) -> str:
    """Return the text of the unit for a folder and its settings."""
    max_hang_s = chosen.max_hang_s  # 0 for never, and then without a watchdog
    sample = files('pytask').joinpath('samples/pytask.service').read_text()
    return Template(sample).substitute(
        folder=_specifiers(folder.name), working_directory=_specifiers(str(folder)), user=getpass.getuser(),
        environment_file=ENVIRONMENT_FILE, python=_word(sys.executable), drain_s=f'{chosen.drain_s:g}',
        stop_s=math.ceil(chosen.drain_s) + STOP_MARGIN_S, max_hang_s=f'{max_hang_s:g}',
        watchdog_s=math.ceil(max_hang_s) + HANG_MARGIN_S if max_hang_s else 0,
    )  # fmt: skip


def _specifiers(text: str) -> str:
    return text.replace('%', '%%')


def _word(text: str) -> str:
    """Quote one word of a command line as systemd reads it."""
    quoted = text.replace('\\', '\\\\').replace('"', '\\"').replace('$', '$$')
    return _specifiers(f'"{quoted}"' if set(text) & set(' \t"\'\\;') else quoted)


def _next(path: Path) -> str:
    file = shlex.quote(str(path))
    return (
        f'wrote {path}\n\n'
        'Look it over, then say where Redis is, in a file that only root reads:\n'
        f"  sudo sh -c 'umask 077; echo PYTASK_REDIS=redis://localhost:6379/0 > {ENVIRONMENT_FILE}'\n"
        'and start the worker, now and at every boot:\n'
        f'  sudo systemctl link {file}\n'
        '  sudo systemctl enable --now pytask\n'
        '  systemctl status pytask; journalctl -fu pytask\n'
        'After a deploy: sudo systemctl restart pytask (runs finish first, or go back to their queues).'
    )
