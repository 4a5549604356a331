"""Flows and routines: make, submit, force, retry and read them.

A flow is a run of `pytask/flow`, so every command for runs works on flows: stop, wait, pause, send, events.
Here is what only flows have: steps.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pytask.client.base import ClientBase
from pytask.client.messages import in_words
from pytask.core.clock import wall_s
from pytask.core.codec import encode
from pytask.core.envelope import MAX_ANSWER_BYTES, MAX_MESSAGE_BYTES, new_envelope
from pytask.core.fields import as_json, text
from pytask.core.ids import is_valid_id
from pytask.core.names import FLOW
from pytask.core.run import Run
from pytask.core.states import ENDED, State
from pytask.errors import InputError, NotFound, PytaskError, RunEnded, RunExists
from pytask.flows.flow import Flow
from pytask.flows.steps import (
    SUBMIT,
    Results,
    Routine,
    Step,
    as_steps,
    check_name,
    read_steps,
    step_at,
)
from pytask.store.flows import NewFlow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.store.flows import Stand

# Leaves room for the ids of its children and grandchildren.
LONGEST_ID = 200
_TOO_LARGE = f'is {{:,}} bytes; a flow that waits takes at most {MAX_MESSAGE_BYTES:,}'


class FlowCommands(ClientBase):
    """Flows and routines."""

    def routine(self, name: str, steps: Any = None) -> Routine:
        """Store a routine and return it; without `steps`, return the stored one.

        Each step is a task's name, a tuple of 1 to 3 of `('key', 'task', 'name')`, a dict with these names, or a
        Step. Different steps make the next version; existing flows keep their steps. Raises PytaskError for a bad
        step, NotFound if there is no such routine.
        """
        if steps is not None:
            made = as_steps(steps)
            version = self.store.flows.define(check_name('routine', name), encode(made))
            return Routine(name, version, made)
        found = self.store.flows.routine(name)
        kept = _readable(found[1]) if found else ()
        if not found or not kept:
            raise NotFound(self._no_routine(name))
        return Routine(name, found[0], kept)

    def routines(self) -> list[Routine]:
        """Return all routines, sorted by name; one that cannot be read has no steps."""
        found = self.store.flows.routines().items()
        return [Routine(name, version, _readable(steps)) for name, (version, steps) in found]

    def flow(
        self,
        of: Any,
        name: str | None = None,
        position: int = 0,
        *,
        flow_id: str | None = None,
        queue: str = 'default',
    ) -> Flow:
        """Make a flow of a Routine, the name of one, or a list of steps. It waits to be submitted.

        `position` is the step it begins with. Pass your own `flow_id` to make the call safe to repeat; the flow's
        `is_submitted` then says whether it was submitted already. Raises PytaskError for a bad step, id or
        position, NotFound, RunExists.
        """
        routine = of if isinstance(of, Routine) else self.routine(of) if isinstance(of, str) else None
        steps = as_steps(of if routine is None else routine.steps)
        step = step_at(steps, position)
        flow_id = flow_id or self.new_id()
        if not is_valid_id(flow_id) or len(flow_id.encode()) > LONGEST_ID:
            raise PytaskError(f'not an id: {flow_id!r}; 1 to {LONGEST_ID} printable bytes, not ending in -control')
        label = check_name('flow', name) if name is not None else routine.name if routine else ''
        of_which = f'{routine.version} {routine.name}' if routine else ''
        new = NewFlow(flow_id, queue, position, step.task, encode(steps), of_which, label)
        if not self.store.flows.accept(new):
            self._insist_on_the_same(flow_id, steps)
        return self.get_flow(flow_id)

    def get_flow(self, flow_id: str) -> Flow:
        """Read a flow. Raises NotFound, also for a run that is not a flow."""
        return self.flows_of([self.get(flow_id)])[0]

    def flows(self, *, states: Sequence[State | str] = (), limit: int | None = 50) -> list[Flow]:
        """Return flows: running, waiting, then ended ones, newest first in each state. `limit=None` means all."""
        return self.flows_of(self.list(states=states, task=FLOW, limit=limit))

    def submit(self, flow: Flow | str, /, **data: Any) -> str:
        """Queue a flow with this data, and return its id.

        If it waits at a step, the data goes to the step's `check`, which is called again. Repeating a call changes
        nothing. Raises RunEnded if it has ended, PytaskError if it is running or queued with other data, NotFound,
        InputError.
        """
        flow_id = _id(flow)
        encoded = _encoded(data)
        try:
            message = new_envelope(SUBMIT, data)
        except InputError:  # too large for a message, but not for the first data of a flow
            message = b''
        answer = self.store.flows.submit(flow_id, encoded, message)
        if answer == 'TOO_LARGE':
            raise InputError(FLOW, [('data', _TOO_LARGE.format(len(encoded)))], 'submit(flow, **data)')
        _check(flow_id, answer)
        return flow_id

    def force(self, flow: Flow | str, *, output: Any = None, by: str = '') -> str:
        """Complete the step at which a flow waits or has failed, with `output` as its result; `by` records who did.

        Answers `applied`, or the state of a flow that is running or finished. Raises NotFound, InputError, and
        PytaskError if the flow moves on meanwhile.
        """
        there = self.get_flow(_id(flow))
        step = there.step
        if step is None:
            return there.state
        about = encode({'by': by, 'at': round(wall_s(), 3)})
        value = _encoded(output)
        if len(value) > MAX_ANSWER_BYTES:
            problem = f'is {len(value):,} bytes of JSON; the limit is {MAX_ANSWER_BYTES:,}'
            raise InputError(FLOW, [('output', problem)], 'force(flow, output=…)')
        answer = self.store.flows.force(there.id, there.position, step.key, value, about)
        if answer == 'MOVED':
            raise PytaskError(f'flow {there.id} is no longer at step {there.position}; read it again')
        if answer == 'NOT_FOUND':
            raise NotFound(f'no flow {there.id!r}')
        return in_words(answer)

    def retry(self, run_id: str, step: int | None = None) -> str:
        """Run an ended run again, with its id and data; a flow from the step that failed, or from `step`.

        Answers `applied`, `refused` (local runs), `not_found`, or the state of a run that has not ended. With a
        `step`, raises NotFound if the run is not a flow, and PytaskError if it has no such step.
        """
        if step is not None:
            step_at(self.get_flow(run_id).steps, step)
        return in_words(self.store.runs.retry(run_id, step))

    def _no_routine(self, name: str) -> str:
        known = self.store.flows.routines()
        if name in known:
            return f'routine {name!r} cannot be read: another client overwrote it; define it again'
        near = ' or '.join(map(repr, get_close_matches(name, known, n=2)))
        return f'no routine {name!r}' + (f'; did you mean {near}?' if near else '')

    def _insist_on_the_same(self, flow_id: str, steps: Sequence[Step]) -> None:
        there = self.get(flow_id)
        if there.task != FLOW:
            raise RunExists(f'id {flow_id!r} belongs to a run of {there.task!r}')
        if self.get_flow(flow_id).steps != steps:
            raise RunExists(f'flow {flow_id!r} already exists with other steps')

    def flows_of(self, runs: Sequence[Run]) -> list[Flow]:
        """Read the flows of these runs in one round trip. Raises NotFound for a run that is not a flow."""
        for run in runs:
            if run.task != FLOW:
                raise NotFound(f'run {run.id} is not a flow: its task is {run.task!r}')
        stands = self.store.flows.read([run.id for run in runs])
        return list(map(_flow, runs, stands))


def _flow(run: Run, stand: Stand) -> Flow:
    """Put a flow together. Never fails, since other clients write here too."""
    fields = stand.fields
    routine = text(fields.get('routine'))
    flow = Flow(run, text(fields.get('name')), routine.partition(' ')[2])
    flow.steps = _readable(fields.get('steps', b''))
    flow.position = int(stand.run.get('position', '')) if stand.run.get('position', '').isdecimal() else 0
    flow.is_submitted = 'draft' not in stand.run
    flow.results = Results.read(fields)
    flow.errors = _numbered(fields, 'error')
    flow.forced = {at: about for at, about in _numbered(fields, 'forced').items() if isinstance(about, dict)}
    saved = as_json(fields.get('saved', b'{}'))
    flow.saved = saved if isinstance(saved, dict) else {}
    return flow


def _readable(steps: bytes) -> tuple[Step, ...]:
    try:
        return read_steps(steps)
    except PytaskError:
        return ()


def _numbered(fields: dict[str, bytes], word: str) -> dict[int, Any]:
    found = {name.removeprefix(f'{word}:'): raw for name, raw in fields.items() if name.startswith(f'{word}:')}
    return {int(at): as_json(raw) for at, raw in found.items() if at.isdecimal()}


def _id(flow: Flow | str) -> str:
    return flow if isinstance(flow, str) else flow.id


def _encoded(value: Any) -> bytes:
    try:
        return encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(FLOW, [('data', f'is not JSON: {error}')], 'submit(flow, **data)') from error


_REFUSALS = {
    'FULL': 'has too many unhandled messages; submit it again later',
    'WAIT': 'is already queued with other data; it takes more when one of its steps waits',
    'RUNNING': 'is RUNNING; it takes data when one of its steps waits',
}


def _check(flow_id: str, answer: str) -> None:
    if answer == 'NOT_FOUND':
        raise NotFound(f'no flow {flow_id!r}')
    if answer == 'REFUSED':
        raise NotFound(f'run {flow_id} is not a flow')
    if answer in {state.value for state in ENDED}:
        raise RunEnded(flow_id, answer)
    if answer not in ('APPLIED', 'REQUESTED'):
        raise PytaskError(f'flow {flow_id} {_REFUSALS.get(answer, f"is {answer}")}')
