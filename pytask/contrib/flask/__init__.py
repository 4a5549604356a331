"""The Flask extension: `from pytask.contrib.flask import BackgroundTaskWorker`.

Its names are imported on first use, so that the child process can patch before Flask is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytask.contrib.flask.extension import BackgroundTaskWorker, BlockingTaskWorker

__all__ = ['BackgroundTaskWorker', 'BlockingTaskWorker']


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.extension'), name)
