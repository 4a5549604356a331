"""The watch: looks at the stamps once a second, and tells the log and systemd what has changed.

An outage of Redis is no reason to be restarted, so the watchdog is fed through it: only a hub that
does not turn, or a service that does not come back from its turn, lets it starve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.core.clock import monotonic_s
from pytask.worker import restart
from pytask.worker.monitoring import readiness
from pytask.worker.monitoring.notify import Notifier
from pytask.worker.service import Service
from pytask.worker.shutdown import STOP_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.worker.worker import Worker

LOOK_EVERY_S = 1.0
CLOSING_S = 10.0


class Watchdog(Service):
    def __init__(self, worker: Worker) -> None:
        super().__init__('watch', worker.report, worker.broken)
        self._worker = worker
        self._notifier = Notifier()
        self._feed_every_s = self._notifier.watchdog_s / 3
        self._fed_at = self._troubled_since = 0.0
        self._is_leaving = False

    def __enter__(self) -> Watchdog:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._leave()
        self._notifier.close()

    def ready(self, then: Callable[[], None] | None) -> Callable[[], None]:
        """Return what the worker is to call once it claims."""

        def tell() -> None:
            self._notifier.tell('READY=1', 'STATUS=ready')
            if then is not None:
                then()

        return tell

    def turn(self) -> None:
        gevent.sleep(min(LOOK_EVERY_S, self._feed_every_s or LOOK_EVERY_S))
        if self._worker.reason_to_stop.is_set():
            self._leave()
        else:
            self._compare(readiness.troubles(self._worker))
        self._feed()

    def _compare(self, troubles: list[str]) -> None:
        if troubles and not self._troubled_since:
            self._troubled_since = monotonic_s()
            self._report.not_ready(troubles)
            self._notifier.tell(f'STATUS=not ready: {"; ".join(troubles)}')
        elif self._troubled_since and not troubles:
            self._report.ready_again(monotonic_s() - self._troubled_since)
            self._troubled_since = 0.0
            self._notifier.tell('STATUS=ready')

    def _feed(self) -> None:
        now = monotonic_s()
        # Half a look early: late is worse.
        is_due = self._feed_every_s and now - self._fed_at > self._feed_every_s - LOOK_EVERY_S / 2
        if is_due and not readiness.ills(self._worker):
            self._fed_at = now
            self._notifier.tell('WATCHDOG=1')

    def _leave(self) -> None:
        if self._worker.wants_restart and restart.is_possible(self._worker.app.settings):
            self._notifier.tell('STATUS=starting itself anew')  # the same process goes on
        elif not self._is_leaving:
            self._is_leaving = True
            # A longer --drain than the unit knows of is waited for all the same.
            limit_s = self._worker.app.settings.drain_s + STOP_LIMIT_S + CLOSING_S
            limit_us = int(min(limit_s, 1e9) * 1e6)
            self._notifier.tell('STOPPING=1', 'STATUS=shutting down', f'EXTEND_TIMEOUT_USEC={limit_us}')
