"""Local runs: those that belong to this worker and end with it. They hold no lease and take no slot.

pytask's own tasks run so, each supervised as a service; so do the tasks an app starts with
`start_local_task`.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from pytask.builtin import BUILTINS
from pytask.core.clock import boot_s
from pytask.core.codec import encode
from pytask.core.states import State
from pytask.errors import Unavailable
from pytask.store import Claimed
from pytask.worker.service import Service
from pytask.worker.slots import Live

if TYPE_CHECKING:
    from pytask.worker.worker import Worker

_NAMES = frozenset(task.NAME for task in BUILTINS)


class LocalRuns:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._supervisors = [Supervisor(worker, self, task.NAME) for task in BUILTINS]

    def start(self) -> None:
        for supervisor in self._supervisors:
            supervisor.start()
        for name, data in self._worker.app.local_tasks:
            self.launch(name, data)

    def launch(self, name: str, data: dict[str, Any]) -> None:
        """Begin a local run. pytask's own run already: starting them again changes nothing."""
        if name not in _NAMES:
            claimed = self.claimed(name, data)
            self.write_down(claimed)
            self._worker.launch(claimed, boot_s(), is_local=True)
            self._worker.heartbeat.hurry()  # which lists it

    def stop(self) -> None:
        for supervisor in self._supervisors:
            supervisor.stop()

    @staticmethod
    def is_builtin(live: Live) -> bool:
        return live.is_local and live.task_name in _NAMES

    def claimed(self, name: str, data: dict[str, Any]) -> Claimed:
        """Return the first and only attempt of a new local run."""
        run_id = f'{name.replace("/", "-")}-{self._worker.id}-{secrets.token_hex(2)}'
        return Claimed(run_id, name, encode(data), 1, f'1:{secrets.token_hex(3)}:{self._worker.id}')

    def write_down(self, claimed: Claimed) -> None:
        """Write a local run down as RUNNING."""
        worker = self._worker
        worker.store.queues.begin_local(claimed, worker_id=worker.id, ttl_ms=worker.lease_ms)


class Supervisor(Service):
    """Keeps one of pytask's own tasks running: when it ends, whyever, the next turn starts it anew."""

    def __init__(self, worker: Worker, local_runs: LocalRuns, name: str) -> None:
        super().__init__(name, worker.report, worker.broken)
        self._worker, self._local_runs = worker, local_runs
        self._live: Live | None = None

    def turn(self) -> None:
        claimed = self._local_runs.claimed(self.name, {})
        # Before it is written down: stop() clears that away.
        self._live = live = Live(claimed, boot_s(), is_local=True)
        self._local_runs.write_down(claimed)
        self._worker.slots.add(live)
        self._worker.heartbeat.hurry()
        self._report.redis_is_back(self.name)  # a turn is as long as the task runs
        try:
            outcome = self._worker.runner.perform(live)
        finally:
            live.is_open = False
            self._worker.slots.remove(live)
        if isinstance(outcome.exception, Unavailable):
            raise outcome.exception
        if outcome.state is State.EXCEPTION and outcome.exception is not None:
            raise outcome.exception

    def stop(self, timeout_s: float = 1.0) -> None:
        if self._live is not None:
            self._live.ending = 'shutdown'
        super().stop(timeout_s)
        if self._live is not None and not self._worker.writer.is_away:  # it leaves nothing to look at
            with contextlib.suppress(Unavailable):  # its time to live ends it too
                self._worker.store.db.call('UNLINK', self._worker.store.keys.run(self._live.run_id))
