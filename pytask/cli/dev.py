"""`pytask dev`: embedded server, worker and demo runs in one process, and a window on all of it."""

from __future__ import annotations

import logging
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent

import pytask
from pytask.cli import paint
from pytask.cli.apps import where_from
from pytask.cli.look import Names
from pytask.cli.options import command_name, given, load_tasks, make_app
from pytask.embedded import Server
from pytask.errors import Unavailable
from pytask.messages import ENDING_EVENTS
from pytask.states import State
from pytask.worker import restart
from pytask.worker.process import run_worker
from pytask.worker.worker import EXIT_RESTART

if TYPE_CHECKING:
    from pytask.app import PyTask
    from pytask.messages import Event
    from pytask.run import Run

MARKS = {State.SUCCESS: '✓', State.STOPPED: '■', State.ERROR: '✗', State.EXCEPTION: '✗'}


class Dev:
    def __init__(self, folder: Path, *, exits: bool, with_demo: bool) -> None:
        self._folder, self._exits, self._with_demo = folder, exits, with_demo
        self._app: PyTask
        self._demo: list[Run] = []
        self._ended_well = True

    def run(self) -> int:
        url = given().get('redis')
        if url:
            return self._serve(url, f'redis   {url}')
        with Server(self._folder) as server:
            how = (
                'joined: another `dev` runs it'
                if server.is_joined
                else f'{Path(server.binary).name}, data in .pytask/redis'
            )
            code = self._serve(server.url, f'redis   {server.url}   {how}')
        if code == EXIT_RESTART and restart.is_possible(self._app.settings):
            restart.restart()  # not before the server of this one has ended
        return code

    def _serve(self, url: str, redis_line: str) -> int:
        self._app = make_app(redis=url, drain=0)
        load_tasks(self._app, is_needed=True)
        line(f'pytask {pytask.__version__}   Python {platform.python_version()}   gevent {version("gevent")}')
        line(redis_line)
        code = run_worker(self._app, level=logging.WARNING, on_ready=self._begin, restarts=False)
        line('stopped')
        return code or int(self._exits and not self._ended_well)

    def _begin(self) -> None:
        app = self._app
        own = [task for task in app.registry if not task.NAME.startswith('pytask/')]
        slots = app.settings.concurrency
        count = f'{len(own)} task' if len(own) == 1 else f'{len(own)} tasks'
        line(f'worker  {app.worker_id}   {slots:,} slots   {count} from {where_from(app)}\n')
        window = gevent.spawn(self._watch)
        if self._with_demo:
            gevent.sleep(0.05)  # let the window subscribe first
            self._demo = [app.client.start(task, data) for task in own if (data := task.DEMO) is not None]
        if self._exits:
            gevent.spawn(self._end_with_demo, window)
        else:
            self._hint(own)

    def _hint(self, own: list[Any]) -> None:
        first = next((task.NAME for task in own if task.DEMO is not None), own[0].NAME if own else 'TASK')
        pytask_ = command_name()
        line(
            f'Try, in another terminal:   {pytask_} run {first}\n'
            f'                            {pytask_} ls\n'
            f'                            {pytask_} tail\n'
            f'Ctrl-C stops everything; what still runs is given back to its queue.\n'
        )

    def _watch(self) -> None:
        store = self._app.client.store
        names = Names(self._app.client)
        while True:
            try:
                stream = store.events()
                while True:
                    event = stream.read(timeout_s=1.0)
                    if event is not None:
                        self._show(event, names.of(event.run_id))
            except Unavailable:
                gevent.sleep(1.0)

    def _show(self, event: Event, task: str) -> None:
        if task.startswith('pytask/'):
            return
        text = paint.plain(event.data) if event.data is not None else ''
        state = event.event.upper()
        mark, shown = ' ', event.event
        if event.event in ENDING_EVENTS:
            mark, shown = MARKS[State(state)], state
            if state == State.EXCEPTION and isinstance(event.data, dict):
                text = str(event.data.get('message')) + '\n' + str(event.data.get('traceback', '')).rstrip()
        elif event.event == 'running':
            shown, text = 'RUNNING', ''
        label = paint.colour(f'{shown:<9}', shown)
        line(f'  {mark} {event.run_id}  {task:<14} {label}  {text}'.rstrip())

    def _end_with_demo(self, window: gevent.Greenlet[[], None]) -> None:
        ended = self._app.client.wait(*self._demo) if self._demo else []
        self._ended_well = all(run.state is State.SUCCESS for run in ended)
        gevent.sleep(0.05)  # the last events
        window.kill()
        self._app.stop()


def line(text: str) -> None:
    sys.stdout.write(text + '\n')
    sys.stdout.flush()
