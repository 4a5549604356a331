"""`init`: writes files to begin with, from the samples of the package and from the gallery."""

from __future__ import annotations

import getpass
import math
import re
import shlex
import sys
from difflib import get_close_matches
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

import click

from pytask.cli import samples
from pytask.cli.finding import apps
from pytask.cli.options import chosen_here, command_name, common
from pytask.cli.output import formatting
from pytask.config import settings
from pytask.errors import ConfigError

HELLO = 'tasks/hello.py'
ENVIRONMENT_FILE = '/etc/pytask.env'
# Above --drain: GRACE of `stop`, two interruptions, the last records.
STOP_MARGIN_S = 20
# Above --max-hang: the worker's own end comes first, and leaves the stacks in the log.
HANG_MARGIN_S = 60


class Kinds(click.Group):
    """Files to begin with; it knows the near names of a wrong command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name, there = args[0] if args else '', self.list_commands(ctx)
        if name and name not in there and not name.startswith('-'):
            near = get_close_matches(name, there, n=2, cutoff=0.5)
            hint = f'Did you mean {" or ".join(near)}?' if near else f'See {ctx.command_path} --help.'
            ctx.fail(f'No command {name!r}. {hint}')
        return super().resolve_command(ctx, args)


_DIR = click.option(
    '--dir', 'folder', type=click.Path(file_okay=False, path_type=Path), default='.',
    help='Folder of the project. Default: this one.',
)  # fmt: skip


@click.group(cls=Kinds, invoke_without_command=True)
@common
@click.pass_context
def init(ctx: click.Context) -> None:
    """Write files to begin with: a first task, where nothing else is named. What is there is left as it is.

    \b
    pytask init                        tasks/hello.py
    pytask init flask                  that, and a site that starts runs and reads them
    pytask init gallery                what tasks there are to copy and learn from
    pytask init gallery text/count     copy one
    """  # noqa: D301 - click takes the character for: leave these lines as they are
    if ctx.invoked_subcommand is None:
        _write(Path(), {HELLO: samples.sample('plain/hello.py')}, _first_steps())


@init.command()
@_DIR
@common
def plain(*, folder: Path) -> None:
    """Write tasks/hello.py, with two tasks. The default."""
    _write(folder, {HELLO: samples.sample('plain/hello.py')}, _first_steps())


@init.command()
@_DIR
@common
def flask(*, folder: Path) -> None:
    """Write app.py, a site with a task, and tasks/hello.py.

    One view starts a run of the task, one reads it.
    """
    files = {HELLO: samples.sample('plain/hello.py'), 'app.py': samples.sample('flask/app.py')}
    install = [] if find_spec('flask') else [('pip install flask', '')]
    _write(folder, files, [
        *install,
        (f'{command_name()} dev', 'a Redis, and a worker on app.py and ./tasks; leave it running'),
        ('flask run', 'the site, in another terminal'),
        ('curl localhost:5000/greetings -d name=you', 'start a run; prints its id'),
        ('curl localhost:5000/greetings/ID', 'read it'),
    ])  # fmt: skip


@init.command()
@_DIR
@common
def django(*, folder: Path) -> None:
    """Write two files for a Django project.

    They are tasks/__init__.py, which sets Django up, and tasks/users.py, a task that uses its database; for the
    project whose manage.py is here.
    """
    files = {
        'tasks/__init__.py': samples.sample('django/init.py').replace("'SETTINGS'", repr(_django_settings(folder))),
        'tasks/users.py': samples.sample('django/users.py'),
    }
    _write(folder, files, [
        (f'{command_name()} dev', 'a Redis and a worker on ./tasks; leave it running'),
        (f'{command_name()} run count-users', 'in another terminal'),
    ])  # fmt: skip
    click.echo('How views start runs and read them stands in tasks/users.py.')


@init.command()
@click.argument('names', nargs=-1, metavar='[NAME]...')
@click.option('--all', 'everything', is_flag=True, help='Copy all of them.')
@_DIR
@common
def gallery(*, names: tuple[str, ...], everything: bool, folder: Path) -> None:
    """List tasks to learn from, or copy some.

    NAME is one of the list; it is copied to ./tasks.
    """
    there = samples.gallery()
    if not names and not everything:
        formatting.table(('NAME', ''), [(name, samples.about(path)) for name, path in there.items()])
        if formatting.is_terminal():
            formatting.say(f'\ncopy with: {command_name()} init gallery NAME...   or --all')
        return
    files = samples.picked(tuple(there) if everything else names)
    _write(folder, files, [(f'{command_name()} tasks', 'what they take'), (f'{command_name()} dev', 'run them')])


@init.command()
@_DIR
@click.option('--force', is_flag=True, help='Overwrite a pytask.service that is there.')
@common
def systemd(*, folder: Path, force: bool) -> None:
    """Write pytask.service, a unit.

    It is a worker for this folder, by this Python.
    """
    path = folder.resolve() / 'pytask.service'
    if path.exists() and not force:
        raise click.UsageError(f'{path} is there already; --force overwrites it')
    text = unit(folder.resolve(), settings.load(folder=folder))
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f'can not write {path}: {error.strerror}') from error
    click.echo(_next(path))


def offer_first_task() -> None:
    """Write a first task where there is none and somebody at the terminal wants it. Raises ConfigError else."""
    chosen = settings.chosen(chosen_here())
    if not apps.are_tasks_missing(chosen):
        return
    is_asked = sys.stdin.isatty() and sys.stderr.isatty()
    if not is_asked or not click.confirm('No ./tasks here. Write a first task?', default=True, err=True):
        raise apps.no_tasks(chosen, command_name())
    samples.write(Path(), {HELLO: samples.sample('plain/hello.py')})
    formatting.say(f'wrote {HELLO}\n')


def _write(folder: Path, files: dict[str, str], steps: list[tuple[str, str]]) -> None:
    written = samples.write(folder, files)
    for name in files:
        click.echo(
            f'wrote  {folder / name}' if name in written else f'left   {folder / name}, which is there already'
        )
    place = [] if folder.resolve() == Path.cwd() else [(f'cd {shlex.quote(str(folder))}', '')]
    width = max(len(words) for words, _ in steps)
    click.echo('\nNext:')
    for words, what in place + steps:
        click.echo(f'  {words:<{width}}  # {what}' if what else f'  {words}')


def _first_steps() -> list[tuple[str, str]]:
    return [
        (f'{command_name()} dev', 'a Redis and a worker on ./tasks; leave it running'),
        (f'{command_name()} run hello-world name=you', 'in another terminal'),
        (f'{command_name()} tasks', 'what else there is'),
    ]


def _django_settings(folder: Path) -> str:
    """Return the settings module that manage.py names. Raises UsageError."""
    path = folder / 'manage.py'
    if not path.is_file():
        raise click.UsageError(
            f'no manage.py in {folder.resolve()}; make a project: django-admin startproject NAME .'
        )
    names = r"""DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]"""
    found = re.search(names, path.read_text(encoding='utf-8', errors='replace'))
    if not found:
        raise click.UsageError(f'{path} names no DJANGO_SETTINGS_MODULE')
    return found[1]


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
        'After a deploy (runs finish first, or go back to their queues):\n'
        '  sudo systemctl restart pytask'
    )
