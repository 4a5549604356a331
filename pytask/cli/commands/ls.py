"""Commands that list: ls, workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from pytask.cli.commands.completion import task_names
from pytask.cli.options import client, command_name, common, is_json, limit_option, queue_option, state_option
from pytask.cli.output import formatting
from pytask.core.names import is_own

if TYPE_CHECKING:
    from pytask.core.run import Run


@click.command()
@state_option()
@click.option('--task', metavar='NAME', shell_complete=task_names, help='Only runs of this task.')
@queue_option('Only runs in these queues.')
@limit_option
@click.option('--all', '-a', 'with_own', is_flag=True, help="Include pytask's own tasks.")
@click.option('--watch', '-w', 'watches', is_flag=True, help='Show them live until Ctrl-C.')
@common
def ls(  # noqa: PLR0913 - its options
    states: tuple[str, ...], task: str | None, queues: tuple[str, ...], limit: int, *, with_own: bool, watches: bool
) -> None:
    """List runs: running ones, then waiting ones, then ended ones with the failures first."""
    asked = client()
    if watches:
        from pytask.cli.output.live_list import Wanted, watch

        watch(asked, Wanted(states, task, queues, with_own=with_own))
        return
    runs = asked.list(states=states, task=task, queues=queues, limit=limit or None)
    shown = [run for run in runs if with_own or not is_own(run.task)]
    formatting.listing(shown, formatting.RUN_HEAD, _cells, f'no runs; start one with: {command_name()} run TASK')


def _cells(run: Run) -> tuple[str, ...]:
    *cells, remark = formatting.run_cells(run)
    return *cells, remark[:80]


class Names:
    """Task and queue of a run id, looked up once; forgets all when it has grown large."""

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
def workers(stop: tuple[str, ...]) -> int | None:
    """List live workers, or shut one down."""
    from pytask.cli.commands.control import stop_workers

    if stop:
        return stop_workers(stop)
    _list_workers()
    return None


def _list_workers() -> None:
    store = client().store
    found = store.workers.alive()
    paused = {name for kind, name, _ in store.pauses.named() if kind == 'queue'}
    if is_json():
        for worker in found:
            more = {'blocked': _block(worker), 'paused': [name for name in _queues(worker) if name in paused]}
            formatting.json_line(worker | {'tasks': worker.get('tasks', '').split()} | more)
        return
    formatting.table(
        ('ID', 'HOST', 'PID', 'VERSION', 'QUEUES', 'SLOTS', 'LAG', ''), [_row(worker, paused) for worker in found]
    )
    if not found and formatting.is_terminal():
        formatting.say(f'no worker is running; start one with: {command_name()} worker')


def _row(worker: dict[str, str], paused: set[str]) -> tuple[str, ...]:
    queues = ','.join(f'{name} (paused)' if name in paused else name for name in _queues(worker))
    slots = f'{worker.get("taken")}/{worker.get("slots")}'
    lag = f'{worker["lag_ms"]} ms' if 'lag_ms' in worker else ''
    return *(worker.get(key, '') for key in ('id', 'host', 'pid', 'version')), queues, slots, lag, _remark(worker)


def _queues(worker: dict[str, str]) -> list[str]:
    return worker.get('queues', '').split(',')


def _remark(worker: dict[str, str]) -> str:
    if worker.get('draining') == '1':
        return 'shutting down'
    block = _block(worker)
    parts = [worker.get('troubles', '')]
    if block and not block['stack']:  # it is over; until then it is one of the troubles
        what = f'run {block["run"]} {block["task"]}' if block['run'] else 'code outside any run'
        ago = formatting.span(block['ago'])
        parts.append(f'{ago} ago {what} blocked its event loop for {block["seconds"]:g} s at {block["place"]}')
    return '; '.join(formatting.plain(part) for part in parts if part)


def _block(worker: dict[str, str]) -> Any:
    return msgspec.json.decode(worker.get('blocked') or 'null')
