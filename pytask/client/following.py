"""Follow runs to their end. Their events make it fast, their hashes make it certain.

An event may be lost, so the hashes are read every few seconds, and at every event that ends a run.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytask.core.clock import monotonic_s
from pytask.core.events import ENDING_EVENTS
from pytask.core.states import ENDED, State
from pytask.errors import NotFound, PytaskError, Unavailable, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytask.core.events import Event
    from pytask.core.run import Run
    from pytask.store import EventStream, Store

# How long a lost event can go unnoticed.
REREAD_S = 5.0
# The longest wait for one event: short enough for callers that show the time.
TURN_S = 1.0
# Pause between attempts while Redis is away.
AGAIN_S = 0.2


def follow(store: Store, stream: EventStream, ids: Sequence[str], timeout: float | None) -> Iterator[Event | None]:
    """Yield events, or None after a second without one, until all these runs have ended. Closes the stream."""
    limit = None if timeout is None else monotonic_s() + timeout
    pending, unheard = dict.fromkeys(ids), set(ids)
    reread_at = 0.0
    try:
        while True:
            if monotonic_s() >= reread_at:
                _drop_ended(store, pending)
                reread_at = monotonic_s() + REREAD_S
            if not pending:
                yield from stream.rest(unheard)
                return
            left = TURN_S if limit is None else min(TURN_S, limit - monotonic_s())
            if left <= 0:
                raise WaitTimeout(f'not ended after {timeout:g} s: {", ".join(pending)}')
            event = stream.read(timeout_s=left)
            if event is not None and event.event in ENDING_EVENTS:
                reread_at = 0.0
                unheard.discard(event.run_id)
            yield event
    finally:
        stream.close()


def _drop_ended(store: Store, pending: dict[str, None]) -> None:
    ids = tuple(pending)
    for run_id, run in zip(ids, store.runs.read(ids), strict=True):
        if run is None:
            raise NotFound(f'no run {run_id!r}')
        if run.is_ended:
            del pending[run_id]


def await_ends(store: Store, run_ids: Sequence[str], wait_s: float) -> dict[str, str]:
    """Wait up to `wait_s` seconds for the end of runs that were told to stop; return the answer for each.

    `applied` for STOPPED, another end state, `requested`, or `not_found`. Redis may be away meanwhile.
    """
    answers = dict.fromkeys(run_ids, 'requested')
    pending = list(run_ids)
    limit = monotonic_s() + wait_s
    while True:
        try:
            answers |= zip(pending, map(_told, store.runs.read(pending)), strict=True)
            pending = [run_id for run_id in pending if answers[run_id] == 'requested']
            left = limit - monotonic_s()
            if not pending or left <= 0:
                return answers
            for _ in follow(store, store.events(pending), pending, left):
                pass
        except (WaitTimeout, NotFound):
            pass  # read them once more
        except Unavailable:
            if monotonic_s() >= limit:
                return answers
            time.sleep(AGAIN_S)


def _told(run: Run | None) -> str:
    if run is None:
        return 'not_found'
    if not run.is_ended:
        return 'requested'
    return 'applied' if run.state is State.STOPPED else run.state.value


def await_reload(store: Store, run_id: str, command_id: str, wait_s: float) -> str:
    """Return `applied` once the worker has reloaded the run, `requested` if that takes too long.

    A run that ends first answers with its state. Redis may be away meanwhile. Raises PytaskError if the worker
    refuses the data.
    """
    limit = monotonic_s() + wait_s
    while True:
        try:
            return _reload_answer(store, run_id, command_id, limit)
        except Unavailable:
            if monotonic_s() >= limit:
                return 'requested'
            time.sleep(AGAIN_S)


def _reload_answer(store: Store, run_id: str, command_id: str, limit: float) -> str:
    stream = store.events([run_id])
    try:
        while True:
            reloaded, state = store.runs.reload_answer(run_id)
            done, _, error = reloaded.partition(' ')
            if done == command_id and error:
                raise PytaskError(f'run {run_id} was not reloaded: {error}')
            if done == command_id:
                return 'applied'
            if not state or state in ENDED:
                return state or 'not_found'
            left = limit - monotonic_s()
            if left <= 0:
                return 'requested'
            stream.read(timeout_s=min(left, 0.5))
    finally:
        stream.close()
