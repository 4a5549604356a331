"""The worker of `pytask dev`: demo runs, and a window on all that happens.

It is a process of its own, made anew for each reload, and told what to do by the one that watches; where
nothing is reloaded, it is the only one, and has the server too.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

from pytask.cli.commands.ls import Names
from pytask.cli.dev.banner import header, line, redis_line
from pytask.cli.dev.child import ignore_the_terminal
from pytask.cli.dev.file_watcher import LOOK_EVERY_S
from pytask.cli.dev.web_socket import opened
from pytask.cli.finding.apps import elsewhere, where_from
from pytask.cli.finding.import_report import explain, files_of
from pytask.cli.options import command_name, given, load_tasks, make_app
from pytask.cli.output import formatting
from pytask.cli.output.tracebacks import folded
from pytask.core.events import ENDING_EVENTS
from pytask.core.exit_codes import EXIT_CONFIG, EXIT_RESTART
from pytask.core.names import is_own
from pytask.core.states import State
from pytask.embedded.server import EmbeddedServer
from pytask.errors import ConfigError, Unavailable
from pytask.worker import restart
from pytask.worker.attempt import stdout
from pytask.worker.process import run_worker
from pytask.worker.reporter import ENDED_EXCEPTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.app.app import PyTask
    from pytask.cli.dev.channel import Channel
    from pytask.core.events import Event
    from pytask.core.run import Run
    from pytask.store.channels import EventStream

# Of the ids that are made; those of users come under them.
ID_WIDTH = 16
SIGNALS = ('SIGTERM', 'SIGINT', 'SIGHUP')
MARKS = {State.SUCCESS: '✓+', State.STOPPED: '■=', State.ERROR: '✗x', State.EXCEPTION: '✗x'}  # and in ASCII


class Dev:
    """A worker with a window on what happens; `is_first` for the one that greets and starts the demo runs.

    `web` says where the page is, None for nowhere.
    """

    def __init__(
        self,
        *,
        with_demo: bool,
        exits: bool = False,
        is_first: bool = True,
        reloads: bool = False,
        web: dict[str, Any] | None = None,
    ) -> None:
        self._with_demo, self._exits, self._is_first, self._reloads = with_demo, exits, is_first, reloads
        self._web, self._web_line = web, ''
        self._app: PyTask
        self._demo: list[Run] = []
        self._ended_well = True

    def run(self, folder: Path) -> int:
        """Run server and worker in this process, without a reload, and return the exit code."""
        url = given().get('redis')
        if url:
            return self._alone(url, redis_line(None, url))
        with EmbeddedServer(folder) as server:
            keeper = gevent.spawn(self._keep, server)
            code = self._alone(server.url, redis_line(server, server.url))
            keeper.kill()
        if code == EXIT_RESTART and restart.is_possible(self._app.settings):
            restart.restart()  # not before the server of this one has ended
        return code

    def serve(self, app: PyTask, *, signals: Sequence[str] = SIGNALS) -> int:
        """Run the worker, and return its exit code."""
        self._app = app
        logging.getLogger('pytask').addFilter(_is_not_in_the_window)
        web = None
        if self._web is not None:
            web, self._web_line = opened(app, self._web)
        return run_worker(
            app, level=logging.WARNING, on_ready=self._begin, restarts=False, signals=signals, beside=web
        )

    def _alone(self, url: str, redis: str) -> int:
        app = make_app(redis=url, drain=0)
        stdout.show(head)
        load_tasks(app, is_needed=True)
        header(redis)
        code = self.serve(app)
        line('stopped')
        return code or int(self._exits and not self._ended_well)

    @staticmethod
    def _keep(server: EmbeddedServer) -> None:
        while True:
            gevent.sleep(LOOK_EVERY_S)
            if server.keep():
                line(redis_line(server, server.url, is_anew=True))

    def _begin(self) -> None:
        app = self._app
        own = [task for task in app.registry if not task.NAME.startswith('pytask/')]
        count = f'{len(own)} task' if len(own) == 1 else f'{len(own)} tasks'
        if self._is_first and (note := elsewhere(app, command_name())):
            formatting.say(note)
        slots = f'{app.settings.concurrency:,} slots   ' if self._is_first else ''
        blank = '\n' if self._is_first else ''
        stream = self._events()  # before anybody reads that the worker is there
        web = f'\n{self._web_line}' if self._is_first and self._web_line else ''
        self._say(f'worker  {app.worker_id}   {slots}{count} from {where_from(app)}{web}{blank}')
        window = gevent.spawn(self._watch, stream)
        if self._with_demo:
            self._demo = [app.client.start(task, data) for task in own if (data := task.DEMO) is not None]
        if self._exits:
            gevent.spawn(self._end_with_demo, window)
        elif self._is_first:
            self._hint(own)

    def _hint(self, own: list[Any]) -> None:
        first = next((task.NAME for task in own if task.DEMO is not None), own[0].NAME if own else 'TASK')
        pytask_ = command_name()
        reloads = 'Save a file, and its new code takes over.\n' if self._reloads else ''
        self._say(
            f'Try, in another terminal:   {pytask_} run {first}\n'
            f'                            {pytask_} ls\n'
            f'                            {pytask_} tail\n'
            f'{reloads}Ctrl-C stops everything; what still runs is given back to its queue.\n'
        )

    def _say(self, text: str) -> None:
        if not line(text):  # who reads has seen enough: `pytask dev | head`
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
        state = event.event.upper()
        mark, shown = ' ', event.event
        if event.event in ENDING_EVENTS:
            mark, shown = MARKS[State(state)][not _has_unicode()], state
            if state == State.EXCEPTION and isinstance(event.data, dict):
                text = _told(event.data)
        elif event.event == 'running':
            shown, text = 'RUNNING', ''
        elif event.event == 'progress':
            text = formatting.progress(event.data)
        label = formatting.colour(f'{shown:<9}', shown)
        self._say(f'  {mark} {event.run_id:<{ID_WIDTH}}  {task:<14} {label}  {text}'.rstrip())

    def _end_with_demo(self, window: gevent.Greenlet[..., None]) -> None:
        ended = self._app.client.wait(*self._demo) if self._demo else []
        self._ended_well = all(run.state is State.SUCCESS for run in ended)
        gevent.sleep(0.05)  # the last events
        window.kill()
        self._app.stop()


def follow(channel: Channel) -> int:
    """Be the worker's process of a `dev` that reloads: import, say how that went, and do as told."""
    ignore_the_terminal()
    words = channel.next()
    if 'url' not in words:
        return 0
    try:
        stdout.show(head)
        app = make_app(redis=words['url'], drain=0)
        load_tasks(app, is_needed=True)
    except ConfigError as error:
        channel.tell(failed=explain(error), files=files_of(error))
        return EXIT_CONFIG
    folder = app.settings.tasks
    channel.tell(loaded=True, files=files_of(), folder=str(Path(folder).resolve()) if folder else '')
    words = channel.next()
    if 'serve' not in words:
        return 0
    gevent.spawn(_obey, channel, app)
    return Dev(**words['serve'], reloads=True).serve(app, signals=['SIGTERM'])


def _obey(channel: Channel, app: PyTask) -> None:
    # Told to leave, or left alone by the process that watches: what runs is given back either way.
    while channel.next():
        while not app.worker_id:
            gevent.sleep(0.01)  # it is just beginning
        channel.tell(leaving=True)
        app.stop()  # the second time it hurries
    app.stop()
    gevent.sleep(1.0)
    app.stop()


def head(task: str, run_id: str) -> str:
    """Return what stands in front of what a task prints."""
    if not formatting.is_terminal():
        return f'{task} {run_id} | '
    return formatting.dim(f'{task} {run_id} {"│" if _has_unicode() else "|"}') + ' '


def _told(error: dict[str, Any]) -> str:
    trace = str(error.get('traceback') or '')
    first = formatting.plain(f'{error.get("type")}: {error.get("message")}')
    return f'{first}\n{formatting.plain_lines(folded(trace))}' if trace else first


def _is_not_in_the_window(record: logging.LogRecord) -> bool:
    # The event tells the same, traceback and all.
    return record.msg is not ENDED_EXCEPTION


def _has_unicode() -> bool:
    return (sys.stdout.encoding or '').lower().startswith('utf')
