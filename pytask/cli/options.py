"""Options that every command takes, before and after its name, and the app they make."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pytask.core.states import State

if TYPE_CHECKING:
    from pytask.app.app import PyTask
    from pytask.client.client import Client

    _Choice = click.Choice[str]
else:
    _Choice = click.Choice

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
               'else `app` in pyproject.toml or pytask.toml, else that of the Flask app here, else ./tasks alone.'),
        option('--prefix', metavar='P', help='Prefix of all names in Redis.'),
        option('--redis', '-r', metavar='URL', help='Where Redis is. Default: PYTASK_REDIS, else this folder\'s '
               '(`pytask dev`, `pytask redis`), else localhost.'),
    ):  # fmt: skip
        command = add(command)
    return command


def colour_by_environment() -> bool | None:
    """Return what the environment says about colour; None where it says nothing."""
    if os.environ.get('NO_COLOR'):
        return False
    return True if os.environ.get('FORCE_COLOR') else None


class _StateName(_Choice):
    """A state; a wrong one gets the near names."""

    def __init__(self) -> None:
        super().__init__([state.value for state in State], case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        near = get_close_matches(str(value).upper(), self.choices, n=1, cutoff=0.5)
        if near and near[0] != str(value).upper():
            self.fail(f'{value!r} is no state; did you mean {near[0]}?', param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.choices if name.startswith(incomplete.upper())]


STATES = _StateName()
STATE_NAMES = ', '.join(State)


def given() -> dict[str, Any]:
    """Return what was given of the shared options."""
    chosen: dict[str, Any] = click.get_current_context().find_root().ensure_object(dict)
    return chosen


def is_json() -> bool:
    return bool(given().get('json'))


_SETTINGS = frozenset({
    'redis', 'prefix', 'app', 'tasks', 'queue', 'concurrency', 'lease', 'drain', 'name', 'health', 'max_hang',
    'max_memory', 'no_restart', 'web',
})  # fmt: skip


def make_app(**more: Any) -> PyTask:
    """Return the app that the options, the environment and the files here name, or describe."""
    from pytask.cli.finding import apps

    return apps.make({**more, **chosen_here()}, given().get('place', ''))


def chosen_here() -> dict[str, Any]:
    """Return what was given of the settings."""
    return {key: value for key, value in given().items() if key in _SETTINGS}


def client() -> Client:
    return make_app().client


def command_name() -> str:
    """Return how this command line was called, for hints that can be copied: `pytask`, or `bin/pytask --prefix a:`.

    A URL with a password in it is not repeated.
    """
    from pytask.config.settings import redacted

    ctx = click.get_current_context(silent=True)
    chosen = given() if ctx is not None else {}
    words = [(f'--{key}', str(chosen[key])) for key in ('redis', 'prefix') if chosen.get(key)]
    return ' '.join([program(), *(f'{key} {shlex.quote(text)}' for key, text in words if redacted(text) == text)])


def program() -> str:
    """Return how the program was called, without options."""
    return os.environ.get('PYTASK_COMMAND') or 'pytask'


def load_tasks(app: PyTask, *, is_needed: bool) -> None:
    """Add the tasks of the app's folder. Where they are not needed, a missing folder is fine."""
    from pytask.cli.finding import apps

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
