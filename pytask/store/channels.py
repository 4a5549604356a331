"""Channels: the events of runs, for everyone, and the commands to runs and workers, for their owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.commands import parse_command
from pytask.core.events import ENDING_EVENTS, parse_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytask.core.commands import Command
    from pytask.core.events import Event
    from pytask.store.connection.database import Database, Subscription
    from pytask.store.keys import Keys

CONTROL = '-control'
# Longer texts are not parsed: a message has at most 64 KiB, and every worker receives all of them.
LONGEST_COMMAND = 128 * 1024
# An event leaves the server together with the change of the hash, but on another connection.
ON_ITS_WAY_S = 0.02


class EventStream:
    """The events of some runs, or of all. Raises Unavailable."""

    def __init__(self, db: Database, keys: Keys, run_ids: Iterable[str] | None) -> None:
        self._keys = keys
        if run_ids is None:
            self._subscription = db.subscription(patterns=[f'{keys.runs}*'])
        else:
            self._subscription = db.subscription(channels=[keys.run(run_id) for run_id in run_ids])

    def read(self, *, timeout_s: float) -> Event | None:
        """Return the next event, or None after at most `timeout_s`."""
        got = self._subscription.read(timeout_s=timeout_s)
        if got is None or got[0].endswith(CONTROL):
            return None
        return parse_event(self._keys.run_id(got[0]), got[1])

    def rest(self, run_ids: set[str]) -> Iterator[Event]:
        """Yield the events of ended runs that are still on their way, up to the event of each end."""
        while run_ids:
            got = self._subscription.read(timeout_s=ON_ITS_WAY_S)
            if got is None:
                return
            event = parse_event(self._keys.run_id(got[0]), got[1])
            if event is not None:
                yield event
                if event.event in ENDING_EVENTS:
                    run_ids.discard(event.run_id)

    def close(self) -> None:
        self._subscription.close()


class CommandStream:
    """The commands to all runs and to one worker. The reader ignores those for runs it does not hold."""

    def __init__(self, db: Database, keys: Keys, worker_id: str) -> None:
        self._keys = keys
        self._own = keys.worker_control(worker_id)
        self._db = db
        self._subscription: Subscription = db.subscription(
            channels=[self._own], patterns=[f'{keys.runs}*{CONTROL}']
        )

    def read(self, *, timeout_s: float) -> tuple[str, Command] | None:
        """Return (run id, command) or None after `timeout_s`; the id is '' for a command to the worker."""
        got = self._subscription.read(timeout_s=timeout_s)
        if got is None or len(got[1]) > LONGEST_COMMAND:
            return None
        command = parse_command(got[1])
        if command is None:
            return None
        if got[0] == self._own:
            return '', command
        return self._keys.run_id(got[0]).removesuffix(CONTROL), command

    def close(self) -> None:
        self._subscription.close()
