"""The client of the default app, for tasks and flows that were added to no app."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def default_client() -> Any:
    """Return the client of this process's default app.

    It is found by name: the app lies above everything that asks here. Raises ConfigError for bad settings.
    """
    return import_module('pytask').default_app().client
