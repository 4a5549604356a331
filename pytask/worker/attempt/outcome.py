"""How an attempt ended: decided once, from what it was told and what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core import codec
from pytask.core.states import Outcome, State
from pytask.errors import InputError, Interrupted, OutputError, TaskError
from pytask.flows.signals import Signal
from pytask.worker.error_text import describe

if TYPE_CHECKING:
    from pytask.schema.outputs import Outputs
    from pytask.worker.live import Live

MAX_OUTPUT_BYTES = 2**20


def outcome_of(live: Live, value: Any, error: BaseException | None, promised: Outputs | None = None) -> Outcome:
    """Return how an attempt ended: by what it was told, else by what it returned or raised.

    InputError is an ERROR while there is no instance: then it is about the run's own data. `promised` is what the
    output must match.
    """
    told = live.end.reason
    if told == 'stop':
        kept = _output(value).output if error is None else b'null'
        return Outcome(State.STOPPED, kept, 'stop', error)
    if told == 'timeout':
        late = TimeoutError('it ran longer than its TIMEOUT')
        return Outcome(State.EXCEPTION, codec.encode(describe(late)), 'timeout', late)
    if told == 'lost' or (told == 'shutdown' and not _own_outcome_counts(live, error)):
        state = State.STOPPED if live.is_local else State.WAIT
        return Outcome(state, reason=told, exception=error)
    if told == 'failed':
        error = live.end.failure
    if error is None:
        return _output(value, promised)
    if isinstance(error, TaskError) or (isinstance(error, InputError) and live.task is None):
        return Outcome(State.ERROR, codec.encode(describe(error)['message']), exception=error)
    return Outcome(State.EXCEPTION, codec.encode(describe(error)), exception=error)


def _own_outcome_counts(live: Live, error: BaseException | None) -> bool:
    graceful = live.task is not None and live.task.graceful
    return (graceful or live.is_local) and not isinstance(error, Interrupted)


def _output(value: Any, promised: Outputs | None = None) -> Outcome:
    if isinstance(value, Signal):
        return _unfit('wait and spawn are only for steps of a flow')
    try:
        if promised is not None:
            value = promised.fit(value)
        if value is None:
            return Outcome(State.SUCCESS)
        output = codec.encode(value)
    except OutputError as error:
        return _unfit(str(error), error)
    except BaseException as error:  # noqa: BLE001 - user objects run code while they are encoded
        return _unfit(f'start returned a value that cannot be JSON: {describe(error)["message"]}')
    if len(output) > MAX_OUTPUT_BYTES:
        return _unfit(f'start returned {len(output):,} bytes of JSON; the limit is {MAX_OUTPUT_BYTES:,}')
    return Outcome(State.SUCCESS, output)


def _unfit(message: str, error: Exception | None = None) -> Outcome:
    error = error or TypeError(message[:1000])
    text = codec.encode({'type': type(error).__name__, 'message': message[:1000], 'traceback': ''})
    return Outcome(State.EXCEPTION, text, exception=error)
