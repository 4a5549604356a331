"""What a client tells runs and workers: stop, reload, extend, retry. Each answer is what is true, never a hope.

The words: `applied`, `requested` (told, and not done yet), `refused` (pytask's own tasks, local runs),
`not_found`, or the state of a run to which it can not be done. Nothing is raised for any of these.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pytask.client.base import ClientBase
from pytask.client.following import await_ends, await_reload
from pytask.client.messages import in_words
from pytask.client.stacks import ask_stack
from pytask.client.starting import seconds_text
from pytask.core import events
from pytask.core.clock import check_seconds
from pytask.core.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence


Answers = list[str]


class RunCommands(ClientBase):
    """The commands to runs and workers."""

    def stop(self, run_id: str, wait: float | None = None, grace: float | None = None) -> str:
        """Stop a run wherever it is; with `wait` see to its end for at most so many seconds.

        `grace` is how many seconds it may take before it is interrupted, instead of its task's GRACE; 0
        interrupts it at once. A later stop with a shorter grace hurries an earlier one.

        Answers `applied` (it waited and never starts, or has ended STOPPED within `wait`), `requested` (its
        worker has been told), `refused` (pytask's own tasks), `not_found`, or the end state which it had
        already, or has reached instead. Raises ValueError for a bad number, Unavailable.
        """
        return self.stop_many([run_id], wait, grace)[0]

    def stop_many(self, run_ids: Sequence[str], wait: float | None = None, grace: float | None = None) -> Answers:
        """Stop many runs, hundreds in one round trip; answers for each as `stop` does. `wait` is for all."""
        check_seconds('wait', wait)
        check_seconds('grace', grace)
        store = self.store
        given = store.runs.command_many(run_ids, events.STOP, grace_s=grace)
        answers = dict(zip(run_ids, map(in_words, given), strict=True))
        told = [run_id for run_id, answer in answers.items() if answer == 'requested']
        if wait is not None and told:
            answers |= await_ends(store, told, wait)
        return [answers[run_id] for run_id in run_ids]

    def stop_worker(self, worker_id: str) -> str:
        """Shut a worker down, as SIGTERM does. Answers `requested` or `not_found`."""
        return self.store.workers.stop(worker_id).lower()

    def reload(self, run_id: str, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str:
        """Start a run anew inside its worker, with new data or the same: same id, same attempt.

        Answers `applied` once the worker has done it (a run that waits has the new data at once), `requested` if
        it has not within `wait` seconds, else as `stop` does. Raises PytaskError with the worker's reason
        where the new data is bad; then the old instance goes on.
        """
        check_seconds('wait', wait)
        command_id = secrets.token_hex(4)
        text = b'' if data is None else encode(data)
        store = self.store
        answer = store.runs.command(run_id, events.RELOAD, data=text, command_id=command_id)
        return await_reload(store, run_id, command_id, wait) if answer == 'REQUESTED' else in_words(answer)

    def extend(self, run_id: str, seconds: float) -> str:
        """Let a run take so many seconds more: from now where it runs, of its total where it waits.

        It never gets less than it has; where nothing limits it, nothing changes. Answers `applied` (it waits),
        `requested` (written down and told to its worker, which looks there before it ends a run), else as `stop`
        does. Raises PytaskError for what is no span.
        """
        return in_words(self.store.runs.extend(run_id, seconds_text('extend', seconds)))

    def remove(self, *run_ids: str) -> Answers:
        """Delete ended runs. Answers for each `applied`, `not_found`, or the state of one that has not ended."""
        answers = self.store.runs.remove(run_ids, takes_kept=True)
        return ['applied' if answer == 'OK' else in_words(answer) for answer in answers]

    def stack(self, run_id: str, *, timeout: float = 5.0, full: bool = False) -> str:
        """Return where every greenlet of a running run stands, as text; `full` with the frames of libraries.

        Raises NotFound, and PytaskError saying why there is no answer: it does not run, or its worker is gone,
        blocked (by what, and where), or silent for `timeout` seconds.
        """
        return ask_stack(self.store, run_id, timeout, is_full=full)
