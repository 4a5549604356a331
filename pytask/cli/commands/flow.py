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
from pytask.cli.options import HelpGroup, client, command_name, common, find_id, is_json, limit_option, state_option
from pytask.cli.output import formatting
from pytask.core.states import State

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.flows.flow import Flow
    from pytask.flows.steps import Routine


SPOILT = 'is unreadable: another program overwrote it; define it again'


@click.group(cls=HelpGroup)
@common
def flow() -> None:
    """List, start, push, force and retry flows: steps in order, which may wait for data, a time or a run.

    All commands for runs work for flows, too: wait, stop, pause, send, tail. `pytask flow ls --routines` lists the
    routines that can be started.
    """


@flow.command()
@state_option()
@limit_option
@click.option('--routines', 'of_routines', is_flag=True, help='List the routines instead.')
@common
def ls(states: tuple[str, ...], limit: int, *, of_routines: bool) -> None:
    """List flows: running ones, then waiting ones, then ended ones with the failures first."""
    asked = client()
    if of_routines:
        empty = 'no routines; define one with app.client.routine(...)'
        formatting.listing(asked.routines(), ('NAME', 'VERSION', 'STEPS'), _routine_cells, empty)
        return
    flows = asked.flows(states=states, limit=limit or None)
    empty = f'no flows; start one with: {command_name()} flow start ROUTINE'
    formatting.listing(flows, ('ID', 'NAME', 'STATE', 'STEP', 'AT', ''), _cells, empty)


@flow.command()
@click.argument('flow_id', metavar='ID')
@common
def show(flow_id: str) -> None:
    """Show one flow in full: its steps, their outputs, and the current step."""
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
@click.option('--name', metavar='NAME', help="Name of the flow. Default: the routine's.")
@click.option('--id', 'flow_id', metavar='ID', help='Its id. Default: a new one.')
@click.option('--position', type=click.IntRange(min=0), default=0, metavar='N', help='The first step to run.')
@click.option('--hold', is_flag=True, help='Do not submit it yet; `pytask flow push` does.')
@common
def start(routine: str, data: dict[str, Any], whole: str | None, *, hold: bool, **options: Any) -> None:
    """Start a flow of ROUTINE and print its id. Each step gets the data that it has inputs for."""
    asked = client()
    given = whole_data(whole) | data
    point_out(data)
    one = asked.flow(routine, **options)
    if not hold and not one.is_submitted:  # else this is a repeated start, and a second submit would pass a step
        one.submit(**given)
    formatting.print_id(one.refresh() if is_json() else one)


@flow.command()
@click.argument('flow_id', metavar='ID')
@taken
@common
def push(flow_id: str, data: dict[str, Any], whole: str | None) -> int:
    """Submit a flow: one that was never submitted begins; one that waits gets the data, and checks it."""
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
    """Pass the step at which a flow waits or has failed, as if it had returned OUTPUT: JSON, by default null."""
    asked = client()
    full = find_id(asked, flow_id)
    return report({full: asked.force(full, output=_value(output), by=_who())})


@flow.command()
@click.argument('flow_id', metavar='ID')
@click.option('--step', type=int, metavar='N', help='The step to continue with; 0 is the first.')
@common
def retry(flow_id: str, step: int | None) -> int:
    """Continue an ended flow at the step that failed, or at another one."""
    asked = client()
    full = find_id(asked, flow_id)
    return report({full: asked.retry(full, step)})


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise click.UsageError('OUTPUT is not JSON; write text as \'"text"\'') from error


def _found(asked: Client, text: str) -> Flow:
    return asked.get_flow(find_id(asked, text))


def _routine_cells(one: Routine) -> tuple[str, ...]:
    return one.name, str(one.version), ' → '.join(step.name for step in one.steps) or SPOILT


def _cells(one: Flow) -> tuple[str, ...]:
    remark = formatting.outcome(one.run) if one.run.is_ended else one.reason
    place, step = f'{one.position}/{len(one.steps)}', one.step.name if one.step else ''
    return one.id, one.name, one.state, place, step, remark[:80]


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
