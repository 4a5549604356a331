"""`flow`: flows and routines, from the shell."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pytask.cli.commands.control import report
from pytask.cli.data_arguments import point_out, taken, whole_data
from pytask.cli.options import (
    STATE_NAMES,
    STATES,
    client,
    command_name,
    common,
    find_id,
    is_json,
)
from pytask.cli.output import formatting
from pytask.core.states import State

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.flows.flow import Flow


SPOILT = 'can not be read: something else wrote over it; define it again'


@click.group(invoke_without_command=True)
@common
@click.pass_context
def flow(ctx: click.Context) -> None:
    """Flows: steps one after the other, which may wait for somebody, some time, or a run.

    Whatever is done to runs is done to flows too: wait, stop, pause, send, tail. `pytask flow ls --routines` lists
    what can be started here.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@flow.command()
@click.option(
    '--state', 'states', type=STATES, metavar='STATE', multiple=True, help=f'Only these states: {STATE_NAMES}.'
)
@click.option('--limit', '-n', type=click.IntRange(min=0), metavar='N', default=50, show_default=True,
              help='How many; 0 for all.')  # fmt: skip
@click.option('--routines', 'of_routines', is_flag=True, help='The routines there are, instead.')
@common
def ls(states: tuple[str, ...], limit: int, *, of_routines: bool) -> None:
    """List flows: those that run, those that wait, then those that ended, failures first."""
    asked = client()
    if of_routines:
        _list_routines(asked)
        return
    flows = asked.flows(states=states, limit=limit or None)
    if is_json():
        for one in flows:
            formatting.json_line(one.to_json())
        return
    rows = [(f.id, f.name, f.state, _place(f), _now(f), _remark(f)[:80]) for f in flows]
    formatting.table(('ID', 'NAME', 'STATE', 'STEP', 'AT', ''), rows)
    if not rows and formatting.is_terminal():
        formatting.say(f'no flows; start one with: {command_name()} flow start ROUTINE')


@flow.command()
@click.argument('flow_id', metavar='ID')
@common
def show(flow_id: str) -> None:
    """Show one flow in full: its steps, what each has left, and where it stands."""
    one = _found(client(), flow_id)
    if is_json():
        formatting.json_line(one.to_json())
        return
    facts = {
        'id': one.id,
        'name': formatting.plain(one.name),
        'routine': formatting.plain(one.routine),
        'state': formatting.colour(one.state, one.state),
        'reason': formatting.plain(one.reason),
        'data': formatting.plain(one.run.data),
        'output': formatting.output_line(one.run) if one.run.is_ended else '',
        'saved': formatting.plain(one.saved) if one.saved else '',
    }
    for name, value in facts.items():
        if value:
            click.echo(f'{name:<9} {value}')
    click.echo()
    formatting.table(('', 'KEY', 'NAME', 'TASK', ''), [_row(one, at) for at in range(len(one.steps))])


@flow.command()
@click.argument('routine')
@taken
@click.option('--name', metavar='NAME', help="A friendly name. Default: the routine's.")
@click.option('--id', 'flow_id', metavar='ID', help='Id of your own.')
@click.option('--position', type=click.IntRange(min=0), default=0, metavar='N', help='The step to begin with.')
@click.option('--hold', is_flag=True, help='Do not submit it yet: `pytask flow push` does.')
@common
def start(routine: str, data: dict[str, Any], whole: str | None, *, hold: bool, **options: Any) -> None:
    """Start a flow of ROUTINE and print its id. Each step gets of the data what it takes."""
    asked = client()
    given = whole_data(whole) | data
    point_out(data)
    one = asked.flow(routine, **options)
    if not hold and not one.is_submitted:  # else it was made before: to tell it that again would let a step go on
        one.submit(**given)
    if is_json():
        formatting.json_line(one.refresh().to_json())
    else:
        click.echo(one.id)


@flow.command()
@click.argument('flow_id', metavar='ID')
@taken
@common
def push(flow_id: str, data: dict[str, Any], whole: str | None) -> int:
    """Submit a flow: one that never was begins; one that waits is told this, and its check is asked."""
    asked = client()
    there = _found(asked, flow_id)
    point_out(data)
    there.submit(**(whole_data(whole) | data))
    return report({there.id: 'requested' if there.is_submitted else 'applied'})


@flow.command()
@click.argument('flow_id', metavar='ID')
@click.argument('output', required=False)
@common
def force(flow_id: str, output: str | None) -> int:
    """Pass the step at which a flow waits or has failed, as if it had left OUTPUT: JSON, nothing for null."""
    asked = client()
    full = find_id(asked, flow_id)
    return report({full: asked.force(full, output=_value(output), by=_who())})


@flow.command()
@click.argument('flow_id', metavar='ID')
@click.option('--step', type=int, metavar='N', help='The step to begin with; 0 is the first.')
@common
def retry(flow_id: str, step: int | None) -> int:
    """Let an ended flow go on: at the step that failed, or at another one."""
    asked = client()
    full = find_id(asked, flow_id)
    return report({full: asked.retry(full, step)})


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise click.UsageError('OUTPUT is not JSON; text is written \'"text"\'') from error


def _found(asked: Client, text: str) -> Flow:
    return asked.get_flow(find_id(asked, text))


def _list_routines(asked: Client) -> None:
    routines = asked.routines()
    if is_json():
        for one in routines:
            formatting.json_line(one.to_json())
        return
    rows = [(one.name, f'{one.version}', ' → '.join(step.name for step in one.steps) or SPOILT) for one in routines]
    formatting.table(('NAME', 'VERSION', 'STEPS'), rows)


def _place(one: Flow) -> str:
    return f'{one.position}/{len(one.steps)}'


def _now(one: Flow) -> str:
    return one.step.name if one.step else ''


def _remark(one: Flow) -> str:
    return formatting.outcome(one.run) if one.run.is_ended else one.reason


def _row(one: Flow, at: int) -> tuple[str, ...]:
    step = one.steps[at]
    mark = '>' if at == one.position and one.state is not State.SUCCESS else ''
    left = one.results.by_position.get(at)
    told = formatting.plain(left[1]) if left else ''
    if at in one.forced:
        told += ' (forced)'
    elif at in one.errors and not left:
        told = _error(one.errors[at])
    return (f'{at}{mark}', step.key, step.name, step.task, told[:80])


def _error(error: Any) -> str:
    is_exception = isinstance(error, dict) and {'type', 'message'} <= error.keys()
    return formatting.plain(f'{error["type"]}: {error["message"]}' if is_exception else error)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f'{user}@{socket.gethostname()}'
