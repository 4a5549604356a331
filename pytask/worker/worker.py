"""The worker: which parts it has, in which order they start and stop, and who talks to whom.

It has no other logic. The main greenlet waits for a reason to stop: a POSIX signal, `app.stop()`, a stop command.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import gevent

from pytask.builtin import BUILTINS
from pytask.builtin.flow import FlowTask
from pytask.core import commands
from pytask.core.exit_codes import EXIT_BROKEN, EXIT_CONFIG, EXIT_OK, EXIT_RESTART
from pytask.store import Store
from pytask.worker.app_hooks import AppHooks
from pytask.worker.attempt import children, forks
from pytask.worker.attempt.builder import Builder
from pytask.worker.attempt.ending import AttemptEnding
from pytask.worker.attempt.flow_runner import FlowRunner
from pytask.worker.attempt.launcher import Launcher
from pytask.worker.attempt.runner import Runner
from pytask.worker.attempt.timeouts import Timeouts
from pytask.worker.claiming.claimer import Claimer
from pytask.worker.claiming.fetcher import Fetcher, Gate
from pytask.worker.claiming.parked import ParkedRuns
from pytask.worker.claiming.queue_waiter import QueueWaiter
from pytask.worker.control.dispatcher import Dispatcher, News
from pytask.worker.control.inbox import Inbox
from pytask.worker.control.listener import ControlListener
from pytask.worker.control.pauser import Pauser
from pytask.worker.control.reloader import Reloader
from pytask.worker.control.stopper import Stopper
from pytask.worker.heartbeat import Heartbeat
from pytask.worker.lifetime import Lifetime
from pytask.worker.local_runs import LocalRuns
from pytask.worker.metrics import Metrics
from pytask.worker.monitoring import stacks
from pytask.worker.monitoring.backpressure import Backpressure
from pytask.worker.monitoring.hub_monitor import HubMonitor
from pytask.worker.monitoring.metrics_page import MetricsPage
from pytask.worker.monitoring.readiness import Readiness
from pytask.worker.registration import Registration
from pytask.worker.reporter import Reporter
from pytask.worker.shutdown import Shutdown
from pytask.worker.slots import Slots
from pytask.worker.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pytask.worker.application import Application


class Worker:
    """One worker. `serve` runs it to its end."""

    def __init__(self, app: Application) -> None:
        self.app = app
        settings = app.settings
        for builtin in (*BUILTINS, FlowTask):
            app.registry.add(builtin)
        self.store = Store(app.url, settings.prefix, size=8 + len(settings.queue))
        self.report = Reporter(Metrics(app.registry))
        self.lifetime = Lifetime(self.report)
        self.slots = Slots(settings.concurrency)
        self.writer = Writer(self.store, self.slots, self.lifetime)
        self._make_monitors()
        self._make_controls()
        self._make_engine()
        services = (self.writer, self.listener, self.fetcher, *self.fetcher.waiters)
        self.readiness.observe(services, self.heartbeat.late_s, self.listener.silent_s)

    def _make_monitors(self) -> None:
        self.backpressure = Backpressure(self.slots, self.app.settings.max_memory, self.lifetime)
        self.hub_monitor = HubMonitor(self.slots, self.report, self.backpressure)
        self.readiness = Readiness(self.lifetime, self.backpressure, self.hub_monitor)
        self.registration = Registration(self.app, self.store, self.slots, self.readiness)
        figures = partial(self.store.census.take, self.app.settings.queue)
        self.metrics_page = MetricsPage(self.report, self.slots, self.readiness, self.backpressure, figures)

    def _make_controls(self) -> None:
        self.stopper = Stopper(self.store, self.report, self.lifetime.restart)
        self.pauser = Pauser(self.store, self.report)
        self.inbox = Inbox(self.store, self.report, self.writer)
        self.builder = Builder(self.app, self.writer, self.stopper)
        self.reloader = Reloader(self.store, self.slots, self.report, self.stopper, self.builder)
        self.timeouts = Timeouts(self.store, self.stopper)
        of_runs = {
            commands.STOP: self.stopper.obey, commands.RELOAD: self.reloader.obey,
            commands.EXTEND: self.timeouts.obey, commands.SEND: self.inbox.obey,
            commands.PAUSE: self.pauser.obey, commands.RESUME: self.pauser.obey,
        }  # fmt: skip
        of_worker = {
            # A durable one arrives twice, here and by the heartbeat; that must not hurry.
            commands.STOP: lambda command: self.lifetime.obey_stop(may_hurry='is_durable' not in command.fields),
            commands.STACK: lambda command: gevent.spawn(stacks.answer, self.slots, self.store, command.fields),
        }
        self.dispatcher = Dispatcher(self.slots, self.inbox, of_runs, of_worker)

    def _make_engine(self) -> None:
        app, store, slots, report, writer = self.app, self.store, self.slots, self.report, self.writer
        self.ending = AttemptEnding(app, report, self.stopper, self.timeouts)
        flow_runner = FlowRunner(store, app.registry, self.ending, self.inbox, self.lifetime)
        self.runner = Runner(self.builder, self.reloader, self.ending, self.timeouts, flow_runner)
        self.launcher = Launcher(slots, report, writer, self.stopper, self.runner)
        others: dict[str, Callable[[Any], None]] = {
            'SEND': self.inbox.look, 'pause': self.pauser.correct,
            'RELOAD': partial(self.reloader.reload, is_durable=True),
            'SHUT_DOWN': lambda _: self.lifetime.obey_stop(may_hurry=False),
        }  # fmt: skip
        self.news = News(slots, report, self.stopper, self.launcher, others)
        self.heartbeat = Heartbeat(app, slots, self.registration, self.hub_monitor, self.news.hear)
        self.listener = ControlListener(self.id, store, self.dispatcher, self.lifetime, self.heartbeat.hurry)
        self.local_runs = LocalRuns(self.registration, self.launcher, writer, self.lifetime, self.heartbeat.hurry)
        self.claimer = Claimer(self.registration, store, self.launcher, self.dispatcher, report)
        waiters = [QueueWaiter(queue, store, self.lifetime) for queue in dict.fromkeys(app.settings.queue)]
        parked_runs = ParkedRuns(self.claimer, store, slots, app.registry, waiters)
        gate = Gate(slots, self.backpressure, self.heartbeat)
        self.fetcher = Fetcher(self.claimer, gate, waiters, parked_runs, self.lifetime)
        self.app_hooks = AppHooks(app, report)
        self.shutdown = Shutdown(slots, report, writer, self.stopper)

    @property
    def id(self) -> str:
        return self.registration.worker_id

    @property
    def is_ready(self) -> bool:
        return self.lifetime.is_ready

    def serve(self, on_ready: Callable[[], None] | None = None) -> int:
        """Work until there is a reason to stop; return the exit code.

        Raises Unavailable and ConfigError, but only at the start.
        """
        if not self._start_all():
            return EXIT_CONFIG
        if on_ready is not None:
            gevent.spawn(on_ready)
        while not self.lifetime.stopping.wait(60):
            pass
        return self._stop_all()

    def shut_down(self, why: str) -> None:
        """Shut down; a second call interrupts all runs. Safe in signal handlers and any greenlet."""
        self.lifetime.shut_down(why)

    def dump(self, frame: FrameType | None) -> None:
        """Write all stacks to stderr; `frame` is where the current greenlet is. Safe in signal handlers."""
        stacks.dump(self.id, self.slots.all(), frame)

    def _start_all(self) -> bool:
        children.install(self.ending.child_failed)
        forks.install()
        self.store.ping()  # the main hub and one command first, then the heartbeat's thread
        self.registration.register()
        if not self.app_hooks.begin():
            self._leave()
            return False
        self.heartbeat.start()
        for service in (self.writer, self.listener, self.backpressure, self.fetcher):
            service.start()
        self.local_runs.start(self.app.local_tasks)
        self.app.bind(self)
        self.lifetime.is_ready = True
        tasks = sum(not name.startswith('pytask/') for name in self.app.registry.names())
        self.report.started(self.id, self.app.settings.queue, tasks, self.slots.size, self.store.db.url)
        return True

    def _stop_all(self) -> int:
        self.report.shutting_down(self.lifetime.why, self.slots.taken)
        self.fetcher.stop()  # no new runs; the last claim's are in `slots`
        self.shutdown.drain(self.app.settings.drain_s, self.lifetime.hurry)
        self.local_runs.stop()
        self.app_hooks.end()
        self.heartbeat.stop()  # leases are renewed to the end
        self.listener.stop()
        self.backpressure.stop()
        self.shutdown.time_out()
        self.writer.stop()
        self._leave()
        restarts = self.lifetime.wants_restart
        code = EXIT_BROKEN if self.lifetime.is_broken else EXIT_RESTART if restarts else EXIT_OK
        self.report.stopped(code)
        return code

    def _leave(self) -> None:
        if not self.writer.is_away:  # else its record expires
            self.registration.leave()
        self.store.close()
