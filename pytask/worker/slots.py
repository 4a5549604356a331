"""The runs a worker holds, from claim to recorded outcome, so that each lease is renewed to the end.

This table owns the leases, not the greenlets: a greenlet killed before its first switch never enters a `finally`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent.event import Event

if TYPE_CHECKING:
    from pytask.worker.live import Live


class Slots:
    """Run id → Live, and how many slots are free. Local runs take no slot."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self.room = Event()
        self.room.set()
        self.empty = Event()
        self.empty.set()
        self._live: dict[str, Live] = {}

    @property
    def free(self) -> int:
        return self.size - self.taken

    def add(self, live: Live) -> Live | None:
        """Take a slot. If an older attempt of the same run is here, take over its slot and return that attempt."""
        older = self._live.get(live.run_id)
        self._live[live.run_id] = live
        if not live.is_local and older is None:
            self.taken += 1
            self.empty.clear()
            if self.taken >= self.size:
                self.room.clear()
        return older

    def remove(self, live: Live) -> None:
        """Release the slot of a run. May be called twice."""
        if self._live.get(live.run_id) is not live:
            return
        del self._live[live.run_id]
        if not live.is_local:
            self.taken -= 1
            self.room.set()
            if not self.taken:
                self.empty.set()

    def get(self, run_id: str) -> Live | None:
        return self._live.get(run_id)

    def all(self) -> list[Live]:
        """Return a copy; safe to call from the heartbeat's native thread."""
        return list(self._live.values())
