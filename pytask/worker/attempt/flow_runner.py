"""Runs flows: the steps of one run, one after the other, in its greenlet, each as a task is run.

Between two steps everything is in Redis: one script stores the output of a step and the position of the flow before
the next begins. So another worker may take over at any moment: a step that was under way begins again, none is
skipped. A step that waits keeps nothing here; the worker that claims the flow next asks its `check`.
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

# By how many bytes a child's id is longer than its flow's.
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
        flow: FlowAttempt = live.flow
        try:
            outcome = self._begin(live, flow)
            while outcome is None:
                outcome = self._next(live, flow, perform_step)
        except BaseException as error:  # noqa: BLE001 - as in the runner: user objects run code while they are encoded
            if isinstance(error, Interrupted) and not live.end.reason:
                return Outcome(State.WAIT, reason='shutdown')
            return self._ending.fail(live, error)
        return outcome

    def _begin(self, live: Live, flow: FlowAttempt) -> Outcome | None:
        # Read its position; store the task of its step if Redis has another, so that only workers with that task
        # claim it.
        stand = self._insist(live, self._store.flows.read, [live.run_id])[0]
        steps, routine = stand.fields.get('steps', b''), ''
        if not steps:
            steps, routine = self._steps_of(live, stand.run.get('routine', ''))
        flow.stand_at(stand, read_steps(steps))
        task = flow.task
        if task and (task != stand.run.get('step') or routine):
            fresh = steps if routine else b''
            if not self._insist(live, self._store.flows.place, live.run_id, live.token, task, fresh, routine):
                return Outcome(State.WAIT, reason='lost')
            return self._unknown(task)
        return None

    def _steps_of(self, live: Live, name: str) -> tuple[bytes, str]:
        # Started by hand: only the name of a routine was written.
        found = self._insist(live, self._store.flows.routine, name) if name else None
        if found is None:
            what = f'no routine is named {name!r}' if name else 'it names no routine; make it with client.flow(…)'
            raise TaskError(f'this flow has no steps: {what}')
        return found[1], f'{found[0]} {name}'

    def _unknown(self, task: str) -> Outcome | None:
        # It does not fail but is requeued: the next claim sets it aside for a worker that knows this task.
        if self._registry.get(task) is not None:
            return None
        return Outcome(State.WAIT, reason=no_such_task(task, self._registry.names()))

    def _next(self, live: Live, flow: FlowAttempt, perform_step: Callable[[Live], Outcome]) -> Outcome | None:
        """Run, or ask, the current step; return None if the flow continues at once."""
        if not flow.task:
            return Outcome(State.SUCCESS, flow.last)
        if not live.end.reason and (self._lifetime.is_stopping or live.halt is not None):
            return Outcome(State.WAIT, reason='shutdown' if live.halt is None else 'paused')
        step_class = self._registry.get(flow.task)
        outcome = self._settled(live, flow, step_class) or self._performed(live, flow, perform_step)
        self._answer(live, flow)
        if outcome.state is not State.SUCCESS:
            return outcome
        signal, flow.signal = flow.signal, None
        if signal is not None:
            return self._held(live, flow, signal, step_class)
        return self._advanced(live, flow, outcome.output)

    def _settled(self, live: Live, flow: FlowAttempt, step_class: type[Task] | None) -> Outcome | None:
        outcome = flow.settled(step_class)
        if outcome is not None:
            self._ending.tell(live, outcome)  # a child ended it, and no code of the step ran
        return outcome

    def _answer(self, live: Live, flow: FlowAttempt) -> None:
        if flow.answer is not None:
            self._insist(live, self._store.answers.give, *flow.answer)
        if flow.failure is not None:
            self._inbox.tell(live, *flow.failure)
        flow.answer = flow.failure = None

    def _performed(self, live: Live, flow: FlowAttempt, perform_step: Callable[[Live], Outcome]) -> Outcome:
        live.phase = STARTED
        flow.keeps_mail = flow.waits
        if flow.has_mail and not flow.waits:
            flow.has_mail = False
            self._inbox.look(live)
        outcome = perform_step(live)
        # Until the next step begins, pytask's own code runs, which must not be interrupted.
        live.is_open, live.task = False, None
        return outcome

    def _advanced(self, live: Live, flow: FlowAttempt, value: bytes) -> Outcome | None:
        step = flow.steps[flow.position]
        following = flow.task_at(flow.position + 1)
        written = (flow.position, step.key, value, following, flow.saved, flow.message_key)
        if not self._insist(live, self._store.flows.advance, live.run_id, live.token, *written):
            return Outcome(State.WAIT, reason='lost')
        flow.go_on(value)
        if following and live.end.reason:
            return outcome_of(live, None, Interrupted(live.end.reason))
        return self._unknown(following) if following else None

    def _held(self, live: Live, flow: FlowAttempt, signal: Signal, step_class: type[Task] | None) -> Outcome:
        every_s = None if step_class is None else step_class.CHECK_EVERY
        child = self._child(live, signal) if isinstance(signal, Spawn) else None
        return Held(
            State.WAIT,
            reason=signal.reason,
            until_ms=signal.until_ms,
            check_ms=None if every_s is None else max(1, int(every_s * 1000)),
            saved=flow.saved,
            message=flow.message_key,
            is_child_over=flow.child_state != '',
            child=child,
        )

    def _child(self, live: Live, signal: Spawn) -> Child:
        """Check what a step spawns. Raises InputError, NotFound, and TaskError for arguments without names."""
        if len(live.run_id.encode()) + LONGEST_NUMBER > MAX_ID_BYTES:
            raise TaskError(f'the id of this flow is too long for a child: {live.run_id[:20]}….1')
        queue = live.queue or 'default'  # where this flow was claimed, its child will be, too
        if signal.routine:
            found = self._insist(live, self._store.flows.routine, signal.routine)
            if found is None:
                raise NotFound(f'no routine {signal.routine!r}')
            first = read_steps(found[1])[0].task
            routine = (found[1], first, f'{found[0]} {signal.routine}')
            return Child(queue, FLOW, _encoded(signal), routine)
        task, data = self._registry.get(signal.task), signal.data
        if task is None and signal.args:
            unknown = no_such_task(signal.task, self._registry.names())
            raise TaskError(f'{unknown}: give it data by name, not by position')
        if task is not None:
            inputs = self._registry.inputs(task)
            data = inputs.named(signal.args, data)
            inputs.bind(data)
        return Child(task.QUEUE if task else queue, signal.task, _encoded(signal, data))

    def _insist(self, live: Live, call: Callable[..., Any], *args: Any) -> Any:
        """Call Redis until it answers. Raises Interrupted if the run is told to end before that."""
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
