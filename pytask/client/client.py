"""The client: start, read, follow and command runs, from any process, patched or not, any thread, after any fork.

Client and worker meet only in the store. `base` has the connections and reads runs, `starting` checks and starts
them, `following` follows them to their end; each other file has the commands of one subject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.client.base import Runs
from pytask.client.commands import RunCommands
from pytask.client.flows import FlowCommands
from pytask.client.following import follow
from pytask.client.messages import MessageCommands
from pytask.client.pauses import PauseCommands
from pytask.client.schedules import ScheduleCommands
from pytask.client.starting import Launch, start_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytask.core.events import Event
    from pytask.core.run import Run


class Client(RunCommands, MessageCommands, FlowCommands, PauseCommands, ScheduleCommands):
    """A client of one Redis and prefix. Connects on first use; cheap to keep, safe to share.

    `registry` lets it check data against a task's inputs before anything is enqueued.
    """

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

        `task` is a name, a Task class or a decorated function. Pass your own `run_id` to make the call safe to
        repeat: the same start again returns the same run. `timeout` limits each attempt, in seconds, instead of
        the task's TIMEOUT. `at` (Unix seconds, a datetime, or ISO 8601 text, by default in this machine's time
        zone) or `delay` (seconds) says when the run is queued, by the clock of Redis; a time in the past means
        now. Raises InputError, RunExists, PytaskError for a bad id or time, Unavailable.
        """
        return self.start_many([Launch(task, data, run_id, queue, timeout, at, delay)])[0]

    def start_many(self, launches: Iterable[Launch | tuple[Any, dict[str, Any]]]) -> list[Run]:
        """Start many runs in one round trip; each is a Launch or a (task, data) pair. Raises as `start` does."""
        return start_runs(self, launches)

    def wait(self, *runs: Run | str, timeout: float | None = None) -> Runs:
        """Block until all of these runs have ended. Raises WaitTimeout after `timeout` seconds, NotFound."""
        ids = [run if isinstance(run, str) else run.id for run in runs]
        for _ in self.watch(*ids, timeout=timeout):
            pass
        return [self.get(run_id) for run_id in ids]

    def events(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event]:
        """Yield the events of these runs from now until all have ended. Raises WaitTimeout, NotFound."""
        return (event for event in self.watch(*run_ids, timeout=timeout) if event is not None)

    def watch(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event | None]:
        """Yield events as `events` does, and None about once a second while there are none."""
        # Subscribe now, not at the first `next`, so that no event in between is missed.
        return follow(self.store, self.store.events(run_ids), run_ids, timeout)
