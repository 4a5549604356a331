"""The worker process of `pytask dev`: demo runs, and a window that shows all events.

It is new for each reload, and does what the supervisor tells it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

from pytask.cli.commands.ls import Names
from pytask.cli.dev.banner import line
from pytask.cli.dev.child import Serving, ignore_the_terminal
from pytask.cli.dev.web_socket import opened
from pytask.cli.finding.apps import elsewhere, where_from
from pytask.cli.finding.import_errors import explain, files_of
from pytask.cli.options import command_name, load_tasks, make_app
from pytask.cli.output import formatting
from pytask.cli.output.tracebacks import folded
from pytask.core.events import ENDING_EVENTS
from pytask.core.exit_codes import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from pytask.core.names import is_own
from pytask.core.states import State
from pytask.errors import ConfigError, Unavailable
from pytask.worker.attempt import stdout
from pytask.worker.process import run_worker
from pytask.worker.reporter import ENDED_EXCEPTION

if TYPE_CHECKING:
    from pytask.app.app import PyTask
    from pytask.cli.dev.channel import Channel
    from pytask.core.events import Event
    from pytask.core.run import Run
    from pytask.store.channels import EventStream

# The length of generated ids, so that the columns of most lines are aligned.
ID_WIDTH = 16
MARKS = {State.SUCCESS: '✓+', State.STOPPED: '■=', State.ERROR: '✗x', State.EXCEPTION: '✗x'}  # Unicode, ASCII


class Dev:
    """A worker with a window on all events; the first of a `dev` greets."""

    def __init__(self, app: PyTask, how: Serving) -> None:
        self._app, self._how = app, how
        self._web_line = ''
        self._demo: list[Run] = []
        self._ended_well = True

    def serve(self) -> int:
        """Run the worker; return its exit code, EXIT_FAILED if a demo run failed that it was to wait for."""
        logging.getLogger('pytask').addFilter(_is_not_in_the_window)
        web = None
        if self._how.web is not None:
            web, self._web_line = opened(self._app, self._how.web)
        code = run_worker(
            self._app, level=logging.WARNING, on_ready=self._begin, restarts=False, signals=['SIGTERM'], beside=web
        )
        return code or (EXIT_OK if self._ended_well else EXIT_FAILED)

    def _begin(self) -> None:
        app = self._app
        own = [task for task in app.registry if not task.NAME.startswith('pytask/')]
        stream = self._events()  # before the line that says that the worker is there
        self._say(self._greeting(len(own)))
        window = gevent.spawn(self._watch, stream)
        if self._how.with_demo:
            self._demo = [app.client.start(task, data) for task in own if (data := task.DEMO) is not None]
        if self._how.exits:
            gevent.spawn(self._end_with_demo, window)
        elif self._how.is_first:
            self._hint(own)

    def _greeting(self, count: int) -> str:
        app = self._app
        tasks = f'{count} task{"" if count == 1 else "s"} from {where_from(app)}'
        if not self._how.is_first:
            return f'worker  {app.worker_id}   {tasks}'
        if note := elsewhere(app, command_name()):
            formatting.say(note)
        web = f'\n{self._web_line}' if self._web_line else ''
        return f'worker  {app.worker_id}   {app.settings.concurrency:,} slots   {tasks}{web}\n'

    def _hint(self, own: list[Any]) -> None:
        first = next((task.NAME for task in own if task.DEMO is not None), own[0].NAME if own else 'TASK')
        pytask_ = command_name()
        reloads = 'Save a file to reload its code.\n' if self._how.reloads else ''
        self._say(
            f'Try, in another terminal:   {pytask_} run {first}\n'
            f'                            {pytask_} ls\n'
            f'                            {pytask_} tail\n'
            f'{reloads}Ctrl-C stops everything; unfinished runs are requeued.\n'
        )

    def _say(self, text: str) -> None:
        if not line(text):  # the reader has closed the pipe: `pytask dev | head`
            self._app.stop()

    def _events(self) -> EventStream | None:
        try:
            return self._app.client.store.events()
        except Unavailable:
            return None

    def _watch(self, stream: EventStream | None) -> None:
        names = Names(self._app.client)
        while True:
            try:
                stream = stream or self._app.client.store.events()
                while True:
                    event = stream.read(timeout_s=1.0)
                    if event is not None:
                        self._show(event, names.of(event.run_id))
            except Unavailable:
                stream = None
                gevent.sleep(1.0)

    def _show(self, event: Event, task: str) -> None:
        if is_own(task):
            return
        text = formatting.plain(event.data) if event.data is not None else ''
        mark, shown = ' ', event.event
        if event.event in ENDING_EVENTS:
            shown = event.event.upper()
            mark = MARKS[State(shown)][not formatting.is_utf8()]
            if shown == State.EXCEPTION and isinstance(event.data, dict):
                text = _traceback(event.data)
        elif event.event == 'running':
            shown, text = 'RUNNING', ''
        elif event.event == 'progress':
            text = formatting.progress(event.data)
        label = formatting.colour(f'{shown:<9}', shown)
        self._say(f'  {mark} {event.run_id:<{ID_WIDTH}}  {task:<14} {label}  {text}'.rstrip())

    def _end_with_demo(self, window: gevent.Greenlet[..., None]) -> None:
        ended = self._app.client.wait(*self._demo) if self._demo else []
        self._ended_well = all(run.state is State.SUCCESS for run in ended)
        gevent.sleep(0.05)  # for the last events
        window.kill()
        self._app.stop()


def follow(channel: Channel) -> int:
    """Be the worker process of a supervisor: import, report how that went, and do as told."""
    ignore_the_terminal()
    message = channel.next()
    if 'url' not in message:
        return EXIT_OK
    try:
        stdout.show(head)
        app = make_app(redis=message['url'], drain=0)
        load_tasks(app, is_needed=True)
    except ConfigError as error:
        channel.send(failed=explain(error), files=files_of(error))
        return EXIT_CONFIG
    folder = app.settings.tasks
    channel.send(loaded=True, files=files_of(), folder=str(Path(folder).resolve()) if folder else '')
    message = channel.next()
    if 'serve' not in message:
        return EXIT_OK
    gevent.spawn(_obey, channel, app)
    return Dev(app, Serving(*message['serve'])).serve()


def _obey(channel: Channel, app: PyTask) -> None:
    # Told to leave, or left alone because the supervisor died: runs are requeued either way.
    while channel.next():
        while not app.worker_id:
            gevent.sleep(0.01)  # it is just starting
        channel.send(leaving=True)
        app.stop()  # the second call interrupts the runs
    app.stop()
    gevent.sleep(1.0)
    app.stop()


def head(task: str, run_id: str) -> str:
    """Return what is printed before each line of a task's own output."""
    if not formatting.is_terminal():
        return f'{task} {run_id} | '
    return formatting.dim(f'{task} {run_id} {"│" if formatting.is_utf8() else "|"}') + ' '


def _traceback(error: dict[str, Any]) -> str:
    trace = str(error.get('traceback') or '')
    first = formatting.plain(f'{error.get("type")}: {error.get("message")}')
    return f'{first}\n{formatting.plain_lines(folded(trace))}' if trace else first


def _is_not_in_the_window(record: logging.LogRecord) -> bool:
    # The window shows the event, which has the same traceback.
    return record.msg is not ENDED_EXCEPTION
