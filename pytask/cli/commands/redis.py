"""`redis`: starts and stops the embedded server of a folder, without `dev`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from pytask.cli.options import HelpGroup, common, is_json, program
from pytask.cli.output import formatting
from pytask.errors import ConfigError, PytaskError, Unavailable

CLIENTS = ('redis-cli', 'valkey-cli')


@click.group(cls=HelpGroup)
@common
def redis() -> None:
    """Start and stop a Redis for this folder: a real server on loopback, with its data in .pytask/redis.

    While it runs, every command in this folder uses it, unless --redis or PYTASK_REDIS names another.
    """


@redis.command()
@common
def start() -> None:
    """Start it; it runs until it is stopped."""
    from pytask.embedded.server import EmbeddedServer

    server = EmbeddedServer(Path.cwd(), stays=True)
    try:
        server.start()
    except OSError as error:
        raise ConfigError(f'cannot keep a Redis in {server.home}: {error.strerror}') from error
    _refuse_that_of_dev()
    _say_elsewhere(server.url)
    if is_json():
        formatting.json_line({'url': server.url, 'answer': 'joined' if server.is_joined else 'applied'})
    else:
        click.echo(server.url)
        state = 'was already running' if server.is_joined else 'is running'
        formatting.say(f'it {state}; stop it with: {program()} redis stop')


@redis.command()
@common
def stop() -> None:
    """Stop it. Its data stays in .pytask/redis."""
    from pytask.embedded.server import stop_server

    url = _url()
    _refuse_that_of_dev()
    stop_server(Path.cwd())
    if is_json():
        formatting.json_line({'url': url, 'answer': 'applied'})
    else:
        formatting.say(f'stopped {url}; its data stays in .pytask/redis')


@redis.command()
@common
def url() -> None:
    """Print its URL."""
    if is_json():
        formatting.json_line({'url': _url()})
    else:
        click.echo(_url())


@redis.command(context_settings={'ignore_unknown_options': True})
@click.argument('words', metavar='[COMMAND]...', nargs=-1, type=click.UNPROCESSED)
def cli(words: tuple[str, ...]) -> None:
    """Talk to it with redis-cli or valkey-cli.

    All arguments are passed on: `pytask redis cli HGETALL task-42`.
    """
    port = _url().rpartition(':')[2].partition('/')[0]
    path = next(filter(None, map(shutil.which, CLIENTS)), None)
    if path is None:
        remedy = "install your system's redis-tools (Debian, Ubuntu), redis (Fedora, Homebrew) or valkey"
        raise PytaskError(f'neither redis-cli nor valkey-cli is on PATH\n  - {remedy}')
    os.execv(path, [path, '-p', port, *words])


def _url() -> str:
    from pytask.embedded.server import url_of

    found = url_of(Path.cwd())
    if found is None:
        raise Unavailable(f'no Redis is running for this folder\n  - start one with: {program()} redis start')
    return found


def _refuse_that_of_dev() -> None:
    from pytask.embedded.server import owner_of

    if owner := owner_of(Path.cwd()):
        what = f'the Redis of this folder belongs to `{program()} dev` (process {owner})'
        raise PytaskError(f'{what} and ends with it\n  - stop that first, with Ctrl-C')


def _say_elsewhere(url: str) -> None:
    """Print a note if the commands in this folder use another Redis nevertheless."""
    from pytask.config import settings

    chosen = settings.load().redis
    if chosen and chosen != url:
        formatting.say(f'note: commands here use {settings.redacted(chosen)}, from PYTASK_REDIS or a settings file')
