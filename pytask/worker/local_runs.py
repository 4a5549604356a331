"""Local runs belong to this worker and end with it. They hold no lease and take no slot.

They are pytask's own tasks, each supervised as a service, and those an app starts with `start_local_task`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pytask.builtin import BUILTINS
from pytask.core.clock import boot_s
from pytask.core.codec import encode
from pytask.core.states import State
from pytask.errors import Unavailable
from pytask.store import Claimed
from pytask.worker.live import Live
from pytask.worker.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytask.core.states import Outcome
    from pytask.worker.attempt.launcher import Launcher
    from pytask.worker.lifetime import Lifetime
    from pytask.worker.registration import Registration
    from pytask.worker.writer import Writer

_NAMES = frozenset(task.NAME for task in BUILTINS)


def is_builtin(live: Live) -> bool:
    """Tell whether a run is one of pytask's own."""
    return live.is_local and live.task_name in _NAMES


class LocalRuns:
    """Begins the local runs of one worker. `hurry` makes the heartbeat list a new one at once."""

    def __init__(
        self,
        registration: Registration,
        launcher: Launcher,
        writer: Writer,
        lifetime: Lifetime,
        hurry: Callable[[], None],
    ) -> None:
        self._registration, self._launcher, self._writer = registration, launcher, writer
        self._hurry = hurry
        self._supervisors = [BuiltinSupervisor(task.NAME, self, lifetime) for task in BUILTINS]

    def start(self, tasks: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Begin pytask's own tasks, then these, given as names with data."""
        for supervisor in self._supervisors:
            supervisor.start()
        for name, data in tasks:
            self.launch(name, data)

    def launch(self, name: str, data: dict[str, Any]) -> None:
        """Begin a local run. Does nothing for pytask's own tasks, which run already."""
        if name not in _NAMES:
            claimed = self.claimed(name, data)
            self._registration.write_down(claimed)
            self._launcher.launch(claimed, boot_s(), is_local=True)
            self._hurry()

    def stop(self) -> None:
        for supervisor in self._supervisors:
            supervisor.stop()

    def claimed(self, name: str, data: dict[str, Any]) -> Claimed:
        """Return the first and only attempt of a new local run."""
        worker_id = self._registration.worker_id
        run_id = f'{name.replace("/", "-")}-{worker_id}-{secrets.token_hex(2)}'
        return Claimed(run_id, name, encode(data), 1, f'1:{secrets.token_hex(3)}:{worker_id}')

    def perform(self, live: Live, begun: Callable[[str], None]) -> Outcome:
        """Run a local run to its end in this greenlet. Raises Unavailable if it cannot be stored."""
        self._registration.write_down(live.claimed)
        with self._launcher.holding(live):
            self._hurry()
            begun(live.task_name)
            return self._launcher.perform(live)

    def clear_away(self, live: Live) -> None:
        """Delete a local run that has ended; while Redis is away it is left to expire."""
        if not self._writer.is_away:
            self._registration.remove(live.run_id)


class BuiltinSupervisor(Service):
    """Keeps one of pytask's own tasks running: whenever it ends, the next turn starts it again."""

    def __init__(self, name: str, local_runs: LocalRuns, lifetime: Lifetime) -> None:
        super().__init__(name, lifetime)
        self._local_runs = local_runs
        self._live: Live | None = None

    def turn(self) -> None:
        # Set before the run is stored, so that stop() deletes it.
        self._live = live = Live(self._local_runs.claimed(self.name, {}), boot_s(), is_local=True)
        # A turn lasts as long as the task runs, so it reports that Redis is back as soon as the run is stored.
        outcome = self._local_runs.perform(live, self._report.redis_is_back)
        if isinstance(outcome.exception, Unavailable):
            raise outcome.exception
        if outcome.state is State.EXCEPTION and outcome.exception is not None:
            raise outcome.exception

    def stop(self, timeout_s: float = 1.0) -> None:
        if self._live is not None:
            self._live.end.reason = 'shutdown'
        super().stop(timeout_s)
        if self._live is not None:
            self._local_runs.clear_away(self._live)
