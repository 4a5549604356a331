"""The watchdog checks readiness once a second and tells the log and systemd what has changed.

systemd's own watchdog is fed during an outage of Redis, too: a restart would not help. It starves only if the event
loop hangs or a service is stuck.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import gevent

from pytask.core.clock import monotonic_s
from pytask.worker import restart
from pytask.worker.service import Service
from pytask.worker.shutdown import STOP_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytask.config.settings import Settings
    from pytask.worker.lifetime import Lifetime
    from pytask.worker.monitoring.readiness import Readiness

LOOK_EVERY_S = 1.0
CLOSING_S = 10.0


class Notifier:
    """Tells systemd by sd_notify(3), if it has named a socket.

    `watchdog_s` is how often systemd wants to hear from this process, 0 for never.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get('NOTIFY_SOCKET', '')
        self._address = '\0' + path[1:] if path.startswith('@') else path
        usec = environ.get('WATCHDOG_USEC', '')
        is_mine = environ.get('WATCHDOG_PID') in (None, str(os.getpid()))
        self.watchdog_s = int(usec) / 1e6 if path and is_mine and usec.isdigit() else 0.0
        self._socket: socket.socket | None = None
        if path:  # opened now, to feed the watchdog even when no descriptor is left
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(0)

    def tell(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # systemd may be away
                self._socket.sendto('\n'.join(lines).encode(), self._address)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class Watchdog(Service):
    """Checks while the `with` block lasts."""

    def __init__(self, readiness: Readiness, settings: Settings, lifetime: Lifetime) -> None:
        super().__init__('watch', lifetime)
        self._readiness, self._settings = readiness, settings
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
        """Return a function for the worker to call once it claims runs."""

        def tell() -> None:
            self._notifier.tell('READY=1', 'STATUS=ready')
            if then is not None:
                then()

        return tell

    def turn(self) -> None:
        gevent.sleep(min(LOOK_EVERY_S, self._feed_every_s or LOOK_EVERY_S))
        if self._lifetime.is_stopping:
            self._leave()
        else:
            self._compare(self._readiness.troubles())
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
        # Rather half a second early than late.
        is_due = self._feed_every_s and now - self._fed_at > self._feed_every_s - LOOK_EVERY_S / 2
        if is_due and not self._readiness.ills():
            self._fed_at = now
            self._notifier.tell('WATCHDOG=1')

    def _leave(self) -> None:
        if self._lifetime.wants_restart and restart.is_possible(self._settings):
            self._notifier.tell('STATUS=restarting')  # the process stays
        elif not self._is_leaving:
            self._is_leaving = True
            # Else systemd kills a worker whose --drain is longer than the unit's TimeoutStopSec.
            limit_s = self._settings.drain_s + STOP_LIMIT_S + CLOSING_S
            limit_us = int(min(limit_s, 1e9) * 1e6)
            self._notifier.tell('STOPPING=1', 'STATUS=shutting down', f'EXTEND_TIMEOUT_USEC={limit_us}')
