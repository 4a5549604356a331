"""Pause and resume a run, a queue or a task. A pause lasts until it is resumed, even across restarts.

Pausing a run halts that run. Pausing a queue or task keeps runs from starting; running ones continue.
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
    """The pauses of runs, queues and tasks."""

    def pause(self, run_id: str) -> str:
        """Pause a run until it is resumed; it keeps its lease and its slot.

        Answers `applied` (it is waiting and will not start), `requested` (its worker was told: the greenlets of
        the run halt at their next emit, progress, message, sleep, every or checkpoint), `refused` (pytask's own
        tasks), `not_found`, or the state in which it ended.

        A stop, a shutdown or a timeout ends the halt; the time of a pause counts for the timeout. A paused run
        that is requeued or recovered waits until it is resumed, and then starts from the beginning.
        """
        return in_words(self.store.pauses.pause(run_id))

    def resume(self, run_id: str) -> str:
        """Resume a paused run; a waiting one goes to the front of its queue.

        Answers as `pause` does, or the state of a run that was not paused.
        """
        return in_words(self.store.pauses.resume(run_id))

    def pause_queue(self, queue: str) -> str:
        """Keep the runs of a queue from starting until it is resumed; it still accepts runs. Answers `applied`.

        Raises PytaskError for a name that no queue can have.
        """
        if bad := bad_name(queue, LONGEST_QUEUE):
            raise PytaskError(f'a queue {bad}')
        self.store.pauses.close(QUEUE, queue)
        return 'applied'

    def resume_queue(self, queue: str) -> str:
        """Resume a queue. Answers `applied`, or `not_found` if it was not paused."""
        return self._opened(QUEUE, queue)

    def pause_task(self, task: Any) -> str:
        """Keep the runs of a task from starting until it is resumed. Answers `applied`; `refused` for pytask's own.

        `task` is a Task class, a decorated function, or a name.
        """
        name = _name(task)
        if name.startswith(RESERVED):
            return 'refused'
        self.store.pauses.close(TASK, name)
        return 'applied'

    def resume_task(self, task: Any) -> str:
        """Resume a task. Answers `applied`, or `not_found` if it was not paused."""
        return self._opened(TASK, _name(task))

    def paused(self) -> list[Pause]:
        """Return all pauses, as (kind, name, since): queues and tasks, then runs. `since` is in Unix seconds."""
        store = self.store
        runs = store.pauses.of_runs(dict.fromkeys(store.runs.ids_out_of_line()))
        return [*store.pauses.named(), *runs]

    def _opened(self, kind: str, name: str) -> str:
        return 'applied' if self.store.pauses.open(kind, name) else 'not_found'


def _name(task: Any) -> str:
    task_class = as_task_class(task)
    return str(task) if task_class is None else task_class.NAME
