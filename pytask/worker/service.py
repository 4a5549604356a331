"""Service: the one form of every loop in a worker: named, owned, supervised.

A turn is short: it ends within seconds, whatever Redis does, and records when it began and, if it succeeded,
when it ended. While Redis is away a service retries with growing pauses and counts as healthy. A turn that
raises anything else is reported and run again; a service that keeps crashing ends the worker, because a worker
that only seems alive is worse than a dead one.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

import gevent

from pytask.core.clock import monotonic_s
from pytask.errors import Unavailable

if TYPE_CHECKING:
    from pytask.worker.lifetime import Lifetime

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
# Five crashes within a minute are a bug, not a passing problem. Erlang's supervisors count the same way.
CRASHES, WITHIN_S = 5, 60.0


class Service:
    """A supervised loop. Subclasses define `turn`."""

    def __init__(self, name: str, lifetime: Lifetime) -> None:
        self.name = name
        self.turned_at = self.tried_at = monotonic_s()
        self._report, self._lifetime = lifetime.report, lifetime
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self._is_stopping = False
        self._crashes: deque[float] = deque(maxlen=CRASHES)
        self._pause_s = FIRST_PAUSE_S

    @property
    def is_going(self) -> bool:
        """True from `start` until `stop`; readiness considers only these."""
        return self._greenlet is not None and not self._is_stopping

    def turn(self) -> None:
        """Do one round, within seconds. Unavailable is retried; any other error counts as a crash."""
        raise NotImplementedError

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def stop(self, timeout_s: float = 1.0) -> None:
        """Stop the loop, wherever it is. May be called before `start`, and twice."""
        self._is_stopping = True
        if self._greenlet is not None:
            self._greenlet.kill(timeout=timeout_s)

    def _run(self) -> None:
        while not self._is_stopping:
            self.tried_at = monotonic_s()
            try:
                self.turn()
                self.turned_at = monotonic_s()
                self._pause_s = FIRST_PAUSE_S
                self._report.redis_is_back(self.name)
            except Unavailable as error:
                self._report.redis_is_away(self.name, error)
                self._pause()
            except Exception as error:  # noqa: BLE001 - one of two homes of a broad except: a loop must not die silently
                self._report.service_crashed(self.name, error)
                self._crashes.append(monotonic_s())
                if len(self._crashes) == CRASHES and self._crashes[-1] - self._crashes[0] < WITHIN_S:
                    self._lifetime.broken(self.name)
                    return
                self._pause()

    def _pause(self) -> None:
        gevent.sleep(self._pause_s * random.uniform(0.5, 1.0))
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
