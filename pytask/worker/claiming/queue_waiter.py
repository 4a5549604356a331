"""Waits for one queue to have entries, and consumes none of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.store import Line
from pytask.worker.service import Service

if TYPE_CHECKING:
    from pytask.store import Store
    from pytask.worker.lifetime import Lifetime

PEEK_S = 1.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.005, 0.1


class QueueWaiter(Service):
    """Waits for one queue to have entries: for each `ask`, it sets `heard` once."""

    def __init__(self, queue: str, store: Store, lifetime: Lifetime) -> None:
        super().__init__(f'peek {queue}', lifetime)
        self.queue = queue
        self.line = Line(store.keys.line(queue), queue=queue)
        self.is_ready = True
        self.open = Event()  # unless its queue is paused
        self.open.set()
        self.backoff_s = 0.0
        self.asked = Event()
        self.heard: Event | None = None
        self._store = store

    def turn(self) -> None:
        if not (self.asked.wait(PEEK_S) and self.open.wait(PEEK_S)):
            return
        if self.backoff_s:
            gevent.sleep(self.backoff_s * random.uniform(0.5, 1.0))
        if self._store.peek(self.queue, PEEK_S):
            self.asked.clear()
            self.is_ready = True
            self.heard.set()  # type: ignore[union-attr]

    @property
    def may_claim(self) -> bool:
        """Tell whether the queue has entries, as far as is known, and is not paused."""
        return self.is_ready and self.open.is_set()

    def ask(self, *, was_empty: bool) -> None:
        """Wait for the next entry, with growing pauses while claims are empty."""
        self.backoff_s = min(LONGEST_BACKOFF_S, max(FIRST_BACKOFF_S, 2 * self.backoff_s)) if was_empty else 0.0
        self.is_ready = False
        self.asked.set()
