"""Why a run does not start: found from the live workers, their queues, tasks and free slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.cli.options import command_name
from pytask.cli.output import formatting
from pytask.core.names import FLOW, no_such_task
from pytask.core.states import State

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.core.run import Run


def why(client: Client, run: Run) -> str:
    """Return one sentence for a run that waits, '' for any other."""
    if run.state is not State.WAIT:
        return ''
    task, held = _step(client, run) if run.task == FLOW else (run.task, '')
    if said := _pause(client, run) or _due(run) or held:
        return said
    workers = client.store.workers.alive()
    if not workers:
        return f'no worker is running; start one with: {command_name()} worker'
    known = {name for worker in workers for name in _tasks(worker)}
    if task not in known:
        return no_such_task(task, known)
    return _line(client, run, task, [w for w in workers if run.queue in w.get('queues', '').split(',')])


def _pause(client: Client, run: Run) -> str:
    closed = {pause[:2] for pause in client.store.pauses.named()}
    for kind, name in (('queue', run.queue), ('task', run.task)):
        if (kind, name) in closed:
            return f'{kind} {name} is paused; resume it with: {command_name()} resume --{kind} {name}'
    if any(client.store.pauses.of_runs([run.id])):
        return f'it is paused; resume it with: {command_name()} resume {run.id}'
    return ''


def _due(run: Run) -> str:
    due = formatting.when(run)
    return f'it is {due}' if due else ''


def _step(client: Client, run: Run) -> tuple[str, str]:
    """Return the task of a flow's current step, and what it waits for."""
    state = client.store.flows.read([run.id])[0].run
    return state.get('step', FLOW), _held(run, state)


def _held(run: Run, state: dict[str, str]) -> str:
    push = f'{command_name()} flow push {run.id}'
    if 'draft' in state:
        return f'it was not submitted; submit it with: {push}'
    if 'wait' not in state:
        return ''
    child = f' for run {state["child"]}' if 'child' in state else ''
    return f'its step {state.get("position", "0")} waits{child}; send it data with: {push} name=value'


def _line(client: Client, run: Run, task: str, serving: list[dict[str, str]]) -> str:
    if not serving:
        return f'no worker serves queue "{run.queue}"; start one with: {command_name()} worker --queue {run.queue}'
    able = [worker for worker in serving if task in _tasks(worker)]
    if not able:
        return f'no worker on queue "{run.queue}" knows "{task}"'
    if all(int(worker.get('taken', 0)) >= int(worker.get('slots', 0)) for worker in able):
        return f'all slots are taken on {", ".join(worker["id"] for worker in able)}'
    waiting = client.store.queues.waiting([run.queue])[run.queue]
    return f'it is in line; {waiting:,} wait in queue "{run.queue}"'


def _tasks(worker: dict[str, str]) -> list[str]:
    return [name for name in worker.get('tasks', '').split('\n') if name]
