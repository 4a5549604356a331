"""Messages to a run, `send` and `ask` (which waits for an answer), and the messages that it published."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.client.base import ClientBase
from pytask.core.clock import check_seconds, monotonic_s
from pytask.core.envelope import new_envelope
from pytask.core.events import Message
from pytask.core.states import State
from pytask.errors import AskError, NotFound, RunEnded, WaitTimeout

if TYPE_CHECKING:
    from pytask.store import Store

Messages = list[Message]

# How often to check whether the run has ended, while waiting for its answer.
LOOK_EVERY_S = 1.0
# Two greenlets write the end and the answer, so the answer may be the later one.
AFTER_THE_END_S = 0.5


class MessageCommands(ClientBase):
    """Messages to and from runs."""

    def messages(self, run_id: str) -> Messages:
        """Return the last 1,000 messages that a run published with `message`, oldest first. Raises NotFound."""
        found = self.store.runs.messages(run_id)
        if found is None:
            raise NotFound(f'no run {run_id!r}')
        return found

    def send(self, run_id: str, name: str, data: dict[str, Any] | None = None) -> str:
        """Send a message: the task's `on_<name>` is called with this data, else its `on_message(name, data)`.

        Messages are handled in order, one at a time, each at least once while the run lives; a waiting run
        handles them when it starts. Answers `requested`, `full` (1,000 messages or 1 MiB are unhandled),
        `refused` (pytask's own tasks), `not_found`, or the state in which the run ended. Raises InputError for a
        bad name, and unless the data is a JSON object of at most 64 KiB.
        """
        return in_words(self.store.inboxes.send(run_id, new_envelope(name, data)))

    def ask(self, run_id: str, name: str, data: dict[str, Any] | None = None, *, timeout: float = 5.0) -> Any:
        """Send a message and return the value that the task's `on_<name>` returned.

        Raises AskError with the error that it raised, or the reason why it was not called; RunEnded if the run has
        ended or ends meanwhile; WaitTimeout after `timeout` seconds (the message may still be handled later);
        NotFound; InputError; ValueError for a bad number of seconds.
        """
        check_seconds('timeout', timeout)
        store, ask = self.store, secrets.token_hex(8)
        limit = monotonic_s() + timeout
        _check(run_id, store.inboxes.send(run_id, new_envelope(name, data, ask)))
        while (text := store.answers.take(ask, timeout_s=_turn_s(limit))) is None:
            state = _state(store, run_id)
            if state.is_ended:
                text = store.answers.take(ask, timeout_s=AFTER_THE_END_S)
                if text is None:
                    raise RunEnded(run_id, state)
                break
            if monotonic_s() >= limit:
                raise WaitTimeout(f'run {run_id} has not answered {name!r} within {timeout:g} s; it is {state}')
        return _value(text)


def in_words(answer: str) -> str:
    """Return a script's answer as clients see it: in lower case, unless it is a state."""
    return answer if answer in State.__members__ else answer.lower()


def _check(run_id: str, answer: str) -> None:
    if answer == 'NOT_FOUND':
        raise NotFound(f'no run {run_id!r}')
    if answer == 'REFUSED':
        raise AskError(f"run {run_id} is one of pytask's own tasks, which take no messages")
    if answer == 'FULL':
        raise AskError(f'run {run_id} has too many unhandled messages; ask again later')
    if answer != 'REQUESTED':
        raise RunEnded(run_id, answer)


def _turn_s(limit: float) -> float:
    return max(0.0, min(LOOK_EVERY_S, limit - monotonic_s()))


def _state(store: Store, run_id: str) -> State:
    run = store.runs.read([run_id])[0]
    if run is None:
        raise NotFound(f'no run {run_id!r}')
    return run.state


def _value(text: bytes) -> Any:
    answer = msgspec.json.decode(text)
    if 'error' in answer:
        raise AskError(answer['error'], answer.get('type', ''))
    return answer['value']
