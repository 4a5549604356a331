"""The secrets of flows: in their data, saved state and results, and in the data of the runs they started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.names import FLOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.client.client import Client
    from pytask.flows.flow import Flow
    from pytask.web.redaction.redactor import Redactor

# Only the last runs that a flow started: its error quotes one of them.
MOST_CHILDREN = 3


def secrets_of_flows(client: Client, redactor: Redactor, flows: Sequence[Flow]) -> list[list[str]]:
    """Return the secrets of each flow, in two round trips. Raises Unavailable."""
    data = _data_of_children(client, [flow.id for flow in flows])
    return [
        redactor.secrets_of(flow.run.data, flow.saved, flow.results.to_json(), *below)
        for flow, below in zip(flows, data, strict=True)
    ]


def secrets_of_flow_run(client: Client, redactor: Redactor, run_id: str, *parts: Any) -> list[str]:
    """Return the secrets of the run behind a flow: in `parts`, and of the runs it started. Raises Unavailable."""
    return redactor.secrets_of(*parts, *_data_of_children(client, [run_id])[0])


def clean_flow_runs(client: Client, redactor: Redactor, listed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hide, in a list of cleaned runs, what the flows among them quote from their children. Raises Unavailable."""
    flows = [run for run in listed if run['task'] == FLOW]
    data = _data_of_children(client, [run['id'] for run in flows])
    known = {run['id']: redactor.secrets_of(*below) for run, below in zip(flows, data, strict=True)}
    return [
        redactor.clean_answer(_whole(run), secrets) if (secrets := known.get(run['id'])) else run for run in listed
    ]


def _whole(run: dict[str, Any]) -> dict[str, Any]:
    # A cut text may end in half a secret, which would not be found.
    return run | {'output': None} if run.get('is_cut') else run


def _data_of_children(client: Client, flow_ids: Sequence[str]) -> list[list[Any]]:
    if not flow_ids:
        return []
    of_each = client.store.flows.children(flow_ids, MOST_CHILDREN)
    ids = [run_id for children in of_each for run_id in children]
    runs = dict(zip(ids, client.store.runs.read(ids) if ids else (), strict=True))
    return [[run.data for run_id in children if (run := runs[run_id]) is not None] for children in of_each]
