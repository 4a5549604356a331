"""Flows: the steps of one run, one after the other, in its greenlet; each is run as any task is.

Between two steps everything stands in Redis: what a step has left, and at which the flow stands, are written by
one script before the next begins. So it may be taken over at any moment: a step that was under way begins again,
none is skipped. A step that waits leaves nothing here at all; whoever claims the flow then asks its `check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.codec import encode
from pytask.core.events import MAX_ID_BYTES
from pytask.core.names import FLOW, no_such_task
from pytask.core.states import Outcome, State
from pytask.errors import InputError, Interrupted, NotFound, TaskError, Unavailable
from pytask.flows.signals import Spawn
from pytask.flows.steps import read_steps
from pytask.store.flows import Child, Held
from pytask.worker.attempt.outcome import outcome_of
from pytask.worker.insist import insist
from pytask.worker.live import STARTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.registry import Registry
    from pytask.authoring.task import Task
    from pytask.flows.signals import Signal
    from pytask.store import Store
    from pytask.worker.attempt.ending import AttemptEnding
    from pytask.worker.attempt.flow_attempt import FlowAttempt
    from pytask.worker.control.inbox import Inbox
    from pytask.worker.lifetime import Lifetime
    from pytask.worker.live import Live

# What the id of a child has more than its flow's, in bytes.
LONGEST_NUMBER = len('.1000000')


class FlowRunner:
    """Runs flows for one worker."""

    def __init__(
        self, store: Store, registry: Registry, ending: AttemptEnding, inbox: Inbox, lifetime: Lifetime
    ) -> None:
        self._store, self._registry = store, registry
        self._ending, self._inbox, self._lifetime = ending, inbox, lifetime

    def perform(self, live: Live, perform_step: Callable[[Live], Outcome]) -> Outcome:
        """Run steps until the flow is over, waits, or is told to end. Never raises."""
        passage: FlowAttempt = live.flow
        try:
            outcome = self._begin(live, passage)
            while outcome is None:
                outcome = self._next(live, passage, perform_step)
        except BaseException as error:  # noqa: BLE001 - as in the runner: user objects run code while they are encoded
            if isinstance(error, Interrupted) and not live.end.reason:
                return Outcome(State.WAIT, reason='shutdown')
            return self._ending.fail(live, error)
        return outcome

    def _begin(self, live: Live, passage: FlowAttempt) -> Outcome | None:
        # Read where it stands; where Redis does not know its task, only who knows that one is to claim it.
        stand = self._insist(live, self._store.flows.read, [live.run_id])[0]
        steps, routine = stand.fields.get('steps', b''), ''
        if not steps:
            steps, routine = self._steps_of(live, stand.run.get('routine', ''))
        passage.stand_at(stand, read_steps(steps))
        task = passage.task
        if task and (task != stand.run.get('step') or routine):
            fresh = steps if routine else b''
            if not self._insist(live, self._store.flows.place, live.run_id, live.token, task, fresh, routine):
                return Outcome(State.WAIT, reason='lost')
            return self._unknown(task)
        return None

    def _steps_of(self, live: Live, name: str) -> tuple[bytes, str]:
        # Started by foreign hands, who only wrote the name of a routine.
        found = self._insist(live, self._store.flows.routine, name) if name else None
        if found is None:
            what = f'there is no routine {name!r}' if name else 'it names no routine; make it with client.flow(…)'
            raise TaskError(f'a flow without steps: {what}')
        return found[1], f'{found[0]} {name}'

    def _unknown(self, task: str) -> Outcome | None:
        # It is not failed, but given back: the claim lays it aside for a worker that knows this task.
        if self._registry.get(task) is not None:
            return None
        return Outcome(State.WAIT, reason=no_such_task(task, self._registry.names()))

    def _next(self, live: Live, passage: FlowAttempt, perform_step: Callable[[Live], Outcome]) -> Outcome | None:
        """Run, or ask, the step at which the flow stands; None where it goes on at once."""
        if not passage.task:
            return Outcome(State.SUCCESS, passage.last)
        if not live.end.reason and (self._lifetime.is_stopping or live.halt is not None):
            return Outcome(State.WAIT, reason='shutdown' if live.halt is None else 'paused')
        step_class = self._registry.get(passage.task)
        outcome = self._settled(live, passage, step_class) or self._performed(live, passage, perform_step)
        self._answer(live, passage)
        if outcome.state is not State.SUCCESS:
            return outcome
        signal, passage.signal = passage.signal, None
        if signal is not None:
            return self._held(live, passage, signal, step_class)
        return self._advanced(live, passage, outcome.output)

    def _settled(self, live: Live, passage: FlowAttempt, step_class: type[Task] | None) -> Outcome | None:
        outcome = passage.settled(step_class)
        if outcome is not None:
            self._ending.tell(live, outcome)  # where a child has ended it: no code of the step's own has
        return outcome

    def _answer(self, live: Live, passage: FlowAttempt) -> None:
        if passage.answer is not None:
            self._insist(live, self._store.answers.give, *passage.answer)
        if passage.failure is not None:
            self._inbox.tell(live, *passage.failure)
        passage.answer = passage.failure = None

    def _performed(self, live: Live, passage: FlowAttempt, perform_step: Callable[[Live], Outcome]) -> Outcome:
        live.phase = STARTED
        passage.keeps_mail = passage.waits
        if passage.has_mail and not passage.waits:
            passage.has_mail = False
            self._inbox.look(live)
        outcome = perform_step(live)
        # What comes now is ours, until the next step begins, and not to be interrupted.
        live.is_open, live.task = False, None
        return outcome

    def _advanced(self, live: Live, passage: FlowAttempt, value: bytes) -> Outcome | None:
        step = passage.steps[passage.position]
        following = passage.task_at(passage.position + 1)
        written = (passage.position, step.key, value, following, passage.saved, passage.message_key)
        if not self._insist(live, self._store.flows.advance, live.run_id, live.token, *written):
            return Outcome(State.WAIT, reason='lost')
        passage.go_on(value)
        if following and live.end.reason:
            return outcome_of(live, None, Interrupted(live.end.reason))
        return self._unknown(following) if following else None

    def _held(self, live: Live, passage: FlowAttempt, signal: Signal, step_class: type[Task] | None) -> Outcome:
        every_s = None if step_class is None else step_class.CHECK_EVERY
        child = self._child(live, signal) if isinstance(signal, Spawn) else None
        return Held(
            State.WAIT,
            reason=signal.reason,
            until_ms=signal.until_ms,
            check_ms=None if every_s is None else max(1, int(every_s * 1000)),
            saved=passage.saved,
            message=passage.message_key,
            is_child_over=passage.child_state != '',
            child=child,
        )

    def _child(self, live: Live, signal: Spawn) -> Child:
        """Check what is to be spawned. Raises InputError, NotFound; TaskError for args nobody here can name."""
        if len(live.run_id.encode()) + LONGEST_NUMBER > MAX_ID_BYTES:
            raise TaskError(f'the id of this flow is too long to spawn: a child is {live.run_id[:20]}….1')
        queue = live.queue or 'default'  # where it was claimed somebody claims what nobody here knows better
        if signal.routine:
            found = self._insist(live, self._store.flows.routine, signal.routine)
            if found is None:
                raise NotFound(f'no routine {signal.routine!r}')
            first = read_steps(found[1])[0].task
            flow = (found[1], first, f'{found[0]} {signal.routine}')
            return Child(queue, FLOW, _encoded(signal), flow)
        task, data = self._registry.get(signal.task), signal.data
        if task is None and signal.args:
            raise TaskError(f'{no_such_task(signal.task, self._registry.names())}: give it data by name, no args')
        if task is not None:
            inputs = self._registry.inputs(task)
            data = inputs.named(signal.args, data)
            inputs.bind(data)
        return Child(task.QUEUE if task else queue, signal.task, _encoded(signal, data))

    def _insist(self, live: Live, call: Callable[..., Any], *args: Any) -> Any:
        """Call Redis until it answers. Raises Interrupted where the run is told to end before that."""
        try:
            return insist(call, *args, is_over=lambda: bool(live.end.reason) or self._lifetime.is_stopping)
        except Unavailable:
            raise Interrupted(live.end.reason or 'shutdown') from None


def _encoded(signal: Spawn, data: Any = None) -> bytes:
    try:
        return encode(signal.data if data is None else data)
    except (TypeError, ValueError, RecursionError) as error:
        problem = ('data', f'is not JSON: {error}')
        raise InputError(signal.task or signal.routine, [problem], 'spawn(data={…})') from error
