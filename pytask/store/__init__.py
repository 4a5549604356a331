"""The store: everything pytask does with Redis, and the only package that knows it. Calls block; no gevent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.store.channels import CommandStream, EventStream
from pytask.store.connection.database import Database
from pytask.store.counts import Census, Figures
from pytask.store.ended import Ends
from pytask.store.flows import StoredFlows
from pytask.store.inboxes import Inboxes
from pytask.store.keys import Keys
from pytask.store.lifecycle import Queues
from pytask.store.parked import Parked
from pytask.store.pauses import Pause, StoredPauses
from pytask.store.records import (
    Claimant,
    Claimed,
    Ended,
    Grant,
    Line,
    NewRun,
    Note,
    chunks,
)
from pytask.store.replies import Answers
from pytask.store.runs import Runs
from pytask.store.schedules import StoredSchedules
from pytask.store.scripts import Scripts
from pytask.store.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    'Claimant', 'Claimed', 'CommandStream', 'Database', 'Ended', 'EventStream', 'Figures', 'Grant', 'Keys', 'Line',
    'NewRun', 'Note', 'Pause', 'Store', 'chunks',
]  # fmt: skip


class Store:
    """One Redis and prefix. `size` limits its connections, `timeout_s` the time of every reply."""

    def __init__(self, url: str, prefix: str = '', *, size: int = 32, timeout_s: float = 5.0) -> None:
        self.db = Database(url, size=size, timeout_s=timeout_s)
        self.keys = Keys(prefix)
        scripts = Scripts(self.db, self.keys)
        self.queues = Queues(self.db, self.keys, scripts)
        self.parked = Parked(self.db, self.keys, scripts)
        self.answers = Answers(self.db, self.keys)
        self.inboxes = Inboxes(scripts)
        self.ends = Ends(self.db, self.keys, scripts)
        self.flows = StoredFlows(self.db, self.keys, scripts)
        self.workers = Workers(self.db, self.keys, scripts)
        self.census = Census(self.db, self.keys)
        self.pauses = StoredPauses(self.db, self.keys, scripts)
        self.schedules = StoredSchedules(self.db, self.keys, scripts, self.workers)
        self.runs = Runs(self.db, self.keys, scripts, self.workers, self.pauses)

    def ping(self) -> None:
        """Raise Unavailable if Redis does not answer."""
        self.db.call('PING')

    def events(self, run_ids: Iterable[str] | None = None) -> EventStream:
        """Subscribe to the events of some runs, or of all."""
        return EventStream(self.db, self.keys, run_ids)

    def commands(self, worker_id: str) -> CommandStream:
        """Subscribe to the commands to all runs and to one worker."""
        return CommandStream(self.db, self.keys, worker_id)

    def peek(self, queue: str, timeout_s: float) -> bool:
        """Block up to `timeout_s` until a queue has an entry. It takes none, so that a crash loses none."""
        line = self.keys.line(queue)
        return self.db.call('BLMOVE', line, line, 'RIGHT', 'RIGHT', timeout_s) is not None

    def publish(self, channel: str, text: str) -> None:
        self.db.call('PUBLISH', channel, text)

    def close(self) -> None:
        self.db.close()
