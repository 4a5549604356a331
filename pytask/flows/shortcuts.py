"""Flows without an app in sight: these functions use the default app's client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.flows.flow import Flow
    from pytask.flows.steps import Routine


def routine(name: str, steps: Any = None) -> Routine:
    """Keep a routine, or return the one of this name; as `Client.routine`."""
    return _client().routine(name, steps)


def flow(of: Any, name: str | None = None, position: int = 0) -> Flow:
    """Make a flow that waits to be submitted; as `Client.flow`."""
    return _client().flow(of, name, position)


def submit(flow: Flow | str, /, **data: Any) -> str:
    """Submit a flow, or tell one that waits something, and return its id; as `Client.submit`."""
    return _client().submit(flow, **data)


def force(flow: Flow | str, *, output: Any = None) -> str:
    """Pass the step at which a flow waits or has failed; as `Client.force`."""
    return _client().force(flow, output=output)


def retry(run: Any, step: int | None = None) -> str:
    """Run an ended run or flow again; as `Client.retry`."""
    return _client().retry(run if isinstance(run, str) else run.id, step)


def _client() -> Client:
    import pytask  # the door above, as a bare task's `apply` does

    client: Client = pytask.default_app().client
    return client
