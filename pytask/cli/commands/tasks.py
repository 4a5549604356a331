"""`tasks`: lists tasks and their inputs, and prints the JSON Schemas of one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pytask.authoring.registry import find
from pytask.cli.commands.completion import task_names
from pytask.cli.options import command_name, common, is_json, load_tasks, make_app, tasks_option
from pytask.cli.output import formatting

if TYPE_CHECKING:
    from pytask.app.app import PyTask
    from pytask.authoring.task import Task

DIALECT = 'https://json-schema.org/draft/2020-12/schema'


@click.command()
@click.argument('name', required=False, metavar='[NAME]', shell_complete=task_names)
@click.option('--schema', 'wants_schema', is_flag=True, help='Print the JSON Schemas of its inputs and output.')
@tasks_option
@common
def tasks(name: str | None, *, wants_schema: bool) -> None:
    """List the tasks in ./tasks and in the app, with their inputs, or show one of them."""
    if wants_schema and name is None:
        raise click.UsageError(f'--schema needs the name of a task: {command_name()} tasks NAME --schema')
    app = make_app()
    load_tasks(app, is_needed=True)
    shown = list(app.registry) if name is None else [find(app.registry, name)]
    if wants_schema:
        _print_schemas(_facts(app, shown[0]))
    elif is_json():
        for task in shown:
            formatting.json_line(_facts(app, task))
    else:
        formatting.table(('TASK', ''), [(app.registry.inputs(task).usage, _about(task)) for task in shown])


def _facts(app: PyTask, task: type[Task]) -> dict[str, Any]:
    inputs = app.registry.inputs(task)
    return {
        'name': task.NAME,
        'usage': inputs.usage,
        'queue': task.QUEUE,
        'about': _about(task),
        'inputs': inputs.schema(),
        'output': app.registry.outputs(task).schema(),
    }


def _print_schemas(facts: dict[str, Any]) -> None:
    schemas = {word: {'$schema': DIALECT} | facts[word] for word in ('inputs', 'output')}
    if is_json():
        formatting.json_line(schemas)
    else:
        click.echo(msgspec.json.format(msgspec.json.encode(schemas), indent=2).decode())


def _about(task: type[Task]) -> str:
    return inspect.cleandoc(task.__doc__ or '').partition('\n')[0]
