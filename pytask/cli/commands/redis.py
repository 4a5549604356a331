"""`redis`: the server of this folder's own, beside `dev`: started, left running, found, stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from pytask.cli.options import common, is_json, program
from pytask.cli.output import formatting
from pytask.core.exit_codes import EXIT_FAILED, EXIT_UNAVAILABLE

CLIENTS = ('redis-cli', 'valkey-cli')


@click.group(invoke_without_command=True)
@common
@click.pass_context
def redis(ctx: click.Context) -> None:
    """Start and stop a Redis of this folder's own: a real server on loopback, its data in .pytask/redis.

    While it runs, every command in this folder uses it, unless --redis or PYTASK_REDIS says otherwise.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@redis.command()
@common
def start() -> int:
    """Start it, and leave it running until it is stopped."""
    from pytask.embedded.server import EmbeddedServer, owner_of
    from pytask.errors import ConfigError

    folder = Path.cwd()
    server = EmbeddedServer(folder, stays=True)
    try:
        server.start()
    except OSError as error:
        raise ConfigError(f'can not keep a Redis in {server.home}: {error.strerror}') from error
    owner = owner_of(folder)
    if owner:
        return _refuse(
            f'the Redis of this folder is part of `{program()} dev` (process {owner}) and ends with it',
            'stop that one first, with Ctrl-C',
        )
    _say_elsewhere(server.url)
    if is_json():
        formatting.json_line({'url': server.url, 'answer': 'joined' if server.is_joined else 'applied'})
    else:
        click.echo(server.url)
        formatting.say(f'it runs {"already" if server.is_joined else "now"}; stop it with: {program()} redis stop')
    return 0


@redis.command()
@common
def stop() -> int:
    """Stop it; its data stays in .pytask/redis."""
    from pytask.embedded.server import owner_of, stop_server, url_of

    folder = Path.cwd()
    url = url_of(folder)
    if url is None:
        return _none()
    owner = owner_of(folder)
    if owner:
        return _refuse(f'this Redis is part of `{program()} dev` (process {owner})', 'stop that one, with Ctrl-C')
    stop_server(folder)
    if is_json():
        formatting.json_line({'url': url, 'answer': 'applied'})
    else:
        formatting.say(f'stopped {url}; its data stays in .pytask/redis')
    return 0


@redis.command()
@common
def url() -> int:
    """Print its URL."""
    from pytask.embedded.server import url_of

    found = url_of(Path.cwd())
    if found is None:
        return _none()
    if is_json():
        formatting.json_line({'url': found})
    else:
        click.echo(found)
    return 0


@redis.command(context_settings={'ignore_unknown_options': True})
@click.argument('words', metavar='[COMMAND]...', nargs=-1, type=click.UNPROCESSED)
def cli(words: tuple[str, ...]) -> int:
    """Talk to it with redis-cli or valkey-cli.

    What is given is given on: `pytask redis cli HGETALL task-42`.
    """
    from pytask.embedded.server import url_of

    found = url_of(Path.cwd())
    if found is None:
        return _none()
    program = next(filter(None, map(shutil.which, CLIENTS)), None)
    if program is None:
        return _refuse(
            'neither redis-cli nor valkey-cli is on PATH',
            "install your system's redis-tools (Debian, Ubuntu), redis (Fedora, Homebrew) or valkey",
        )
    port = found.rpartition(':')[2].partition('/')[0]
    os.execv(program, [program, '-p', port, *words])
    raise AssertionError('it is another program now')


def _say_elsewhere(url: str) -> None:
    """Say so where the commands of this folder use another Redis all the same."""
    from pytask.config import settings

    chosen = settings.load().redis
    if chosen and chosen != url:
        formatting.say(f'note: commands here use {settings.redacted(chosen)}, as PYTASK_REDIS or a file says')


def _none() -> int:
    return _refuse('no Redis runs for this folder', f'start one with: {program()} redis start', EXIT_UNAVAILABLE)


def _refuse(what: str, remedy: str, code: int = EXIT_FAILED) -> int:
    click.echo(f'Error: {what}\n  - {remedy}', err=True)
    return code
