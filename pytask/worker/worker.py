"""The worker: which services it has, in which order they start and stop, and who talks to whom.

It holds no logic of its own beyond that order. The main greenlet waits for a reason to stop; POSIX
signals, `app.stop()` and the worker command only give it one.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.builtin import BUILTINS
from pytask.builtin.flow import FlowTask
from pytask.core.exit_codes import EXIT_BROKEN, EXIT_CONFIG, EXIT_OK, EXIT_RESTART
from pytask.core.names import FLOW
from pytask.errors import PytaskError
from pytask.store import Claimed, Store
from pytask.worker import app_hooks
from pytask.worker.attempt import children, forks
from pytask.worker.attempt.ending import AttemptEnding
from pytask.worker.attempt.flow_attempt import FlowAttempt
from pytask.worker.attempt.runner import Runner
from pytask.worker.claiming.fetcher import Fetcher
from pytask.worker.control.dispatcher import Dispatcher
from pytask.worker.control.inbox import Inbox
from pytask.worker.control.listener import ControlListener
from pytask.worker.control.reloader import Reloader
from pytask.worker.control.stopper import Stopper
from pytask.worker.heartbeat import Heartbeat
from pytask.worker.local_runs import LocalRuns
from pytask.worker.metrics import Metrics
from pytask.worker.monitoring.backpressure import Backpressure
from pytask.worker.registration import register
from pytask.worker.reporter import Reporter
from pytask.worker.shutdown import drain, time_out
from pytask.worker.slots import Live, Slots
from pytask.worker.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.app.app import PyTask


class Worker:
    """One worker. `serve` runs it to its end."""

    def __init__(self, app: PyTask) -> None:
        self.app = app
        settings = app.settings
        name = settings.name or socket.gethostname().split('.')[0][:24]
        self.id = f'{name}-{secrets.token_hex(2)}'
        self.lease_ms = int(settings.lease_s * 1000)
        self.report = Reporter(Metrics(app.registry))
        self.slots = Slots(settings.concurrency)
        self.store = Store(app.url, settings.prefix, size=8 + len(settings.queue))
        for builtin in (*BUILTINS, FlowTask):
            app.registry.add(builtin)
        self.writer = Writer(self.store, self.slots, self.report, self.broken)
        self.stopper = Stopper(self.report, self.restart)
        self.reloader = Reloader(self)
        self.ending = AttemptEnding(self)
        self.runner = Runner(self)
        self.heartbeat = Heartbeat(self)
        self.backpressure = Backpressure(self)
        self.fetcher = Fetcher(self, settings.queue)
        self.listener = ControlListener(self)
        self.local_runs = LocalRuns(self)
        self.inbox = Inbox(self)
        self.dispatcher = Dispatcher(self)
        self.serves = '\n'.join(['', *app.registry.answers_to(), ''])
        self.reason_to_stop, self._hurry = Event(), Event()
        self._why = ''
        self.is_ready = self.is_broken = self.wants_restart = False

    def serve(self, on_ready: Callable[[], None] | None = None) -> int:
        """Work until there is a reason to stop; return the exit code.

        Raises Unavailable and ConfigError, at the start only.
        """
        if not self._start_all():
            return EXIT_CONFIG
        if on_ready is not None:
            gevent.spawn(on_ready)
        while not self.reason_to_stop.wait(60):
            pass
        return self._stop_all()

    def shut_down(self, why: str) -> None:
        """Give a reason to stop; the second one hurries. Safe from signal handlers and any greenlet."""
        if self.wants_restart:
            self.wants_restart = False  # told to stop while it was at that: it does not come back
        elif self.reason_to_stop.is_set():
            self._hurry.set()
        self._why = self._why or why
        self.reason_to_stop.set()

    def broken(self, service: str) -> None:
        """Stop, since a service does not live."""
        self.report.service_is_broken(service)
        self.is_broken = True
        self.shut_down(f'{service} is broken')

    def restart(self, why: str) -> None:
        """Stop, to go on in a new process; one that is stopping anyway does not."""
        if not self.reason_to_stop.is_set():
            self.shut_down(why)
            self.wants_restart = True

    def launch(self, claimed: Claimed, asked_at: float, queue: str = '', *, is_local: bool = False) -> Live:
        """Begin an attempt in a greenlet of its own; its lease was asked for at `asked_at` of the boot clock."""
        live = Live(claimed, asked_at, queue, is_local=is_local)
        live.flow = FlowAttempt() if claimed.task == FLOW else None
        older = self.slots.add(live)
        self.report.metrics.started(live, claimed.waited_ms)
        live.greenlet = gevent.spawn_raw(self.runner.run, live, older)
        return live

    def _start_all(self) -> bool:
        children.install(self.ending.child_failed)
        forks.install()
        self.store.ping()  # the main hub and one command first, then the heartbeat's thread
        register(self, self.store)
        if not app_hooks.begin(self):
            self._leave()
            return False
        self.heartbeat.start()
        for service in (self.writer, self.listener, self.backpressure, self.fetcher):
            service.start()
        self.local_runs.start()
        self.app.bind(self)
        self.is_ready = True
        tasks = sum(not name.startswith('pytask/') for name in self.app.registry.names())
        self.report.started(self.id, self.app.settings.queue, tasks, self.slots.size, self.store.db.url)
        return True

    def _stop_all(self) -> int:
        self.report.shutting_down(self._why, self.slots.taken)
        self.fetcher.stop()  # no new runs; whatever the last claim granted is in the table
        drain(self, self._hurry)  # until the last outcome is recorded, or given back to the front
        self.local_runs.stop()
        app_hooks.end(self)
        self.heartbeat.stop()  # leases were renewed to the end
        self.listener.stop()
        self.backpressure.stop()
        time_out(self)
        self.writer.stop()
        self._leave()
        code = EXIT_BROKEN if self.is_broken else EXIT_RESTART if self.wants_restart else EXIT_OK
        self.report.stopped(code)
        return code

    def _leave(self) -> None:
        if not self.writer.is_away:  # else its record ends by itself
            with contextlib.suppress(PytaskError):
                self.store.workers.forget(self.id)
        self.store.close()
