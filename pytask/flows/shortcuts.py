"""Flows without an app: these functions use the client of the default app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.default_client import default_client

if TYPE_CHECKING:
    from pytask.flows.flow import Flow
    from pytask.flows.steps import Routine


def routine(name: str, steps: Any = None) -> Routine:
    """Store a routine, or return the one of this name; as `Client.routine`."""
    return default_client().routine(name, steps)  # type: ignore[no-any-return]


def flow(of: Any, name: str | None = None, position: int = 0) -> Flow:
    """Make a flow that waits to be submitted; as `Client.flow`."""
    return default_client().flow(of, name, position)  # type: ignore[no-any-return]


def submit(flow: Flow | str, /, **data: Any) -> str:
    """Submit a flow, or pass data to one that waits, and return its id; as `Client.submit`."""
    return default_client().submit(flow, **data)  # type: ignore[no-any-return]


def force(flow: Flow | str, *, output: Any = None) -> str:
    """Pass the step where a flow waits or has failed; as `Client.force`."""
    return default_client().force(flow, output=output)  # type: ignore[no-any-return]


def retry(run: Any, step: int | None = None) -> str:
    """Run an ended run or flow again; as `Client.retry`."""
    return default_client().retry(run if isinstance(run, str) else run.id, step)  # type: ignore[no-any-return]
