"""A flow in one attempt: its steps, its position and state, read from Redis at the start.

It calls a step's `start` or, if the flow has waited, its `check`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytask.core.codec import encode
from pytask.core.envelope import method_name, read_envelope
from pytask.core.fields import as_json
from pytask.core.states import Outcome, State
from pytask.errors import InputError, Interrupted, PytaskError, TaskError
from pytask.flows.signals import Signal, Wait
from pytask.flows.steps import SUBMIT, Results
from pytask.schema.inputs import read_object
from pytask.schema.signatures import inputs_of_call
from pytask.worker.attempt import message_handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.task import Task
    from pytask.core.envelope import Envelope
    from pytask.flows.steps import Step
    from pytask.schema.inputs import Inputs
    from pytask.schema.lookups import Resolvers
    from pytask.store.flows import Stand

# What `self.state` may hold, as JSON: it travels with each move of the flow.
MAX_SAVED_BYTES = 2**20


class FlowAttempt:
    """One flow in one attempt. `waits` is true if its current step has begun and holds the flow.

    Messages are then for the step's `check`, and stay in the inbox until it has decided: `keeps_mail`.
    """

    def __init__(self) -> None:
        self.steps: tuple[Step, ...] = ()
        self.position = 0
        self.results = Results()
        self.state: dict[str, Any] = {}
        self.saved = b'{}'
        self.last = b'null'
        self.signal: Signal | None = None
        self.answer: tuple[str, bytes] | None = None  # for the asker
        self.failure: tuple[Envelope, BaseException] | None = None  # of the handling of a message
        self.keeps_mail, self.has_mail = True, False
        self._enter_step()

    def _enter_step(self) -> None:
        self.waits = self.is_due = False
        self.reason = ''
        self.until_ms: int | None = None
        self.message: Envelope | None = None
        self.child = self.child_state = ''
        self.offload = b'null'

    def stand_at(self, stand: Stand, steps: tuple[Step, ...]) -> None:
        """Take over what Redis has stored."""
        run, fields = stand.run, stand.fields
        self.steps, self.results = steps, Results.read(fields)
        self.position = int(run['position']) if run.get('position', '').isdecimal() else 0
        self.last = fields.get(f'{self.position - 1}:{self._key_before()}', b'null')
        self.saved = fields.get('saved', b'{}')
        state = as_json(self.saved)
        self.state = state if isinstance(state, dict) else {}
        if 'wait' not in run:
            return
        self.waits, self.reason, self.child = True, run['wait'], run.get('child', '')
        until = run.get('until', '')
        self.until_ms = int(until) if until.isdecimal() else None
        self.is_due = self.until_ms is not None and self.until_ms <= stand.now_ms
        self.child_state = fields.get('ended', b'').decode('utf-8', 'replace')
        self.offload = fields.get('offload', b'null')
        if stand.message is not None and not self.child_state:  # one thing at a time
            self.message = read_envelope(stand.message)

    def go_on(self, value: bytes) -> None:
        """Go to the next step; this one left `value`."""
        self.results.put(self.position, self.steps[self.position].key, as_json(value))
        self.position += 1
        self.last = value
        self._enter_step()

    @property
    def task(self) -> str:
        """The task of the current step, '' after the last."""
        return self.task_at(self.position)

    def task_at(self, position: int) -> str:
        return self.steps[position].task if position < len(self.steps) else ''

    @property
    def is_at_start(self) -> bool:
        """Tell whether `start` returned an output, and not a signal: only that must match its annotation."""
        return self.signal is None and not self.waits

    @property
    def message_key(self) -> bytes:
        """The entry of the inbox that the step handles, b'' for none."""
        return self.message.key if self.message is not None else b''

    def _key_before(self) -> str:
        return self.steps[self.position - 1].key if 0 < self.position <= len(self.steps) else ''

    def settled(self, step_class: type[Task] | None) -> Outcome | None:
        """Return the outcome of a waiting step if it can be decided without calling `check`; otherwise None."""
        if not self.waits or step_class is None:
            return None
        has_check = callable(getattr(step_class, 'check', None))
        if not has_check and not self.child_state and self.message is not None and _hears(step_class, self.message):
            return None
        has_news = self.child_state or self.message is not None or self.is_due
        if has_check and (has_news or step_class.CHECK_EVERY is not None):
            return None
        outcome = None if has_check else self._unchecked()
        if outcome is None:
            self.signal = self._stay()
        return outcome or Outcome(State.SUCCESS)

    def _unchecked(self) -> Outcome | None:
        if self.child_state:
            return self._as_child()
        if self.message is not None and self.message.name != SUBMIT:
            if self.message.ask:
                self.answer = (self.message.ask, encode({'value': None}))
            return Outcome(State.SUCCESS, encode(self.message.data))
        return Outcome(State.SUCCESS) if self.is_due else None

    def _as_child(self) -> Outcome:
        state = State(self.child_state) if self.child_state in State.__members__ else State.EXCEPTION
        reason = '' if state is State.SUCCESS else f'child {self.child} ended {state}'
        return Outcome(state, self.offload, reason)

    def _stay(self) -> Wait:
        return Wait(self.reason, None if self.is_due else self.until_ms)

    # From here on user code is called, which may raise anything.

    def enter(self, task: Task, data: bytes) -> Any:
        """Call the step; return its output, None if it returned a signal."""
        self.signal = self.answer = self.failure = None  # left by an instance that was reloaded
        value = self._ask(task, data) if self.waits else task.start()  # type: ignore[attr-defined]
        own = getattr(task, '__dict__', {}).get('state')
        if isinstance(own, dict):  # the task assigned a new dict
            self.state = own
        self.saved = _encoded(self.state)
        if isinstance(value, Signal):
            self.signal, value = value, None
        return value

    def _ask(self, task: Task, data: bytes) -> Any:
        if self.message is not None:
            self._hear(task, self.message)
        check: Callable[..., Any] | None = getattr(task, 'check', None)
        if check is None:
            return self._stay() if self.failure else self.message.data  # type: ignore[union-attr]
        given = read_object(task.NAME, data)
        if self.child_state:
            given |= {'offload': as_json(self.offload), 'ended': self.child_state}
        if self.message is not None and isinstance(self.message.data, dict):
            given |= self.message.data
        plain = getattr(check, '__func__', check)
        inputs = _inputs(f'{task.NAME}.check', plain, plain is not check, task.pytask_app)
        try:
            bound = inputs.found(inputs.bind(fitting(inputs, given)))
        except InputError as error:
            if self.message is None:
                raise TaskError(str(error)) from None  # the flow's own data
            self._was_heard(self.message, message_handler.failed(error))  # the sender's mistake
            return self._stay()
        args, named = inputs.arguments(bound)
        value = check(*args, **named)
        return self._stay() if value is False else value

    def _hear(self, task: Task, message: Envelope) -> None:
        heard = (
            message_handler.hear(task, message)
            if _hears(task, message)
            else message_handler.Heard(encode({'value': None}))
        )
        if heard is None:
            raise Interrupted('')
        self._was_heard(message, heard)

    def _was_heard(self, message: Envelope, heard: message_handler.Heard) -> None:
        if message.ask:
            self.answer = (message.ask, heard.answer)
        if heard.error is not None:
            self.failure = (message, heard.error)


def _hears(step: Task | type[Task], message: Envelope) -> bool:
    try:
        return message.name != SUBMIT and callable(getattr(step, method_name(message.name), None))
    except PytaskError:  # written by hand, without a valid name
        return False


def fitting(inputs: Inputs, data: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a flow's data that a step takes."""
    return data if inputs.more is not None else {name: data[name] for name in data if name in inputs.fields}


@lru_cache(maxsize=256)
def _inputs(
    name: str,
    source: Callable[..., Any],
    is_unbound: bool,  # noqa: FBT001 - a cache's key
    hooks: Resolvers | None,
) -> Inputs:
    return inputs_of_call(name, source, is_unbound=is_unbound, hooks=hooks)


def _encoded(state: dict[str, Any]) -> bytes:
    try:
        saved = encode(state)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f'self.state cannot be JSON: {error}') from None
    if len(saved) > MAX_SAVED_BYTES:
        raise ValueError(f'self.state has {len(saved):,} bytes of JSON; the limit is {MAX_SAVED_BYTES:,}')
    return saved
