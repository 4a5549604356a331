"""What a client pauses, and lets go on: a run, a queue, a task. Durable; each answer is what is true.

A pause of a run is about that run; one of a queue or task is about starting: what runs goes on.
"""

from __future__ import annotations

from typing import Any

from pytask.authoring.decorator import as_task_class
from pytask.client.base import ClientBase
from pytask.client.messages import in_words
from pytask.core.limits import LONGEST_QUEUE
from pytask.core.names import RESERVED, bad_name
from pytask.errors import PytaskError
from pytask.store.pauses import QUEUE, TASK, Pause


class PauseCommands(ClientBase):
    """What a client does with pauses."""

    def pause(self, run_id: str) -> str:
        """Pause a run until it is resumed; it keeps its lease and its slot.

        Answers `applied` (it waits, and does not start), `requested` (its worker has been told: its greenlets
        halt at their next emit, progress, message, sleep, every or checkpoint), `refused` (pytask's own
        tasks), `not_found`, or the state in which it had ended.

        To be told to stop, or shut down, or a TIMEOUT, which goes on counting, ends the halt. Given back or
        recovered, it waits, paused, and begins anew when it is resumed.
        """
        return in_words(self.store.pauses.pause(run_id))

    def resume(self, run_id: str) -> str:
        """Let a paused run go on, one that waits at the front of its queue.

        Answers as `pause` does, and with the state of one that was not paused.
        """
        return in_words(self.store.pauses.resume(run_id))

    def pause_queue(self, queue: str) -> str:
        """Let nothing of a queue start until it is resumed. Starts are accepted. Answers `applied`.

        Raises PytaskError for what can not name a queue.
        """
        if bad := bad_name(queue, LONGEST_QUEUE):
            raise PytaskError(f'a queue {bad}')
        self.store.pauses.close(QUEUE, queue)
        return 'applied'

    def resume_queue(self, queue: str) -> str:
        """Let a queue go on. Answers `applied`, or `not_found` where it was not paused."""
        return self._opened(QUEUE, queue)

    def pause_task(self, task: Any) -> str:
        """Let no run of a task start until it is resumed. Answers `applied`, or `refused` for pytask's own.

        `task` is a class, a decorated function, or the name its runs were started with.
        """
        name = _name(task)
        if name.startswith(RESERVED):
            return 'refused'
        self.store.pauses.close(TASK, name)
        return 'applied'

    def resume_task(self, task: Any) -> str:
        """Let runs of a task start again. Answers `applied`, or `not_found` where it was not paused."""
        return self._opened(TASK, _name(task))

    def paused(self) -> list[Pause]:
        """Return what is paused, as (kind, name, since): queues, tasks, runs."""
        store = self.store
        runs = store.pauses.of_runs(dict.fromkeys(store.runs.ids_out_of_line()))
        return [*store.pauses.named(), *runs]

    def _opened(self, kind: str, name: str) -> str:
        return 'applied' if self.store.pauses.open(kind, name) else 'not_found'


def _name(task: Any) -> str:
    task_class = as_task_class(task)
    return str(task) if task_class is None else task_class.NAME
