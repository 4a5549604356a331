"""Commands that only look: ls, show, tail, wait, tasks, workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pytask.cli import paint
from pytask.cli.options import client, command_name, common, find_id, is_json, load_tasks, make_app, option
from pytask.states import State

if TYPE_CHECKING:
    from pytask.messages import Event
    from pytask.run import Run

STATES = click.Choice([state.value for state in State], case_sensitive=False)
EXPLAIN_AFTER_S = 1.0


@click.command()
@click.option('--state', 'states', type=STATES, multiple=True, help='Only these states.')
@click.option('--task', metavar='NAME', help='Only runs of this task.')
@click.option('--queue', 'queues', metavar='NAME', multiple=True, help='Only runs of these queues.')
@click.option('--limit', '-n', default=50, show_default=True, help='How many; 0 for all.')
@click.option('--all', '-a', 'with_own', is_flag=True, help="With pytask's own tasks.")
@common
def ls(states: tuple[str, ...], task: str | None, queues: tuple[str, ...], limit: int, *, with_own: bool) -> None:
    """List runs: those that run, those that wait, then those that ended, newest first."""
    asked = client()
    runs = asked.list(states=states, task=task, queues=queues, limit=limit or None)
    shown = [run for run in runs if with_own or not run.task.startswith('pytask/')]
    if is_json():
        for run in shown:
            paint.json_line(run.to_json())
        return
    rows = [(r.id, r.task, r.state, paint.age(r), paint.bar(r), _remark(r)[:80]) for r in shown]
    paint.table(('ID', 'TASK', 'STATE', 'TIME', 'PROGRESS', ''), rows)
    if not rows and paint.is_terminal():
        paint.say(f'no runs; start one with: {command_name()} run TASK')


def _remark(run: Run) -> str:
    return paint.outcome(run) if run.is_ended else run.reason


@click.command()
@click.argument('run_id', metavar='ID')
@click.option('--stack', 'with_stack', is_flag=True, help='Where its greenlets stand just now, and nothing else.')
@click.option('--verbose', '-v', is_flag=True, help='With --stack: the frames of libraries too.')
@common
def show(run_id: str, *, with_stack: bool, verbose: bool) -> None:
    """Show one run in full."""
    asked = client()
    run = asked.get(find_id(asked, run_id))
    if with_stack:
        _show_stack(run, is_full=verbose)
        return
    if is_json():
        paint.json_line(run.to_json())
        return
    for name, value in _facts(run).items():
        if value not in ('', None):
            click.echo(f'{name:<9} {value}')
    if run.state is State.EXCEPTION and isinstance(run.output, dict):
        click.echo(str(run.output.get('traceback', '')).rstrip())
    elif run.state is State.WAIT:
        from pytask.cli.why import why

        paint.say(f'waits: {why(asked, run)}')


def _show_stack(run: Run, *, is_full: bool) -> None:
    text = run.stack(full=is_full)
    if is_json():
        paint.json_line({'id': run.id, 'stack': text})
    else:
        click.echo('\n'.join(paint.plain(line) for line in text.split('\n')))


def _facts(run: Run) -> dict[str, Any]:
    return {
        'id': run.id,
        'task': paint.plain(run.task),
        'state': paint.colour(run.state, run.state),
        'reason': paint.plain(run.reason),
        'data': paint.plain(run.data),
        'output': paint.outcome(run) if run.is_ended else '',
        'progress': paint.bar(run),
        'queue': run.queue,
        'worker': run.worker,
        'attempt': run.attempt or '',
        'crashes': run.crashes or '',
        'created': _moment(run.created),
        'started': _moment(run.started),
        'ended': _moment(run.ended),
        'time': paint.age(run),
    }


def _moment(at: float | None) -> str:
    return '' if at is None else time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))


@click.command()
@click.argument('run_ids', metavar='[ID]...', nargs=-1)
@click.option('--task', metavar='NAME', help='Only runs of this task.')
@common
def tail(run_ids: tuple[str, ...], task: str | None) -> None:
    """Follow events as they happen: of some runs until they end, of a task, or of all, until Ctrl-C."""
    asked = client()
    names = Names(asked)
    if run_ids:
        for event in asked.events(*(find_id(asked, text) for text in run_ids)):
            _print(event, names)
        return
    stream = asked.store.events()
    try:
        while True:
            heard = stream.read(timeout_s=1.0)
            if heard is not None and task in (None, names.of(heard.run_id)):
                _print(heard, names)
    except KeyboardInterrupt:
        return
    finally:
        stream.close()


class Names:
    """Run id → task, looked up once each; forgets when it has grown large."""

    def __init__(self, asked: Any) -> None:
        self._asked = asked
        self._known: dict[str, str] = {}

    def of(self, run_id: str) -> str:
        if run_id not in self._known:
            if len(self._known) > 10_000:
                self._known.clear()
            run = self._asked.store.runs.read([run_id])[0]
            self._known[run_id] = run.task if run else '?'
        return self._known[run_id]


def _print(event: Event, names: Names) -> None:
    if is_json():
        paint.json_line(event.to_json() | {'task': names.of(event.run_id)})
        return
    at = time.strftime('%H:%M:%S', time.localtime(event.at)) if event.at else '--:--:--'
    data = '' if event.data is None else paint.plain(event.data)
    cells = (at, paint.plain(event.run_id), paint.plain(names.of(event.run_id)), paint.plain(event.event), data)
    click.echo(('  ' if paint.is_terminal() else '\t').join(cells).rstrip())


@click.command()
@click.argument('run_ids', metavar='ID...', nargs=-1, required=True)
@click.option('--timeout', type=float, metavar='SECONDS', help='Give up after so long, with exit code 4.')
@common
def wait(run_ids: tuple[str, ...], timeout: float | None) -> int:
    """Wait until all these runs have ended; the exit code is that of the worst."""
    from pytask.cli.launch import EXIT_OF
    from pytask.cli.why import why
    from pytask.clock import monotonic_s

    asked = client()
    ids = [find_id(asked, text) for text in run_ids]
    explain_at = monotonic_s() + EXPLAIN_AFTER_S
    for event in asked.watch(*ids, timeout=timeout):
        if event is None and monotonic_s() >= explain_at:
            explain_at = monotonic_s() + 10 * EXPLAIN_AFTER_S
            for run in asked.store.runs.read(ids):
                if run is not None and run.state is State.WAIT:
                    paint.say(f'{run.id} waits: {why(asked, run)}')
    runs = [asked.get(run_id) for run_id in ids]
    if is_json():
        for run in runs:
            paint.json_line(run.to_json())
    else:
        rows = [(r.id, r.task, r.state, paint.age(r), paint.outcome(r)) for r in runs]
        paint.table(('ID', 'TASK', 'STATE', 'TIME', ''), rows)
    worst = (1, 5, 0)  # an error is worse than a stop
    return min((EXIT_OF[run.state] for run in runs), key=worst.index)


@click.command()
@option('--tasks', metavar='DIR', help='Folder of tasks. Default: ./tasks.')
@common
def tasks() -> None:
    """List the tasks of a folder, and of the app that is named, and what they take."""
    app = make_app()
    load_tasks(app, is_needed=True)
    for task in app.registry:
        inputs = app.registry.inputs(task)
        about = (task.__doc__ or '').strip().partition('\n')[0]
        if is_json():
            paint.json_line({'name': task.NAME, 'usage': inputs.usage, 'queue': task.QUEUE, 'about': about})
    if not is_json():
        rows = [
            (app.registry.inputs(task).usage, (task.__doc__ or '').strip().partition('\n')[0])
            for task in app.registry
        ]
        paint.table(('TASK', ''), rows)


@click.command()
@click.option('--stop', 'stop', metavar='ID', multiple=True, help='Shut this worker down, as SIGTERM does.')
@common
def workers(stop: tuple[str, ...]) -> int:
    """List live workers, or shut one down."""
    from pytask.cli.control import stop_workers

    return stop_workers(stop) if stop else _list_workers()


def _list_workers() -> int:
    store = client().store
    found = store.workers.alive()
    paused = {name for kind, name, _ in store.pauses.named() if kind == 'queue'}
    if is_json():
        for worker in found:
            more = {'blocked': _block(worker), 'paused': _paused(worker, paused)}
            paint.json_line(worker | {'tasks': worker.get('tasks', '').split()} | more)
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
    paint.table(('ID', 'HOST', 'PID', 'VERSION', 'QUEUES', 'SLOTS', 'LAG', ''), rows)
    if not rows and paint.is_terminal():
        paint.say(f'no worker is running; start one with: {command_name()} worker')
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
    parts = [paint.plain(worker.get('troubles', ''))]
    if block and not block['stack']:  # while it lasts it is a trouble
        who = f'run {block["run"]} {block["task"]}' if block['run'] else 'something in no run'
        ago = paint.span(block['ago'])
        parts.append(paint.plain(f'{ago} ago {who} blocked it for {block["seconds"]:g} s at {block["place"]}'))
    return '; '.join(part for part in parts if part)


def _lag(worker: dict[str, str]) -> str:
    return f'{worker["lag_ms"]} ms' if 'lag_ms' in worker else ''


def _block(worker: dict[str, str]) -> Any:
    return msgspec.json.decode(worker.get('blocked') or 'null')
