"""Flows and routines: list, show, start, submit, force, retry. To stop or pause a flow, use the routes of runs.

Starting, submitting and forcing give data to the tasks of the steps, so all of these must be exposed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.names import FLOW
from pytask.flows.steps import as_steps
from pytask.web.access.roles import CONTROL, READ, START
from pytask.web.listing import cut, search
from pytask.web.redaction.flows import secrets_of_flows
from pytask.web.request import Answer, Problem, created
from pytask.web.routes.runs import answered, check_exposed
from pytask.web.routing import Call, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.flows.flow import Flow


MOST_FLOWS = 50


def list_flows(call: Call) -> dict[str, Any]:
    """List flows: running, then waiting, then ended ones, newest first in each state.

    Returns up to 50 flows among the first 5,000 runs; `is_cut` says that there are more runs. Large values are cut,
    and `is_cut` on the flow says so.
    """
    runs, is_cut = search(call.client, lambda run: run if run.task == FLOW else None, MOST_FLOWS)
    return {'flows': [_cut(flow) for flow in _shown(call, call.client.flows_of(runs))], 'is_cut': is_cut}


def show_flow(call: Call, flow: str) -> Any:
    """Show a flow, with its current step and the results of its steps."""
    return _shown(call, [call.client.get_flow(flow)])[0]


def start_flow(  # noqa: PLR0913, PLR0917 - the fields of the body
    call: Call,
    routine: str | None = None,
    steps: list[Any] | None = None,
    data: dict[str, Any] = {},  # noqa: B006 - never changed
    name: str | None = None,
    id: str | None = None,  # noqa: A002 - the field's name
) -> Answer:
    """Start a flow, of a routine or of a list of steps."""
    if (routine is None) is (steps is None):
        raise Problem(400, 'give either a routine or steps', errors=[('routine', 'give either this or steps')])
    client = call.client
    made = client.routine(routine) if routine is not None else None
    for step in made.steps if made else as_steps(steps):
        check_exposed(call, step.task)
    flow = client.flow(made or steps, name, flow_id=id)
    client.submit(flow, **data)
    return created(call.request, '/api/v1/flows/{}', flow.id, show_flow(call, flow.id))


def submit_flow(call: Call, flow: str, data: dict[str, Any] = {}) -> dict[str, str]:  # noqa: B006 - never changed
    """Give data to a flow: start one that has not started, or let the check of a waiting step decide."""
    call.client.submit(_exposed(call, flow), **data)
    return {'answer': 'requested'}


def force_flow(call: Call, flow: str, output: Any = None) -> dict[str, str]:
    """Pass the step at which a flow waits or failed, with this as its result."""
    return answered(call.client.force(_exposed(call, flow), output=output, by='web'))


def retry_flow(call: Call, flow: str, step: int | None = None) -> dict[str, str]:
    """Retry a flow at the step that failed, or from the given step."""
    return answered(call.client.retry(call.client.get_flow(flow).id, step))


def list_routines(call: Call) -> dict[str, Any]:
    """List the routines."""
    return {'routines': [routine.to_json() for routine in call.client.routines()]}


def _exposed(call: Call, flow_id: str) -> Flow:
    flow = call.client.get_flow(flow_id)
    for step in flow.steps:
        check_exposed(call, step.task)
    return flow


def _shown(call: Call, flows: Sequence[Flow]) -> list[Any]:
    redactor = call.site.redactor
    secrets = secrets_of_flows(call.client, redactor, flows)
    return [redactor.clean_answer(flow.to_json(), of_it) for flow, of_it in zip(flows, secrets, strict=True)]


def _cut(flow: dict[str, Any]) -> dict[str, Any]:
    results = [cut(one, 'value') for one in flow['results']]
    errors = [cut(one, 'error') for one in flow['errors']]
    flow = cut(flow, 'saved')
    flow['saved'] = flow['saved'] or {}
    return flow | {'results': results, 'errors': errors, 'run': cut(flow['run'], 'data', 'output')}


ROUTES = [
    Route('GET', '/api/v1/flows', list_flows, READ, shape='Flows', is_clean=True),
    Route('POST', '/api/v1/flows', start_flow, START, 201, shape='Flow'),
    Route('POST', '/api/v1/flows/{flow}/submit', submit_flow, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/flows/{flow}/force', force_flow, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/flows/{flow}/retry', retry_flow, CONTROL, shape='Answer'),
    Route('GET', '/api/v1/flows/{flow}', show_flow, READ, shape='Flow', is_clean=True),
    Route('GET', '/api/v1/routines', list_routines, READ, shape='Routines'),
]
