"""Commands that pause and resume: runs by id, a queue, a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import run_ids as ids_in
from pytask.cli.commands.completion import task_names
from pytask.cli.commands.control import report
from pytask.cli.options import client, common, find_id, is_json
from pytask.cli.output import formatting
from pytask.core.clock import wall_s
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.client.client import Client


def _naming(command: Any) -> Any:
    for add in (
        click.option('--queue', 'queues', metavar='NAME', multiple=True, help='All of this queue.'),
        click.option(
            '--task',
            'tasks',
            metavar='NAME',
            multiple=True,
            shell_complete=task_names,
            help='All runs of this task.',
        ),
        click.argument('run_ids', metavar='[ID]...', nargs=-1, shell_complete=ids_in(State.RUNNING, State.WAIT)),
    ):
        command = add(command)
    return command


@click.command()
@_naming
@common
def pause(run_ids: tuple[str, ...], queues: tuple[str, ...], tasks: tuple[str, ...]) -> int:
    """Pause runs, a queue or a task until they are resumed; without a name, list what is paused.

    A waiting run does not start (`applied`); a running one keeps its lease, and halts at its next emit, progress,
    message, sleep, every or checkpoint (`requested`). What runs of a paused queue or task goes on.
    """
    asked = client()
    if not (run_ids or queues or tasks):
        return _list(asked)
    return report(
        _each(queues, asked.pause_queue, 'queue')
        | _each(tasks, asked.pause_task, 'task')
        | {run_id: asked.pause(run_id) for run_id in [find_id(asked, text) for text in run_ids]}
    )


@click.command()
@_naming
@common
def resume(run_ids: tuple[str, ...], queues: tuple[str, ...], tasks: tuple[str, ...]) -> int:
    """Let paused runs, a queue or a task go on; who was not paused is told by its state, or as `not_found`."""
    asked = client()
    if not (run_ids or queues or tasks):
        raise click.UsageError('name runs by id, or a --queue or --task; `pytask pause` lists what is paused')
    return report(
        _each(queues, asked.resume_queue, 'queue')
        | _each(tasks, asked.resume_task, 'task')
        | {run_id: asked.resume(run_id) for run_id in [find_id(asked, text) for text in run_ids]}
    )


def _each(names: tuple[str, ...], tell: Callable[[str], str], kind: str) -> dict[str, str]:
    return {f'{kind} {name}': tell(name) for name in names}


def _list(asked: Client) -> int:
    found = asked.paused()
    if is_json():
        for one in found:
            formatting.json_line(one._asdict())
        return 0
    now = wall_s()
    formatting.table(
        ('', 'NAME', 'SINCE'), [(kind, name, formatting.span(now - since)) for kind, name, since in found]
    )
    if not found and formatting.is_terminal():
        formatting.say('nothing is paused')
    return 0
