"""States, the allowed moves between them, and the outcome of an attempt.

The six states are the whole life of a run; `reason` has further detail. `MOVES` is the
table the scripts implement; tests hold them to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of a run: waiting, running, or one of four ways to end."""

    WAIT = 'WAIT'
    RUNNING = 'RUNNING'
    STOPPED = 'STOPPED'
    SUCCESS = 'SUCCESS'
    ERROR = 'ERROR'
    EXCEPTION = 'EXCEPTION'

    @property
    def is_ended(self) -> bool:
        return self in ENDED


ENDED = frozenset({State.STOPPED, State.SUCCESS, State.ERROR, State.EXCEPTION})
# Lists of runs show what needs attention first.
LIST_ORDER = (State.RUNNING, State.WAIT, State.EXCEPTION, State.ERROR, State.STOPPED, State.SUCCESS)


MOVES: dict[State, frozenset[State]] = {
    State.WAIT: frozenset({State.RUNNING, State.STOPPED}),  # claim; stop
    State.RUNNING: ENDED | {State.WAIT},  # finish; release and recover
    **dict.fromkeys(ENDED, frozenset({State.WAIT})),  # retry
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: decided once by the runner, recorded once by the writer.

    State WAIT means requeued: the run goes to the front of its queue. `output` is JSON text;
    `exception` is the live error behind an ERROR or EXCEPTION, for hooks and logs.
    """

    state: State
    output: bytes = b'null'
    reason: str = ''
    exception: BaseException | None = None

    @property
    def is_given_back(self) -> bool:
        return self.state is State.WAIT
