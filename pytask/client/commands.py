"""Commands to runs and workers: stop, reload, extend, remove. An answer reports the state at that moment.

The answers: `applied`, `requested` (the worker was told and has not done it yet), `refused` (pytask's own
tasks, local runs), `not_found`, or the state that rules the command out. None of these raises.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pytask.client.base import ClientBase
from pytask.client.following import await_ends, await_reload
from pytask.client.messages import in_words
from pytask.client.stacks import ask_stack
from pytask.client.starting import seconds_text
from pytask.core import commands
from pytask.core.clock import check_seconds
from pytask.core.codec import encode

if TYPE_CHECKING:
    from collections.abc import Sequence


Answers = list[str]


class RunCommands(ClientBase):
    """The commands to runs and workers."""

    def stop(self, run_id: str, wait: float | None = None, grace: float | None = None) -> str:
        """Stop a run in any state; wait up to `wait` seconds for its end.

        `grace` is how many seconds it may take to finish before it is interrupted, instead of its task's GRACE;
        0 interrupts it immediately. A later stop with a shorter grace shortens an earlier one.

        Answers `applied` (it was waiting and will not start, or it ended as STOPPED within `wait`), `requested`
        (its worker was told), `refused` (pytask's own tasks), `not_found`, or the end state that it had already
        or reached instead. Raises ValueError for a bad number of seconds, Unavailable.
        """
        return self.stop_many([run_id], wait, grace)[0]

    def stop_many(self, run_ids: Sequence[str], wait: float | None = None, grace: float | None = None) -> Answers:
        """Stop many runs, hundreds per round trip; return the answer of `stop` for each. `wait` is for all."""
        check_seconds('wait', wait)
        check_seconds('grace', grace)
        store = self.store
        given = store.runs.command_many(run_ids, commands.STOP, grace_s=grace)
        answers = dict(zip(run_ids, map(in_words, given), strict=True))
        told = [run_id for run_id, answer in answers.items() if answer == 'requested']
        if wait is not None and told:
            answers |= await_ends(store, told, wait)
        return [answers[run_id] for run_id in run_ids]

    def stop_worker(self, worker_id: str) -> str:
        """Shut a worker down, as SIGTERM does. Answers `requested` or `not_found`."""
        return self.store.workers.stop(worker_id).lower()

    def reload(self, run_id: str, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str:
        """Restart a run inside its worker, with new data or the same; id and attempt stay the same.

        Answers `applied` once the worker has done it (a waiting run has the new data immediately), `requested` if
        that took longer than `wait` seconds, otherwise as `stop` does. Raises PytaskError with the worker's reason
        if the new data is invalid; the old instance then continues.
        """
        check_seconds('wait', wait)
        command_id = secrets.token_hex(4)
        text = b'' if data is None else encode(data)
        store = self.store
        answer = store.runs.command(run_id, commands.RELOAD, data=text, command_id=command_id)
        return await_reload(store, run_id, command_id, wait) if answer == 'REQUESTED' else in_words(answer)

    def extend(self, run_id: str, seconds: float) -> str:
        """Give a run more time: `seconds` from now if it is running, on top of its timeout if it is waiting.

        This never shortens a timeout, and does nothing to a run without one. Answers `applied` (it is waiting),
        `requested` (recorded, and its worker was told), otherwise as `stop` does. Raises PytaskError unless
        `seconds` is between 0.001 and a century.
        """
        return in_words(self.store.runs.extend(run_id, seconds_text('extend', seconds)))

    def remove(self, *run_ids: str) -> Answers:
        """Delete ended runs. Answers for each `applied`, `not_found`, or its state if it has not ended."""
        answers = self.store.runs.remove(run_ids, takes_kept=True)
        return ['applied' if answer == 'OK' else in_words(answer) for answer in answers]

    def stack(self, run_id: str, *, timeout: float = 5.0, full: bool = False) -> str:
        """Return the stacks of all greenlets of a running run as text; `full` includes the frames of libraries.

        Raises NotFound, and PytaskError with the reason if there is no answer: the run is not running, or its
        worker is gone, blocked (by what, and where), or silent for `timeout` seconds.
        """
        return ask_stack(self.store, run_id, timeout, is_full=full)
