"""A flow: one passage through steps, as Redis shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from pytask.core.run import Run, RunClient
from pytask.core.states import State
from pytask.flows.steps import Results, Step, step_at


class FlowClient(RunClient, Protocol):
    """What a flow needs of the client it came from."""

    def get_flow(self, flow_id: str) -> Flow: ...
    def submit(self, flow: Flow | str, /, **data: Any) -> str: ...
    def force(self, flow: Flow | str, *, output: Any = None) -> str: ...


@dataclass(slots=True)
class Flow:
    """One passage through steps: a snapshot, and the run behind it.

    `position` is the current step, from 0; after the last step it is their number. `is_submitted` is false until
    it is submitted. `results` are found by key or position. `errors` holds the last failure of a step, by position:
    a message, or `{"type", "message", "traceback"}`. `forced` says who passed a step by hand, and when. `saved` is
    what its steps keep in `self.state`.
    """

    run: Run
    name: str = ''
    routine: str = ''
    steps: tuple[Step, ...] = ()
    position: int = 0
    results: Results = field(default_factory=Results)
    errors: dict[int, Any] = field(default_factory=dict)
    forced: dict[int, Any] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    is_submitted: bool = True

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def state(self) -> State:
        return self.run.state

    @property
    def reason(self) -> str:
        """Why it waits, or how it ended."""
        return self.run.reason

    @property
    def step(self) -> Step | None:
        """The current step; None after the last."""
        return self.steps[self.position] if self.position < len(self.steps) else None

    def step_at(self, position: int) -> Step:
        """Return the step at a position, from 0. Raises PytaskError if there is none."""
        return step_at(self.steps, position)

    def refresh(self) -> Flow:
        """Read it again, in place. Raises NotFound."""
        fresh = self.client.get_flow(self.id)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
        return self

    def submit(self, /, **data: Any) -> str:
        """Submit it, or pass data to it while it waits; as `Client.submit`."""
        return self.client.submit(self, **data)

    def force(self, *, output: Any = None) -> str:
        """Pass the step where it waits or has failed, with this output; as `Client.force`."""
        return self.client.force(self, output=output)

    def retry(self, step: int | None = None) -> str:
        """Run it again from the step that failed, or from this one; as `Client.retry`."""
        return self.client.retry(self.id, step)

    def wait(self, timeout: float | None = None) -> Flow:
        """Block until it has ended. Raises WaitTimeout after `timeout` seconds, NotFound."""
        self.run.wait(timeout)
        return self.refresh()

    @property
    def client(self) -> FlowClient:
        """The client it came from. Raises RuntimeError if it came without one."""
        if self.run.client is None:
            raise RuntimeError(f'flow {self.id} came without a client')
        return cast('FlowClient', self.run.client)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it, its run included."""
        return {
            'id': self.id,
            'name': self.name,
            'routine': self.routine,
            'state': self.state,
            'reason': self.reason,
            'position': self.position,
            'steps': [one.to_json() for one in self.steps],
            'results': self.results.to_json(),
            'errors': [{'position': at, 'error': error} for at, error in sorted(self.errors.items())],
            'forced': [{'position': at, **about} for at, about in sorted(self.forced.items())],
            'saved': self.saved,
            'run': self.run.to_json(),
        }
