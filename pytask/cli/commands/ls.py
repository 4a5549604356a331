"""Commands that only look: ls, workers."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from pytask.cli.commands.completion import task_names
from pytask.cli.options import (
    STATE_NAMES,
    STATES,
    client,
    command_name,
    common,
    is_json,
)
from pytask.cli.output import formatting
from pytask.core.names import is_own


@click.command()
@click.option(
    '--state', 'states', type=STATES, metavar='STATE', multiple=True, help=f'Only these states: {STATE_NAMES}.'
)
@click.option('--task', metavar='NAME', shell_complete=task_names, help='Only runs of this task.')
@click.option('--queue', 'queues', metavar='NAME', multiple=True, help='Only runs of these queues.')
@click.option(
    '--limit',
    '-n',
    type=click.IntRange(min=0),
    metavar='N',
    default=50,
    show_default=True,
    help='How many; 0 for all.',
)
@click.option('--all', '-a', 'with_own', is_flag=True, help="With pytask's own tasks.")
@click.option('--watch', '-w', 'watches', is_flag=True, help='Stay, and show them as they change, until Ctrl-C.')
@common
def ls(  # noqa: PLR0913 - its options
    states: tuple[str, ...], task: str | None, queues: tuple[str, ...], limit: int, *, with_own: bool, watches: bool
) -> None:
    """List runs: those that run, those that wait, then those that ended, failures first."""
    asked = client()
    if watches:
        from pytask.cli.output.live_list import Wanted, watch

        watch(asked, Wanted(states, task, queues, with_own=with_own))
        return
    runs = asked.list(states=states, task=task, queues=queues, limit=limit or None)
    shown = [run for run in runs if with_own or not is_own(run.task)]
    if is_json():
        for run in shown:
            formatting.json_line(run.to_json())
        return
    rows = [(r.id, r.task, r.state, formatting.age(r), formatting.bar(r), formatting.remark(r)[:80]) for r in shown]
    formatting.table(('ID', 'TASK', 'STATE', 'TIME', 'PROGRESS', ''), rows)
    if not rows and formatting.is_terminal():
        formatting.say(f'no runs; start one with: {command_name()} run TASK')


class Names:
    """Run id → task and queue, looked up once each; forgets when it has grown large."""

    def __init__(self, asked: Any) -> None:
        self._asked = asked
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, run_id: str) -> str:
        return self.both(run_id)[0]

    def both(self, run_id: str) -> tuple[str, str]:
        if run_id not in self._known:
            if len(self._known) > 10_000:
                self._known.clear()
            run = self._asked.store.runs.read([run_id])[0]
            self._known[run_id] = (run.task, run.queue) if run else ('?', '?')
        return self._known[run_id]


@click.command()
@click.option('--stop', 'stop', metavar='ID', multiple=True, help='Shut this worker down, as SIGTERM does.')
@common
def workers(stop: tuple[str, ...]) -> int:
    """List live workers, or shut one down."""
    from pytask.cli.commands.control import stop_workers

    return stop_workers(stop) if stop else _list_workers()


def _list_workers() -> int:
    store = client().store
    found = store.workers.alive()
    paused = {name for kind, name, _ in store.pauses.named() if kind == 'queue'}
    if is_json():
        for worker in found:
            more = {'blocked': _block(worker), 'paused': _paused(worker, paused)}
            formatting.json_line(worker | {'tasks': worker.get('tasks', '').split()} | more)
        return 0
    keys = ('id', 'host', 'pid', 'version')
    rows = [
        (
            *(w.get(k, '') for k in keys),
            _queues(w, paused),
            f'{w.get("taken")}/{w.get("slots")}',
            _lag(w),
            _doing(w),
        )
        for w in found
    ]
    formatting.table(('ID', 'HOST', 'PID', 'VERSION', 'QUEUES', 'SLOTS', 'LAG', ''), rows)
    if not rows and formatting.is_terminal():
        formatting.say(f'no worker is running; start one with: {command_name()} worker')
    return 0


def _paused(worker: dict[str, str], paused: set[str]) -> list[str]:
    return [name for name in worker.get('queues', '').split(',') if name in paused]


def _queues(worker: dict[str, str], paused: set[str]) -> str:
    names = worker.get('queues', '').split(',')
    return ','.join(f'{name} (paused)' if name in paused else name for name in names)


def _doing(worker: dict[str, str]) -> str:
    if worker.get('draining') == '1':
        return 'shutting down'
    block = _block(worker)
    parts = [formatting.plain(worker.get('troubles', ''))]
    if block and not block['stack']:  # while it lasts it is a trouble
        who = f'run {block["run"]} {block["task"]}' if block['run'] else 'something in no run'
        ago = formatting.span(block['ago'])
        parts.append(formatting.plain(f'{ago} ago {who} blocked it for {block["seconds"]:g} s at {block["place"]}'))
    return '; '.join(part for part in parts if part)


def _lag(worker: dict[str, str]) -> str:
    return f'{worker["lag_ms"]} ms' if 'lag_ms' in worker else ''


def _block(worker: dict[str, str]) -> Any:
    return msgspec.json.decode(worker.get('blocked') or 'null')
