"""The base of every part of a client: its stores, one per process and thread, ids, and reading runs."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from pytask.core.ids import Ids
from pytask.core.run import Run
from pytask.core.states import LIST_ORDER, State
from pytask.errors import NotFound
from pytask.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.authoring.registry import Registry

# `list` is a method below, so its builtin is named here.
Runs = list[Run]


class ClientBase:
    """The connections of a client. Connects on first use; cheap to keep, safe to share."""

    def __init__(self, url: str, prefix: str = '', *, registry: Registry | None = None) -> None:
        self._url, self._prefix, self.registry = url, prefix, registry
        self._stores: dict[tuple[int, int], Store] = {}
        self.ids = Ids()
        self._pid = os.getpid()

    @property
    def store(self) -> Store:
        """The store behind this client; a new one where connections cannot be shared.

        That is after a fork, and in each native thread of a patched process: a gevent socket belongs to the
        event loop, and so to the thread, that created it.
        """
        place = (os.getpid(), threading.get_native_id() if 'gevent.monkey' in sys.modules else 0)
        store = self._stores.get(place)
        if store is None:
            if self._pid != place[0]:
                self._stores, self.ids, self._pid = {}, Ids(), place[0]
            store = self._stores.setdefault(place, Store(self._url, self._prefix))
        return store

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        for store in list(self._stores.values()):
            store.close()
        self._stores.clear()

    def move(self, url: str, prefix: str) -> None:
        """Use another Redis or prefix, from the next call on."""
        self.close()
        self._url, self._prefix = url, prefix

    def new_id(self) -> str:
        """Make an id: 16 characters that sort by time."""
        return self.ids.new()

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
    ) -> Runs:
        """Return runs: running, waiting, then ended ones, newest first in each state. `limit=None` means all."""
        wanted = [State(state) for state in states] or [*LIST_ORDER]
        runs: Runs = []
        for run in self.store.runs.listed(wanted, queues, self):
            fits = run.state in wanted and task in (None, run.task)
            if fits and (not queues or run.queue in queues):
                runs.append(run)
            if limit is not None and len(runs) >= limit:
                break
        return runs
