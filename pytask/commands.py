"""What a client tells runs: stop, reload, extend, retry. Each answer is what is true, never a hope."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from pytask import messages
from pytask.errors import NotFound
from pytask.follow import await_reload
from pytask.launch import seconds_text
from pytask.messages import encode
from pytask.stack import ask_stack
from pytask.states import State
from pytask.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.store import Store

Answers = list[str]


class Commands(Talk):
    """The commands of a Client."""

    @property
    def store(self) -> Store:
        raise NotImplementedError

    def stop(self, run_id: str) -> str:
        """Stop a run wherever it is.

        Answers `applied` (it waited, and never starts), `requested` (its worker has been told),
        `refused` (pytask's own tasks), or the state in which it had ended. Raises NotFound.
        """
        return self._answer(run_id, self.store.runs.command(run_id, messages.STOP))

    def stop_many(self, run_ids: Sequence[str]) -> Answers:
        """Stop many runs, hundreds in one round trip; answers as `stop` does, and `not_found`."""
        return [_lower(answer) for answer in self.store.runs.command_many(run_ids, messages.STOP)]

    def reload(self, run_id: str, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str:
        """Start a run anew inside its worker, with new data or the same: same id, same attempt.

        Answers `applied` once the worker has done it, `requested` if it has not within `wait` seconds,
        else as `stop` does. Raises NotFound, and PytaskError with the worker's reason where the new
        data is bad; then the old instance goes on.
        """
        command_id = secrets.token_hex(4)
        text = b'' if data is None else encode(data)
        store = self.store
        answer = store.runs.command(run_id, messages.RELOAD, data=text, command_id=command_id)
        if answer != 'REQUESTED':
            return self._answer(run_id, answer)
        return await_reload(store, run_id, command_id, wait)

    def extend(self, run_id: str, seconds: float) -> str:
        """Let a run take so many seconds more: from now where it runs, of its total where it waits.

        It never gets less than it has; where nothing limits it, nothing changes. Answers `applied` (it waits),
        `requested` (written down and told to its worker, which looks there before it ends a run), else as `stop`
        does. Raises NotFound, and PytaskError for what is no span.
        """
        return self._answer(run_id, self.store.runs.extend(run_id, seconds_text('extend', seconds)))

    def retry(self, run_id: str) -> str:
        """Run an ended run again, with its id and data. Answers as `stop` does."""
        return self._answer(run_id, self.store.runs.retry(run_id))

    def remove(self, *run_ids: str) -> Answers:
        """Delete ended runs. Answers for each `ok`, `not_found`, or the state of one that has not ended."""
        return [_lower(answer) for answer in self.store.runs.remove(run_ids, takes_kept=True)]

    def stack(self, run_id: str, *, timeout: float = 5.0, full: bool = False) -> str:
        """Return where every greenlet of a running run stands, as text; `full` with the frames of libraries.

        Raises NotFound, and PytaskError saying why there is no answer: it does not run, or its worker is gone,
        blocked (by what, and where), or silent for `timeout` seconds.
        """
        return ask_stack(self.store, run_id, timeout, is_full=full)

    def _answer(self, run_id: str, answer: str) -> str:
        if answer == 'NOT_FOUND':
            raise NotFound(f'no run {run_id!r}')
        return _lower(answer)


def _lower(answer: str) -> str:
    # States keep their capitals: they are states, not answers.
    return answer if answer in State.__members__ else answer.lower()
