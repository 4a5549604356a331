"""Options that every command takes, before and after its name, and the app they make."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pytask.app import PyTask
    from pytask.client import Client

F = TypeVar('F', bound=Callable[..., Any])


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # One object for the whole line: what is given last wins, wherever it stands.
    chosen = ctx.find_root().ensure_object(dict)
    if value is not None and value is not False and value != ():  # 0 is a value
        chosen[param.name] = value


def option(*names: str, **more: Any) -> Callable[[F], F]:
    """Make an option whose value is found in `given`, wherever it stood on the line."""
    return click.option(*names, expose_value=False, callback=_remember, **more)


def common(command: F) -> F:
    """Add the options of every command."""
    for add in (
        option('--json', is_flag=True, help='One JSON object a line.'),
        option('--app', '-A', metavar='MODULE:ATTR', help="The PyTask to use; '' for none. Default: PYTASK_APP, "
               'else `app` in pyproject.toml or pytask.toml, else ./tasks alone.'),
        option('--prefix', metavar='P', help='Prefix of all names in Redis.'),
        option('--redis', '-r', metavar='URL', help='Where Redis is. Default: PYTASK_REDIS, else the server of '
               '`pytask dev` in this folder, else localhost.'),
    ):  # fmt: skip
        command = add(command)
    return command


def given() -> dict[str, Any]:
    """Return what was given of the shared options."""
    chosen: dict[str, Any] = click.get_current_context().find_root().ensure_object(dict)
    return chosen


def is_json() -> bool:
    return bool(given().get('json'))


_SETTINGS = frozenset({
    'redis', 'prefix', 'app', 'tasks', 'queue', 'concurrency', 'lease', 'drain', 'name', 'health', 'max_hang',
    'max_memory', 'no_restart',
})  # fmt: skip


def make_app(**more: Any) -> PyTask:
    """Return the app that the options, the environment and the files here name, or describe."""
    from pytask.cli import apps

    return apps.make({**more, **chosen_here()})


def chosen_here() -> dict[str, Any]:
    """Return what was given of the settings."""
    return {key: value for key, value in given().items() if key in _SETTINGS}


def client() -> Client:
    return make_app().client


def command_name() -> str:
    """Return how this command line was called, for hints that can be copied: `pytask`, or `bin/pytask`."""
    return os.environ.get('PYTASK_COMMAND') or 'pytask'


def load_tasks(app: PyTask, *, is_needed: bool) -> None:
    """Add the tasks of the app's folder. Where they are not needed, a missing folder is fine."""
    from pytask.cli import apps

    apps.load_tasks(app, is_needed=is_needed, command=command_name())


def find_id(client: Client, text: str) -> str:
    """Return the full id for an id or its beginning. Raises NotFound; UsageError where it is not unique."""
    from pytask.errors import NotFound

    if client.store.runs.read([text])[0] is not None:
        return text
    found = client.store.runs.starting_with(text, 5) if text else []
    if not found:
        raise NotFound(f'no run {text!r}; `{command_name()} ls` shows what there is')
    if len(found) > 1:
        raise click.UsageError(f'{text!r} begins more than one id: {", ".join(sorted(found))}')
    return found[0]
