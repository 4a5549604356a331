"""pytask: a daemon for tasks that live.

The public names arrive on first use (PEP 562), so importing this package loads neither redis nor
gevent and patches nothing; it may be imported anywhere, before or after monkey-patching.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytask.core import version

if TYPE_CHECKING:  # `as` makes them public to type checkers
    from pytask.app.app import PyTask as PyTask
    from pytask.app.app import default_app as default_app
    from pytask.authoring.decorator import task as task
    from pytask.authoring.task import Task as Task
    from pytask.authoring.task import current_task as current_task
    from pytask.builtin import Cleanup as Cleanup
    from pytask.builtin import Monitor as Monitor
    from pytask.builtin import Scheduler as Scheduler
    from pytask.client.client import Client as Client
    from pytask.core.run import Run as Run
    from pytask.core.states import Outcome as Outcome
    from pytask.core.states import State as State
    from pytask.errors import AskError as AskError
    from pytask.errors import ConfigError as ConfigError
    from pytask.errors import InputError as InputError
    from pytask.errors import Interrupted as Interrupted
    from pytask.errors import NotFound as NotFound
    from pytask.errors import PytaskError as PytaskError
    from pytask.errors import RunEnded as RunEnded
    from pytask.errors import RunExists as RunExists
    from pytask.errors import Unavailable as Unavailable
    from pytask.errors import WaitTimeout as WaitTimeout
    from pytask.flows.flow import Flow as Flow
    from pytask.flows.shortcuts import flow as flow
    from pytask.flows.shortcuts import force as force
    from pytask.flows.shortcuts import retry as retry
    from pytask.flows.shortcuts import routine as routine
    from pytask.flows.shortcuts import submit as submit
    from pytask.flows.signals import spawn as spawn
    from pytask.flows.signals import wait as wait
    from pytask.flows.steps import Routine as Routine
    from pytask.flows.steps import Step as Step
    from pytask.flows.steps import step as step
    from pytask.schedules.schedule import Schedule as Schedule
    from pytask.schema.lookups import reference as reference
    from pytask.schema.lookups import resource as resource
    from pytask.schema.notgiven import NotGiven as NotGiven

_HOMES = {
    name: f'pytask.{module}'
    for module, names in {
        'app.app': 'PyTask default_app',
        'authoring.decorator': 'task',
        'authoring.task': 'Task current_task',
        'builtin': 'Cleanup Monitor Scheduler',
        'client.client': 'Client',
        'core.run': 'Run',
        'core.states': 'Outcome State',
        'errors': 'AskError ConfigError InputError Interrupted NotFound PytaskError RunEnded RunExists'
        ' Unavailable WaitTimeout',
        'flows.flow': 'Flow',
        'flows.shortcuts': 'flow force retry routine submit',
        'flows.signals': 'spawn wait',
        'flows.steps': 'Routine Step step',
        'schedules.schedule': 'Schedule',
        'schema.lookups': 'reference resource',
        'schema.notgiven': 'NotGiven',
    }.items()
    for name in names.split()
}
__version__ = version.VERSION
__all__ = sorted(_HOMES)  # noqa: PLE0605 - the names stand once


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
