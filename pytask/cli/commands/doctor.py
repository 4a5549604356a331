"""`doctor`: looks at this machine, at Redis and at the workers, and says what to do about what is wrong."""

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
MARKS = {OK: '✓', NOTE: '!', WRONG: '✗'}
ASCII_MARKS = {OK: ' ', NOTE: '!', WRONG: 'x'}


@click.command()
@common
def doctor() -> int:
    """Look for what is wrong here, with Redis and with the workers, and say what to do.

    Exit code 0 where nothing is, 1 where something is, 69 where Redis can not be reached.
    """
    app = make_app()
    worst = 0
    for finding in (*_here(app), *_versions()):
        worst = max(worst, _tell(finding))
    try:
        for finding in _redis(app):
            worst = max(worst, _tell(finding))
    except Unavailable as error:
        _tell(
            Finding(
                'redis',
                WRONG,
                str(error),
                f'start one with: {program()} redis start; or give its URL: --redis, PYTASK_REDIS',
            )
        )
        return EXIT_UNAVAILABLE
    finally:
        app.client.close()
    return worst


def _tell(finding: Finding) -> int:
    """Print a finding; return its exit code."""
    if is_json():
        formatting.json_line(finding._asdict())
    elif not formatting.is_terminal():
        click.echo(
            '\t'.join(map(formatting.plain, (finding.level, finding.check, finding.text, finding.remedy))).rstrip()
        )
    else:
        mark = (MARKS if formatting.is_utf8() else ASCII_MARKS)[finding.level]
        state = {OK: 'SUCCESS', NOTE: 'WAIT', WRONG: 'ERROR'}[finding.level]
        click.echo(f'{formatting.colour(mark, state)} {finding.check:<12} {formatting.plain(finding.text)}')
        if finding.remedy:
            click.echo(f'{"":<15}{formatting.plain(finding.remedy)}')
    return EXIT_FAILED if finding.level == WRONG else EXIT_OK


def _versions() -> Iterator[Finding]:
    found = [f'{name} {version}' if (version := _version(name)) else f'no {name}' for name in DEPENDENCIES]
    yield Finding('versions', OK, ', '.join([f'pytask {VERSION}', f'Python {platform.python_version()}', *found]))
    other = name_clash.other_version()
    if other:
        yield Finding(
            'distribution', WRONG, f'`pytask` {other}, another project, has written over the package of `pytaskd`',
            ' && '.join(name_clash.REMEDY.splitlines()),
        )  # fmt: skip


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ''


def _here(app: PyTask) -> Iterator[Finding]:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield doctor_checks.files(-1 if soft == resource.RLIM_INFINITY else soft, app.settings.concurrency)
    home = Path.cwd() / '.pytask'
    if home.exists():
        yield _writable(home / 'redis' if (home / 'redis').is_dir() else home)


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'\0' * 65_536)
    except OSError as error:
        return Finding(
            'folder',
            WRONG,
            f'{folder} can not be written: {error.strerror}',
            'mend that, or move it away: a Redis of its own keeps its data there',
        )
    return Finding('folder', OK, f'{folder} can be written')


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
