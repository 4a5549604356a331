"""The lifetime of a worker: whether it is ready, why it ends, and whether a new process takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent.event import Event

if TYPE_CHECKING:
    from pytask.worker.reporter import Reporter


class Lifetime:
    """One per worker; every service reports to it. Its methods are safe in signal handlers and any greenlet."""

    def __init__(self, report: Reporter) -> None:
        self.report = report
        self.stopping, self.hurry = Event(), Event()
        self.why = ''
        self.is_ready = self.is_broken = self.wants_restart = False

    @property
    def is_stopping(self) -> bool:
        return self.stopping.is_set()

    def shut_down(self, why: str) -> None:
        """End the worker; called a second time, end it without waiting for its runs."""
        if self.wants_restart:
            self.wants_restart = False  # told to stop while it was about to restart: it does not come back
        elif self.is_stopping:
            self.hurry.set()
        self.why = self.why or why
        self.stopping.set()

    def obey_stop(self, *, may_hurry: bool) -> None:
        """Obey a stop command. A command received twice must not hurry the worker."""
        if may_hurry or self.wants_restart or not self.is_stopping:
            self.shut_down('stop command')

    def broken(self, service: str) -> None:
        """End the worker because one of its services keeps crashing."""
        self.report.service_is_broken(service)
        self.is_broken = True
        self.shut_down(f'{service} is broken')

    def restart(self, why: str) -> None:
        """End the worker and continue in a new process, unless it is already stopping."""
        if not self.is_stopping:
            self.shut_down(why)
            self.wants_restart = True
