"""`doctor`: checks this machine, Redis and the workers, and says how to fix what is wrong."""

from __future__ import annotations

import platform
import resource
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytask.cli import doctor_checks
from pytask.cli.doctor_checks import NOTE, OK, WRONG, Finding
from pytask.cli.finding import name_clash
from pytask.cli.options import command_name, common, is_json, make_app, program
from pytask.cli.output import formatting
from pytask.core.exit_codes import EXIT_FAILED, EXIT_OK, EXIT_UNAVAILABLE
from pytask.core.version import VERSION
from pytask.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.app.app import PyTask

DEPENDENCIES = ('gevent', 'redis', 'hiredis', 'msgspec', 'click')
# In Unicode, in ASCII, and the state whose colour it has.
MARKS = {OK: ('✓', ' ', 'SUCCESS'), NOTE: ('!', '!', 'WAIT'), WRONG: ('✗', 'x', 'ERROR')}


@click.command()
@common
def doctor() -> int:
    """Check this machine, Redis and the workers, and say how to fix what is wrong.

    Exit code: 0 nothing is wrong, 1 something is, 69 Redis is unreachable.
    """
    app = make_app()
    code = EXIT_OK
    try:
        for finding in _findings(app):
            _print(finding)
            code = EXIT_FAILED if finding.level == WRONG else code
    except Unavailable as error:
        remedy = f'start one with: {program()} redis start; or set its URL: --redis, PYTASK_REDIS'
        _print(Finding('redis', WRONG, str(error), remedy))
        return EXIT_UNAVAILABLE
    finally:
        app.client.close()
    return code


def _print(finding: Finding) -> None:
    level, check, text, remedy = finding.level, finding.check, finding.text, finding.remedy
    if is_json():
        formatting.json_line(finding._asdict())
    elif not formatting.is_terminal():
        click.echo('\t'.join(map(formatting.plain, (level, check, text, remedy))).rstrip())
    else:
        mark, ascii_mark, state = MARKS[level]
        shown = formatting.colour(mark if formatting.is_utf8() else ascii_mark, state)
        click.echo(f'{shown} {check:<12} {formatting.plain(text)}')
        if remedy:
            click.echo(f'{"":<15}{formatting.plain(remedy)}')


def _findings(app: PyTask) -> Iterator[Finding]:
    yield from _machine(app)
    yield from _versions()
    yield from _redis(app)


def _machine(app: PyTask) -> Iterator[Finding]:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield doctor_checks.files(-1 if soft == resource.RLIM_INFINITY else soft, app.settings.concurrency)
    home = Path.cwd() / '.pytask'
    if not home.exists():
        return
    folder = home / 'redis' if (home / 'redis').is_dir() else home
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'\0' * 65_536)
    except OSError as error:
        remedy = 'fix it, or remove it: `dev` keeps its data there'
        yield Finding('folder', WRONG, f'cannot write to {folder}: {error.strerror}', remedy)
    else:
        yield Finding('folder', OK, f'{folder} is writable')


def _versions() -> Iterator[Finding]:
    found = [f'{name} {version}' if (version := _version(name)) else f'no {name}' for name in DEPENDENCIES]
    yield Finding('versions', OK, ', '.join([f'pytask {VERSION}', f'Python {platform.python_version()}', *found]))
    if other := name_clash.other_version():
        text = f'`pytask` {other}, another project, has overwritten files of `pytaskd`'
        yield Finding('distribution', WRONG, text, ' && '.join(name_clash.REMEDY.splitlines()))


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ''


def _redis(app: PyTask) -> Iterator[Finding]:
    from pytask.store.diagnosis import Checkup

    store = app.client.store
    checkup = Checkup(store.db, store.keys)
    store.ping()
    info = checkup.info()
    yield from doctor_checks.server(info, store.db.url)
    yield doctor_checks.latency(checkup.latency_ms())
    yield doctor_checks.clock(checkup.ahead_s())
    yield from doctor_checks.persistence(info, checkup.config('appendfsync', 'save'))
    yield from doctor_checks.memory(info)
    lacking = checkup.lacking()
    yield doctor_checks.rights(lacking)
    yield from doctor_checks.keys(checkup.foreign_keys())
    if not lacking:
        yield from doctor_checks.workers(store.workers.alive(), VERSION, command_name())
