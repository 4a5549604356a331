"""`init`: writes files to start from: samples, tasks of the gallery, a systemd unit."""

from __future__ import annotations

import getpass
import math
import re
import shlex
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

from pytask.cli import samples
from pytask.cli.finding import apps
from pytask.cli.options import Group, chosen_here, command_name, common
from pytask.cli.output import formatting
from pytask.config import settings
from pytask.errors import ConfigError

HELLO = 'tasks/hello.py'
ENVIRONMENT_FILE = '/etc/pytask.env'
# On top of --drain: GRACE of `stop`, two interruptions, the last records.
STOP_MARGIN_S = 20
# On top of --max-hang: the worker exits first by itself, and leaves the stacks in the log.
HANG_MARGIN_S = 60

_FOLDER = click.Path(file_okay=False, path_type=Path)
_DIR = click.option('--dir', 'folder', type=_FOLDER, default='.', help='Folder of the project. Default: this one.')


@click.group(cls=Group, invoke_without_command=True)
@common
@click.pass_context
def init(ctx: click.Context) -> None:
    """Write files to start from, by default a first task. Existing files are never changed.

    \b
    pytask init                        tasks/hello.py
    pytask init flask                  that, and a site that starts runs and reads them
    pytask init gallery                list tasks to copy and learn from
    pytask init gallery text/count     copy one
    """  # noqa: D301 - click's mark for text that is not wrapped
    if ctx.invoked_subcommand is None:
        _write_first_task(Path())


@init.command()
@_DIR
@common
def plain(*, folder: Path) -> None:
    """Write tasks/hello.py, with two tasks. The default."""
    _write_first_task(folder)


@init.command()
@_DIR
@common
def flask(*, folder: Path) -> None:
    """Write app.py, a site with a task, and tasks/hello.py.

    One view starts a run of the task, another reads it.
    """
    files = {HELLO: samples.sample('plain/hello.py'), 'app.py': samples.sample('flask/app.py')}
    install = [] if find_spec('flask') else [('pip install flask', '')]
    _write(folder, files, [
        *install,
        (f'{command_name()} dev', 'a Redis, and a worker on app.py and ./tasks; keep it running'),
        ('flask run', 'the site, in another terminal'),
        ('curl localhost:5000/greetings -d name=you', 'start a run; prints its id'),
        ('curl localhost:5000/greetings/ID', 'read it'),
    ])  # fmt: skip


@init.command()
@_DIR
@common
def django(*, folder: Path) -> None:
    """Write two files for the Django project whose manage.py is here.

    tasks/__init__.py sets Django up, tasks/users.py is a task that uses its database.
    """
    files = {
        'tasks/__init__.py': samples.sample('django/init.py').replace("'SETTINGS'", repr(_django_settings(folder))),
        'tasks/users.py': samples.sample('django/users.py'),
    }
    _write(folder, files, [
        (f'{command_name()} dev', 'a Redis and a worker on ./tasks; keep it running'),
        (f'{command_name()} run count-users', 'in another terminal'),
    ])  # fmt: skip
    click.echo('tasks/users.py shows how views start runs and read them.')


@init.command()
@click.argument('names', nargs=-1, metavar='[NAME]...')
@click.option('--all', 'everything', is_flag=True, help='Copy all of them.')
@_DIR
@common
def gallery(*, names: tuple[str, ...], everything: bool, folder: Path) -> None:
    """List tasks to learn from, or copy some to ./tasks.

    NAME is one from the list.
    """
    there = samples.gallery()
    if not names and not everything:
        formatting.table(('NAME', ''), [(name, samples.about(path)) for name, path in there.items()])
        if formatting.is_terminal():
            formatting.say(f'\ncopy with: {command_name()} init gallery NAME...   or --all')
        return
    files = samples.picked(tuple(there) if everything else names)
    _write(folder, files, [(f'{command_name()} tasks', 'list their inputs'), (f'{command_name()} dev', 'run them')])


@init.command()
@_DIR
@click.option('--force', is_flag=True, help='Overwrite an existing pytask.service.')
@common
def systemd(*, folder: Path, force: bool) -> None:
    """Write pytask.service, a systemd unit.

    It runs a worker in this folder with this Python.
    """
    path = folder.resolve() / 'pytask.service'
    if path.exists() and not force:
        raise click.UsageError(f'{path} already exists; overwrite it with --force')
    text = unit(folder.resolve(), settings.load(folder=folder))
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f'cannot write {path}: {error.strerror}') from error
    click.echo(_next(path))


def offer_first_task() -> None:
    """If there are no tasks, offer to write a first one. Raises ConfigError without a terminal, or after a no."""
    chosen = settings.chosen(chosen_here())
    if not apps.are_tasks_missing(chosen):
        return
    is_asked = sys.stdin.isatty() and sys.stderr.isatty()
    if not is_asked or not click.confirm('No ./tasks here. Write a first task?', default=True, err=True):
        raise apps.no_tasks(chosen, command_name())
    samples.write(Path(), {HELLO: samples.sample('plain/hello.py')})
    formatting.say(f'wrote {HELLO}\n')


def _write_first_task(folder: Path) -> None:
    _write(folder, {HELLO: samples.sample('plain/hello.py')}, [
        (f'{command_name()} dev', 'a Redis and a worker on ./tasks; keep it running'),
        (f'{command_name()} run hello-world name=you', 'in another terminal'),
        (f'{command_name()} tasks', 'list all tasks'),
    ])  # fmt: skip


def _write(folder: Path, files: dict[str, str], steps: list[tuple[str, str]]) -> None:
    written = samples.write(folder, files)
    for name in files:
        click.echo(
            f'wrote  {folder / name}' if name in written else f'kept   {folder / name}, which already exists'
        )
    place = [] if folder.resolve() == Path.cwd() else [(f'cd {shlex.quote(str(folder))}', '')]
    width = max(len(words) for words, _ in steps)
    click.echo('\nNext:')
    for words, what in place + steps:
        click.echo(f'  {words:<{width}}  # {what}' if what else f'  {words}')


def _django_settings(folder: Path) -> str:
    """Return the settings module in manage.py. Raises UsageError."""
    path = folder / 'manage.py'
    if not path.is_file():
        raise click.UsageError(f'no manage.py in {folder.resolve()}; run: django-admin startproject NAME .')
    names = r"""DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]"""
    found = re.search(names, path.read_text(encoding='utf-8', errors='replace'))
    if not found:
        raise click.UsageError(f'{path} does not set DJANGO_SETTINGS_MODULE')
    return found[1]


def unit(folder: Path, chosen: settings.Settings) -> str:
    """Return the text of the unit for a folder and its settings."""
    max_hang_s = chosen.max_hang_s  # 0 for never; then there is no watchdog either
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
        'Check it, then write the URL of Redis to a file that only root can read:\n'
        f"  sudo sh -c 'umask 077; echo PYTASK_REDIS=redis://localhost:6379/0 > {ENVIRONMENT_FILE}'\n"
        'Start the worker, now and at every boot:\n'
        f'  sudo systemctl link {file}\n'
        '  sudo systemctl enable --now pytask\n'
        '  systemctl status pytask; journalctl -fu pytask\n'
        'After a deploy (runs finish first, or are requeued):\n'
        '  sudo systemctl restart pytask'
    )
