"""`health`: a probe for systems that can only run a command. Imports neither gevent nor redis."""

from __future__ import annotations

import http.client
import json
from typing import Any

import click

from pytask.cli.options import common, is_json
from pytask.cli.output.formatting import json_line, plain
from pytask.config import settings
from pytask.core.exit_codes import EXIT_FAILED, EXIT_OK, EXIT_UNAVAILABLE
from pytask.net.addresses import split_address, to_call


@click.command()
@click.argument('address', metavar='[ADDR]', required=False)
@click.option('--live', 'is_live', is_flag=True, help='Ask /live instead: does the process work?')
@click.option('--timeout', default=5.0, show_default=True, metavar='SECONDS', help='How long to wait.')
@common
def health(*, address: str | None, is_live: bool, timeout: float) -> int:
    """Ask the worker that serves health at ADDR whether it is ready. Default: the setting `health`.

    Exit code: 0 ready, 1 not ready, 69 no answer.
    """
    word = 'live' if is_live else 'ready'
    chosen = settings.load({'health': address}).health
    if not chosen:
        raise click.UsageError('no address; give ADDR, or set PYTASK_HEALTH as for the worker')
    host, port = to_call(split_address(chosen))
    try:
        answer = _ask(host, port, word, timeout)
    except (OSError, http.client.HTTPException, ValueError) as error:
        click.echo(f'Error: no worker answers at {host}:{port} ({_why(error)})', err=True)
        return EXIT_UNAVAILABLE
    if is_json():
        json_line(answer)
    else:
        click.echo(word if answer[word] else f'not {word}: ' + '; '.join(map(plain, answer['reasons'])))
    return EXIT_OK if answer[word] else EXIT_FAILED


def _ask(host: str, port: int, word: str, timeout_s: float) -> dict[str, Any]:
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request('GET', f'/{word}')
        answer = json.loads(connection.getresponse().read(65_536))
    finally:
        connection.close()
    if not isinstance(answer, dict) or not {word, 'reasons'} <= set(answer):
        raise ValueError('another program listens there')
    return answer


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return 'no answer in time'
    if isinstance(error, json.JSONDecodeError):
        return 'another program listens there'
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__
