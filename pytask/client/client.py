"""Start runs, see them, command them: from any process, patched or not, any thread, before or after a fork.

The client meets the worker only in the store. What a start is made of stands in `launch`, how `wait`
and `events` follow a run in `follow`, what a run is told in `commands`.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.client.commands import Commands
from pytask.client.flows import Flows
from pytask.client.following import follow
from pytask.client.pauses import Pauses
from pytask.client.schedules import Schedules
from pytask.client.starting import Launch, new_run
from pytask.core.ids import Ids
from pytask.core.run import Run
from pytask.core.states import LIST_ORDER, State
from pytask.errors import NotFound, RunExists
from pytask.store import NewRun, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytask.authoring.registry import Registry
    from pytask.core.events import Event

# `list` is a method below, so its builtin is named here.
RunList = list[Run]


class Client(Commands, Flows, Pauses, Schedules):
    """A client of one Redis and prefix. Connects on first use; cheap to keep, safe to share.

    `registry` lets it check data against a task's inputs before anything is enqueued.
    """

    def __init__(self, url: str, prefix: str = '', *, registry: Registry | None = None) -> None:
        self._url, self._prefix, self._registry = url, prefix, registry
        self._stores: dict[tuple[int, int], Store] = {}
        self._ids = Ids()
        self._pid = os.getpid()

    @property
    def store(self) -> Store:
        """The store behind this client; a new one where connections can not be shared.

        That is after a fork, and for each native thread of a patched process: sockets of gevent belong
        to the hub, and so to the thread, that made them.
        """
        place = (os.getpid(), threading.get_native_id() if 'gevent.monkey' in sys.modules else 0)
        store = self._stores.get(place)
        if store is None:
            if self._pid != place[0]:
                self._stores, self._ids, self._pid = {}, Ids(), place[0]
            store = self._stores.setdefault(place, Store(self._url, self._prefix))
        return store

    def start(  # noqa: PLR0913 - what a start is made of, by name
        self,
        task: Any,
        data: dict[str, Any] | None = None,
        *,
        run_id: str | None = None,
        queue: str | None = None,
        timeout: float | None = None,
        at: Any = None,
        delay: float | None = None,
    ) -> Run:
        """Start a run and return it, without waiting.

        `task` is a name, a Task class or a decorated function. With a `run_id` of your own the call may
        be repeated: the same start again is the same run. `timeout` is how many seconds an attempt may take,
        instead of the task's TIMEOUT. `at` (Unix seconds, a datetime, or ISO 8601 text; in this machine's zone
        where it names none) or `delay` (seconds) says when it is put in line, by the clock of Redis; what is past
        is now. Raises InputError, RunExists, Unavailable.
        """
        return self.start_many([Launch(task, data, run_id, queue, timeout, at, delay)])[0]

    def start_many(self, launches: Iterable[Launch | tuple[Any, dict[str, Any]]]) -> list[Run]:
        """Start many runs in one round trip; each is a Launch or a (task, data) pair. Raises as `start` does."""
        store = self.store
        new = [self._new_run(launch) for launch in launches]
        accepted = store.queues.start(new)
        runs = [Run(n.run_id, n.task, data=msgspec.json.decode(n.data), queue=n.queue, client=self) for n in new]
        return [run if ok else self._same(run) for run, ok in zip(runs, accepted, strict=True)]

    def get(self, run_id: str) -> Run:
        """Read a run. Raises NotFound."""
        run = self.store.runs.read([run_id], self)[0]
        if run is None:
            raise NotFound(f'no run {run_id!r}')
        return run

    def list(
        self,
        *,
        states: Sequence[State | str] = (),
        task: str | None = None,
        queues: Sequence[str] = (),
        limit: int | None = 50,
    ) -> RunList:
        """Return runs: those that run, those that wait, then those that ended, newest first in each state."""
        wanted = [State(state) for state in states] or list(LIST_ORDER)
        runs: RunList = []
        for run in self.store.runs.listed(wanted, queues, self):
            fits = run.state in wanted and task in (None, run.task)
            if fits and (not queues or run.queue in queues):
                runs.append(run)
            if limit is not None and len(runs) >= limit:
                break
        return runs

    def wait(self, *runs: Run | str, timeout: float | None = None) -> RunList:
        """Block until all of these have ended. Raises WaitTimeout after `timeout` seconds, NotFound."""
        ids = [run if isinstance(run, str) else run.id for run in runs]
        for _ in self.watch(*ids, timeout=timeout):
            pass
        return [self.get(run_id) for run_id in ids]

    def events(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event]:
        """Yield the events of these runs, from now on until all have ended. Raises WaitTimeout, NotFound."""
        return (event for event in self.watch(*run_ids, timeout=timeout) if event is not None)

    def watch(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event | None]:
        """Yield events as `events` does, and None about once a second while nothing happens."""
        # Subscribed here and now, not at the first `next`: what happens in between is heard.
        return follow(self.store, self.store.events(run_ids), run_ids, timeout)

    def close(self) -> None:
        for store in list(self._stores.values()):
            store.close()
        self._stores.clear()

    def move(self, url: str, prefix: str) -> None:
        """Go to another Redis or prefix, from the next call on."""
        self.close()
        self._url, self._prefix = url, prefix

    def new_id(self) -> str:
        """Make an id: 16 characters that sort by time."""
        return self._ids.new()

    def _new_run(self, launch: Launch | tuple[Any, Any]) -> NewRun:
        return new_run(launch if isinstance(launch, Launch) else Launch(*launch), self._ids, self._registry)

    def _same(self, run: Run) -> Run:
        there = self.get(run.id)
        if (there.task, there.data) != (run.task, run.data):
            raise RunExists(f'run {run.id!r} was started before, with another task or other data')
        return there
