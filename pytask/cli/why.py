"""Why a run does not move: read from who is alive, what they serve, know, and have room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.cli import paint
from pytask.cli.options import command_name
from pytask.registry import no_such_task
from pytask.states import State

if TYPE_CHECKING:
    from pytask.client import Client
    from pytask.run import Run


def why(client: Client, run: Run) -> str:
    """Return one sentence for a run that waits, '' for one that does not."""
    if run.state is not State.WAIT:
        return ''
    if pause := _pause(client, run):
        return pause
    if due := paint.when(run):
        return f'it is {due}'
    workers = client.store.workers.alive()
    if not workers:
        return f'no worker is running; start one with: {command_name()} worker'
    known = {name for worker in workers for name in _tasks(worker)}
    if run.task not in known:
        return no_such_task(run.task, known)
    return _line(client, run, [w for w in workers if run.queue in w.get('queues', '').split(',')])


def _pause(client: Client, run: Run) -> str:
    closed = {pause[:2] for pause in client.store.pauses.named()}
    for kind, name in (('queue', run.queue), ('task', run.task)):
        if (kind, name) in closed:
            return f'{kind} {name} is paused; let it go on with: {command_name()} resume --{kind} {name}'
    if any(client.store.pauses.of_runs([run.id])):
        return f'it is paused; let it go on with: {command_name()} resume {run.id}'
    return ''


def _line(client: Client, run: Run, serving: list[dict[str, str]]) -> str:
    if not serving:
        return f'no worker serves queue "{run.queue}"; start one with: {command_name()} worker --queue {run.queue}'
    able = [worker for worker in serving if run.task in _tasks(worker)]
    if not able:
        return f'no worker on queue "{run.queue}" knows "{run.task}"'
    if all(int(worker.get('taken', 0)) >= int(worker.get('slots', 0)) for worker in able):
        return f'all slots are taken on {", ".join(worker["id"] for worker in able)}'
    ahead = client.store.queues.waiting([run.queue])[run.queue]
    return f'it is in line; {ahead:,} wait in queue "{run.queue}"'


def _tasks(worker: dict[str, str]) -> list[str]:
    return [name for name in worker.get('tasks', '').split('\n') if name]
