"""pytask/scheduler: declares the schedules of this worker's code, and fires those that are due.

It runs in every worker at once: the script that fires a schedule compares its stored time with the one that the
caller has seen, and advances it, so that only one worker starts the run. All times are Redis'. A worker whose app
has no schedules asks Redis nothing; others ask once a second.
"""

from __future__ import annotations

import logging
import math
import random
from typing import TYPE_CHECKING

from pytask.authoring.task import Task
from pytask.errors import ConfigError
from pytask.schedules.schedule import id_of_firing, read_trigger

if TYPE_CHECKING:
    from pytask.schedules.schedule import Declared
    from pytask.schedules.triggers import Trigger
    from pytask.store import Store

# Between looks: what was resumed or declared elsewhere is seen after this time.
LONGEST_S, SHORTEST_S = 1.0, 0.005
LATE_S = 60.0

log = logging.getLogger('pytask')


class Scheduler(Task):
    """Fires the schedules of one app."""

    NAME = 'pytask/scheduler'

    def start(self) -> None:
        store: Store = self.client.store
        self.told: set[str] = set()
        declared: dict[str, Declared] = {}
        while not self.stopping.is_set():
            for name, one in list(self.app.schedules.items()):
                if name not in declared:
                    self.declare(store, one)
                    declared[name] = one
            self.stopping.wait(self.turn(store, declared) if declared else LONGEST_S)

    def declare(self, store: Store, declared: Declared) -> None:
        """Store a schedule with the time it is first due; log it if it can never fire."""
        now_ms = store.schedules.now_ms()
        first_ms = declared.trigger.first_ms(now_ms)
        answer = store.schedules.declare(declared, _late(first_ms, declared.trigger))
        if answer == 'REFUSED':
            self.warn(declared.name, 'its key in Redis holds something else')
        elif answer == 'MISSED':
            log.warning('schedule %s will never fire: %s is past', declared.name, declared.trigger)

    def turn(self, store: Store, declared: dict[str, Declared]) -> float:
        """Fire what is due; return after how many seconds to look again."""
        now_ms, times = store.schedules.times(list(declared))
        waits = []
        for name, at in times.items():
            if at is None:  # Redis has lost it
                self.declare(store, declared[name])
            elif at > now_ms:
                waits.append(at - now_ms)
            elif (next_ms := self.fire(store, name, int(at), now_ms)) is not None:
                waits.append(next_ms - now_ms)
        return max(SHORTEST_S, min([LONGEST_S, *(ms / 1000 for ms in waits)]))

    def fire(self, store: Store, name: str, at_ms: int, now_ms: int) -> float | None:
        """Fire a schedule that is due, once for all missed times; return when it is due next."""
        try:
            trigger = read_trigger(store.schedules.trigger(name))
        except ConfigError as error:
            self.warn(name, str(error))
            return None
        next_ms = _late(trigger.next_ms(now_ms, at_ms), trigger)
        answer = store.schedules.fire(name, at_ms, next_ms, id_of_firing(name, at_ms))
        if answer == 'REFUSED':
            self.warn(name, 'the key of its queue is not a list')
            return None
        if answer == 'OK' and now_ms - at_ms > LATE_S * 1000:
            log.warning('schedule %s fired %.0f s late: no worker was running', name, (now_ms - at_ms) / 1000)
        return math.inf if next_ms is None else next_ms

    def warn(self, name: str, why: str) -> None:
        """Log, once per schedule, why it does not fire."""
        if name not in self.told:
            self.told.add(name)
            log.warning('schedule %s does not fire: %s', name, why)


def _late(next_ms: int | None, trigger: Trigger) -> int | None:
    if next_ms is None or not trigger.jitter_s:
        return next_ms
    return next_ms + round(random.uniform(0, trigger.jitter_s) * 1000)
