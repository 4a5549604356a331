"""`show`: one run in full."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import run_ids
from pytask.cli.data_arguments import to_run_again
from pytask.cli.options import client, command_name, common, find_id, is_json
from pytask.cli.output import formatting
from pytask.cli.output.tracebacks import folded
from pytask.core.states import State

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.core.events import Message
    from pytask.core.run import Run

# Messages that are shown without --full.
LAST = 20


@click.command()
@click.argument('run_id', metavar='ID', shell_complete=run_ids())
@click.option('--watch', '-w', 'watches', is_flag=True, help='First follow it to its end, as `run` does.')
@click.option('--full', '--verbose', '-v', is_flag=True, help='Show all messages, and library frames.')
@click.option('--stack', 'with_stack', is_flag=True, help='Show only where its code is right now.')
@common
def show(run_id: str, *, watches: bool, full: bool, with_stack: bool) -> None:
    """Show one run in full: its state, data, output and messages, and how to run it again."""
    asked = client()
    run = asked.get(find_id(asked, run_id))
    if with_stack:
        _show_stack(run, is_full=full)
        return
    if watches and not run.is_ended:
        run = _watched(asked, run)
    said = run.messages
    if is_json():
        formatting.json_line(run.to_json() | {'messages': [{'at': m.at, 'text': m.text} for m in said]})
        return
    _show_facts(run)
    _show_messages(said, is_full=full)
    if run.state is State.EXCEPTION and isinstance(run.output, dict):
        _show_traceback(str(run.output.get('traceback', '')), is_full=full)
    elif run.state is State.WAIT:
        from pytask.cli.why import why

        formatting.say(f'waits: {why(asked, run)}')


def _show_facts(run: Run) -> None:
    for name, value in _facts(run).items():
        if value not in ('', None):
            click.echo(f'{name:<9} {value}')


def _show_messages(said: list[Message], *, is_full: bool) -> None:
    shown = said if is_full else said[-LAST:]
    if shown:
        click.echo('messages')
    for message in shown:
        click.echo(f'  {_moment(message.at)}  {formatting.plain(message.text)}')
    if len(shown) < len(said):
        formatting.say(f'{len(said) - len(shown)} earlier messages: --full')


def _watched(asked: Client, run: Run) -> Run:
    from pytask.cli.output.follow_run import follow

    try:
        follow(run, asked.watch(run.id))
    except KeyboardInterrupt:
        formatting.say(f'\nrun {run.id} continues; stop it with: {command_name()} stop {run.id}')
        raise
    return asked.get(run.id)


def _show_traceback(text: str, *, is_full: bool) -> None:
    shown = text.rstrip() if is_full else folded(text)
    if shown:
        click.echo('\n' + formatting.plain_lines(shown))
    if shown != text.rstrip():
        formatting.say('library frames: --full')


def _show_stack(run: Run, *, is_full: bool) -> None:
    text = run.stack(full=is_full)
    if is_json():
        formatting.json_line({'id': run.id, 'stack': text})
    else:
        click.echo(formatting.plain_lines(text))


def _facts(run: Run) -> dict[str, Any]:
    can_repeat = run.is_ended and not run.is_local
    return {
        'id': run.id,
        'task': formatting.plain(run.task),
        'state': formatting.colour(run.state, run.state),
        'reason': formatting.plain(run.reason),
        'data': formatting.plain(run.data),
        'output': formatting.output_line(run) if run.is_ended else '',
        'progress': formatting.bar(run),
        'queue': formatting.plain(run.queue),
        'worker': formatting.plain(run.worker),
        'attempt': run.attempt or '',
        'crashes': run.crashes or '',
        'created': _moment(run.created),
        'at': _moment(run.at),
        'started': _moment(run.started),
        'ended': _moment(run.ended),
        'time': formatting.age(run),
        'retry': f'{command_name()} retry {formatting.plain(run.id)}' if can_repeat else '',
        'rerun': to_run_again(run) if can_repeat else '',
    }


def _moment(at: float | None) -> str:
    return '' if at is None else time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))
