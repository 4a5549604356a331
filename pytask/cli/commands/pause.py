"""Commands that pause and resume: runs by id, a queue, a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import run_ids as ids_in
from pytask.cli.commands.completion import task_names
from pytask.cli.commands.control import report
from pytask.cli.options import client, common, find_id, is_json, queue_option, together
from pytask.cli.output import formatting
from pytask.core.clock import wall_s
from pytask.core.exit_codes import EXIT_OK
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.client.client import Client


OF_TASK = 'All runs of this task.'
_naming = together(
    queue_option('All runs in this queue.'),
    click.option('--task', 'tasks', metavar='NAME', multiple=True, shell_complete=task_names, help=OF_TASK),
    click.argument('run_ids', metavar='[ID]...', nargs=-1, shell_complete=ids_in(State.RUNNING, State.WAIT)),
)


@click.command()
@_naming
@common
def pause(run_ids: tuple[str, ...], queues: tuple[str, ...], tasks: tuple[str, ...]) -> int:
    """Pause runs, a queue or a task until they are resumed; without arguments, list what is paused.

    A waiting run does not start (`applied`). A running run keeps its lease, and halts at its next emit, progress,
    message, sleep, every or checkpoint (`requested`). Running runs of a paused queue or task continue.
    """
    asked = client()
    if not (run_ids or queues or tasks):
        return _list(asked)
    return report(
        _each(queues, asked.pause_queue, 'queue ')
        | _each(tasks, asked.pause_task, 'task ')
        | _each([find_id(asked, text) for text in run_ids], asked.pause)
    )


@click.command()
@_naming
@common
def resume(run_ids: tuple[str, ...], queues: tuple[str, ...], tasks: tuple[str, ...]) -> int:
    """Resume paused runs, a queue or a task.

    For a run that was not paused the answer is its state, for a queue or task `not_found`.
    """
    asked = client()
    if not (run_ids or queues or tasks):
        raise click.UsageError('name runs by id, or a --queue or --task; `pytask pause` lists what is paused')
    return report(
        _each(queues, asked.resume_queue, 'queue ')
        | _each(tasks, asked.resume_task, 'task ')
        | _each([find_id(asked, text) for text in run_ids], asked.resume)
    )


def _each(names: Any, act: Callable[[str], str], kind: str = '') -> dict[str, str]:
    return {f'{kind}{name}': act(name) for name in names}


def _list(asked: Client) -> int:
    found = asked.paused()
    if is_json():
        for one in found:
            formatting.json_line(one._asdict())
        return EXIT_OK
    now = wall_s()
    rows = [(kind, name, formatting.span(now - since)) for kind, name, since in found]
    formatting.table(('', 'NAME', 'SINCE'), rows)
    if not found and formatting.is_terminal():
        formatting.say('nothing is paused')
    return EXIT_OK
