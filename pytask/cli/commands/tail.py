"""`tail` and `wait`: what happens to runs, and until they have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import run_ids as running_ids
from pytask.cli.commands.completion import task_names
from pytask.cli.commands.ls import Names
from pytask.cli.options import client, command_name, common, find_id, is_json
from pytask.cli.output import formatting
from pytask.cli.output.follow_run import EXIT_OF, EXPLAIN_AFTER_S
from pytask.core.events import ENDING_EVENTS
from pytask.core.exit_codes import EXIT_INTERRUPTED
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.core.run import Run

# What `wait` believes an event may have been lost for.
LOOK_EVERY_S = 5.0
PAGE = 200


@click.command()
@click.argument('run_ids', metavar='[ID]...', nargs=-1, shell_complete=running_ids(State.RUNNING, State.WAIT))
@click.option(
    '--task', 'tasks', metavar='NAME', multiple=True, shell_complete=task_names, help='Only of these tasks.'
)
@click.option('--queue', 'queues', metavar='NAME', multiple=True, help='Only of runs in these queues.')
@click.option('--event', 'events', metavar='NAME', multiple=True, help='Only these events: running, message, ...')
@common
def tail(run_ids: tuple[str, ...], **only: tuple[str, ...]) -> None:
    """Follow events as they happen: of some runs until they end, of tasks or queues, or of all, until Ctrl-C.

    What happened before is not told: `pytask show ID` tells how a run stands.
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
    stream = asked.store.events()  # before anything is said: what is told to be heard is heard

    def read() -> Iterator[Event | None]:
        try:
            while True:
                yield stream.read(timeout_s=1.0)
        finally:
            stream.close()

    return read()


def _say_what_for(asked: Client, ids: list[str], only: dict[str, tuple[str, ...]]) -> None:
    """Say on stderr what is waited for; a run that has ended is told at once."""
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
    if is_json():
        formatting.json_line(event.to_json() | {'task': names.of(event.run_id)})
        return
    at = time.strftime('%H:%M:%S', time.localtime(event.at)) if event.at else '--:--:--'
    data = '' if event.data is None else formatting.plain(event.data)
    cells = (
        at,
        formatting.plain(event.run_id),
        formatting.plain(names.of(event.run_id)),
        formatting.plain(event.event),
        data,
    )
    click.echo(('  ' if formatting.is_terminal() else '\t').join(cells).rstrip())


@click.command()
@click.argument(
    'run_ids', metavar='ID...', nargs=-1, required=True, shell_complete=running_ids(State.RUNNING, State.WAIT)
)
@click.option('--timeout', type=float, metavar='SECONDS', help='Give up after so long, with exit code 4.')
@common
def wait(run_ids: tuple[str, ...], timeout: float | None) -> int:
    """Wait until all these runs have ended, and print each as it does; the exit code is that of the worst.

    Exit code: 0 SUCCESS, 5 STOPPED, 1 ERROR or EXCEPTION, 4 timed out.
    """
    asked = client()
    ids = list(dict.fromkeys(find_id(asked, text) for text in run_ids))
    waiting = Waiting(asked, ids)
    try:
        for event in asked.watch(*ids, timeout=timeout):
            waiting.heard(event)
        waiting.look()
    except KeyboardInterrupt:
        return waiting.interrupted()
    worst = (1, 5, 0)  # an error is worse than a stop
    return min((EXIT_OF[state] for state in waiting.ended.values()), key=worst.index)


class Waiting:
    """Prints runs as they end, and says now and then why one has not begun."""

    def __init__(self, asked: Client, ids: list[str]) -> None:
        from pytask.core.clock import monotonic_s

        self.ended: dict[str, State] = {}
        self._asked, self._now = asked, monotonic_s
        self._open = dict.fromkeys(ids)
        self._explain_at, self._look_at = monotonic_s() + EXPLAIN_AFTER_S, 0.0
        tasks = [run.task if run is not None else '' for run in asked.store.runs.read(ids)]
        self._widths = [
            *(max(map(len, texts)) for texts in (ids, map(formatting.plain, tasks))),
            len(State.EXCEPTION),
            6,
            0,
        ]

    def heard(self, event: Event | None) -> None:
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
        """Read all that have not ended, as far as is known."""
        ids = list(self._open)
        for at in range(0, len(ids), PAGE):
            self._print_ended(ids[at : at + PAGE])

    def interrupted(self) -> int:
        formatting.say(
            f'\nwhat was waited for goes on; wait again with: {command_name()} wait {" ".join(self._open)}'
        )
        return EXIT_INTERRUPTED

    def _print_ended(self, ids: list[str]) -> None:
        for run in self._asked.store.runs.read([run_id for run_id in ids if run_id in self._open]):
            if run is not None and run.is_ended:
                del self._open[run.id]
                self.ended[run.id] = run.state
                self._print(run)

    def _print(self, run: Run) -> None:
        if is_json():
            formatting.json_line(run.to_json())
            return
        formatting.print_row(
            (run.id, run.task, run.state, formatting.age(run), formatting.outcome(run)), self._widths
        )

    def _explain(self) -> None:
        from pytask.cli.why import why

        for run in self._asked.store.runs.read(list(self._open)[:PAGE]):
            if run is not None and run.state is State.WAIT:
                formatting.say(f'{run.id} waits: {why(self._asked, run)}')
