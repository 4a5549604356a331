"""`tail` and `wait`: follow events as they happen, and wait for the ends of runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import run_ids as running_ids
from pytask.cli.commands.completion import task_names
from pytask.cli.commands.ls import Names
from pytask.cli.options import client, command_name, common, find_id, is_json, queue_option
from pytask.cli.output import formatting
from pytask.cli.output.follow_run import EXIT_OF, EXPLAIN_AFTER_S
from pytask.core.events import ENDING_EVENTS
from pytask.core.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_STOPPED
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.core.run import Run

# How often `wait` reads the runs, in case an event was lost.
LOOK_EVERY_S = 5.0
PAGE = 200
ONLY_TASKS = 'Only runs of these tasks.'
ids_argument = running_ids(State.RUNNING, State.WAIT)


@click.command()
@click.argument('run_ids', metavar='[ID]...', nargs=-1, shell_complete=ids_argument)
@click.option('--task', 'tasks', metavar='NAME', multiple=True, shell_complete=task_names, help=ONLY_TASKS)
@queue_option('Only runs in these queues.')
@click.option('--event', 'events', metavar='NAME', multiple=True, help='Only these events: running, message, ...')
@common
def tail(run_ids: tuple[str, ...], **only: tuple[str, ...]) -> None:
    """Follow events as they happen: of runs until they end, or of tasks, queues or everything until Ctrl-C.

    Past events are not shown; `pytask show ID` shows the state of a run.
    """
    asked = client()
    names = Names(asked)
    ids = [find_id(asked, text) for text in run_ids]
    stream: Iterator[Event | None] = asked.watch(*ids) if ids else _all(asked)
    _say_what_for(asked, ids, only)
    try:
        for event in stream:
            if event is not None and _fits(event, names, **only):
                _print(event, names)
    except KeyboardInterrupt:
        return


def _all(asked: Client) -> Iterator[Event | None]:
    stream = asked.store.events()  # before anything is printed: from then on no event is missed

    def read() -> Iterator[Event | None]:
        try:
            while True:
                yield stream.read(timeout_s=1.0)
        finally:
            stream.close()

    return read()


def _say_what_for(asked: Client, ids: list[str], only: dict[str, tuple[str, ...]]) -> None:
    """Say on stderr what is followed, and which runs have already ended."""
    kinds = {'tasks': 'task', 'queues': 'queue', 'events': 'event'}
    filters = [
        f'{kind} {" or ".join(map(formatting.plain, only[key]))}' for key, kind in kinds.items() if only[key]
    ]
    of = ', '.join(ids) if ids else 'all runs'
    end = 'until they have ended' if len(ids) > 1 else 'until it has ended' if ids else 'until Ctrl-C'
    formatting.say(f'events of {of}{"; only " + ", ".join(filters) if filters else ""}; {end}')
    for run in asked.store.runs.read(ids):
        if run is not None and run.is_ended:
            formatting.say(f'{run.id} has ended: {run.state}')


def _fits(event: Event, names: Names, *, tasks: Any, queues: Any, events: Any) -> bool:
    if events and event.event not in events:
        return False
    if not tasks and not queues:
        return True
    task, queue = names.both(event.run_id)
    return (not tasks or task in tasks) and (not queues or queue in queues)


def _print(event: Event, names: Names) -> None:
    task = names.of(event.run_id)
    if is_json():
        formatting.json_line(event.to_json() | {'task': task})
        return
    at = time.strftime('%H:%M:%S', time.localtime(event.at)) if event.at else '--:--:--'
    data = '' if event.data is None else event.data
    cells = map(formatting.plain, (at, event.run_id, task, event.event, data))
    click.echo(('  ' if formatting.is_terminal() else '\t').join(cells).rstrip())


@click.command()
@click.argument('run_ids', metavar='ID...', nargs=-1, required=True, shell_complete=ids_argument)
@click.option('--timeout', type=float, metavar='SECONDS', help='Give up after this long, with exit code 4.')
@common
def wait(run_ids: tuple[str, ...], timeout: float | None) -> int:
    """Wait until all these runs have ended; print each when it ends.

    Exit code, of the worst run: 0 SUCCESS, 5 STOPPED, 1 ERROR or EXCEPTION; 4 timed out.
    """
    asked = client()
    ids = list(dict.fromkeys(find_id(asked, text) for text in run_ids))
    waiting = Waiting(asked, ids)
    try:
        for event in asked.watch(*ids, timeout=timeout):
            waiting.on(event)
        waiting.look()
    except KeyboardInterrupt:
        again = f'{command_name()} wait {" ".join(waiting.open)}'
        formatting.say(f'\nthe runs continue; wait for them again with: {again}')
        return EXIT_INTERRUPTED
    worst = (EXIT_FAILED, EXIT_STOPPED, EXIT_OK)
    return min((EXIT_OF[state] for state in waiting.ended.values()), key=worst.index)


class Waiting:
    """Prints runs as they end, and now and then why one has not begun."""

    def __init__(self, asked: Client, ids: list[str]) -> None:
        from pytask.core.clock import monotonic_s

        self.ended: dict[str, State] = {}
        self.open = dict.fromkeys(ids)
        self._asked, self._now = asked, monotonic_s
        self._explain_at, self._look_at = monotonic_s() + EXPLAIN_AFTER_S, 0.0
        tasks = [formatting.plain(run.task) if run is not None else '' for run in asked.store.runs.read(ids)]
        self._widths = [max(map(len, ids)), max(map(len, tasks)), len(State.EXCEPTION), 6, 0]

    def on(self, event: Event | None) -> None:
        if event is not None:
            if event.event in ENDING_EVENTS:
                self._print_ended([event.run_id])
        elif self._now() >= self._look_at:
            self._look_at = self._now() + LOOK_EVERY_S
            self.look()
            if self._now() >= self._explain_at:
                self._explain_at = self._now() + 10 * EXPLAIN_AFTER_S
                self._explain()

    def look(self) -> None:
        """Read all runs that have not ended as far as is known."""
        ids = list(self.open)
        for at in range(0, len(ids), PAGE):
            self._print_ended(ids[at : at + PAGE])

    def _print_ended(self, ids: list[str]) -> None:
        for run in self._asked.store.runs.read([run_id for run_id in ids if run_id in self.open]):
            if run is not None and run.is_ended:
                del self.open[run.id]
                self.ended[run.id] = run.state
                self._print(run)

    def _print(self, run: Run) -> None:
        if is_json():
            formatting.json_line(run.to_json())
        else:
            cells = (run.id, run.task, run.state, formatting.age(run), formatting.outcome(run))
            formatting.print_row(cells, self._widths)

    def _explain(self) -> None:
        from pytask.cli.why import why

        for run in self._asked.store.runs.read(list(self.open)[:PAGE]):
            if run is not None and run.state is State.WAIT:
                formatting.say(f'{run.id} waits: {why(self._asked, run)}')
