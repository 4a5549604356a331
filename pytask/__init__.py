"""pytask: a daemon for tasks that live.

The public names arrive on first use (PEP 562), so importing this package loads neither redis nor
gevent and patches nothing; it may be imported anywhere, before or after monkey-patching.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytask.app import PyTask, default_app
    from pytask.builtin import Cleanup, Monitor, Scheduler
    from pytask.client import Client
    from pytask.decorate import task
    from pytask.definition import Task, current_task
    from pytask.errors import (
        AskError,
        ConfigError,
        InputError,
        Interrupted,
        NotFound,
        PytaskError,
        RunEnded,
        RunExists,
        Unavailable,
        WaitTimeout,
    )
    from pytask.lookups import reference, resource
    from pytask.notgiven import NotGiven
    from pytask.run import Run
    from pytask.schedule import Schedule
    from pytask.states import Outcome, State

__version__ = '0.1.0'

_HOMES = {
    'AskError': 'pytask.errors',
    'Cleanup': 'pytask.builtin',
    'Client': 'pytask.client',
    'ConfigError': 'pytask.errors',
    'InputError': 'pytask.errors',
    'Interrupted': 'pytask.errors',
    'Monitor': 'pytask.builtin',
    'NotFound': 'pytask.errors',
    'NotGiven': 'pytask.notgiven',
    'Outcome': 'pytask.states',
    'PyTask': 'pytask.app',
    'PytaskError': 'pytask.errors',
    'Run': 'pytask.run',
    'RunEnded': 'pytask.errors',
    'RunExists': 'pytask.errors',
    'Schedule': 'pytask.schedule',
    'Scheduler': 'pytask.builtin',
    'State': 'pytask.states',
    'Task': 'pytask.definition',
    'Unavailable': 'pytask.errors',
    'WaitTimeout': 'pytask.errors',
    'current_task': 'pytask.definition',
    'default_app': 'pytask.app',
    'reference': 'pytask.lookups',
    'resource': 'pytask.lookups',
    'task': 'pytask.decorate',
}

__all__ = [
    'AskError',
    'Cleanup',
    'Client',
    'ConfigError',
    'InputError',
    'Interrupted',
    'Monitor',
    'NotFound',
    'NotGiven',
    'Outcome',
    'PyTask',
    'PytaskError',
    'Run',
    'RunEnded',
    'RunExists',
    'Schedule',
    'Scheduler',
    'State',
    'Task',
    'Unavailable',
    'WaitTimeout',
    'current_task',
    'default_app',
    'reference',
    'resource',
    'task',
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
