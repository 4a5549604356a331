"""Options that every command takes, before and after its name; options that several share; the app they make."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from difflib import get_close_matches
from functools import reduce
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


class Group(click.Group):
    """A group of commands; after a typo it names the near ones."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name, there = args[0] if args else '', self.list_commands(ctx)
        if name and name not in there and not name.startswith('-') and not ctx.resilient_parsing:
            near = get_close_matches(name, there, n=2, cutoff=0.6)
            hint = f'Did you mean {" or ".join(near)}?' if near else f'See {ctx.command_path} --help.'
            ctx.fail(f'No such command {name!r}. {hint}')
        return super().resolve_command(ctx, args)


class HelpGroup(Group):
    """A group that prints its help if it is called without a command."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{**more, 'invoke_without_command': True})

    def invoke(self, ctx: click.Context) -> Any:
        code = super().invoke(ctx)
        if ctx.invoked_subcommand is None:
            click.echo(ctx.get_help())
        return code


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # One object for the whole line: the last value given counts, before or after the command's name.
    chosen = ctx.find_root().ensure_object(dict)
    if value is not None and value is not False and value != ():  # 0 is a value
        chosen[param.name] = value


def option(*names: str, **more: Any) -> Callable[[F], F]:
    """Make an option whose value is in `given`, before or after the command's name."""
    return click.option(*names, expose_value=False, callback=_remember, **more)


def together(*decorators: Any) -> Callable[[F], F]:
    """Make one decorator that adds these options and arguments; the last is shown first."""
    return lambda command: reduce(lambda done, add: add(done), decorators, command)


# The options of every command.
common = together(
    option('--json', is_flag=True, help='Print one JSON object per line.'),
    option('--app', '-A', metavar='MODULE:ATTR', help="The PyTask to use, '' for none. Default: PYTASK_APP, "
           'else `app` in pyproject.toml or pytask.toml, else that of the Flask app here, else ./tasks alone.'),
    option('--prefix', metavar='P', help='Prefix of all names in Redis.'),
    option('--redis', '-r', metavar='URL', help="URL of Redis. Default: PYTASK_REDIS, else this folder's own "
           '(`pytask dev`, `pytask redis`), else localhost.'),
)  # fmt: skip


def colour_by_environment() -> bool | None:
    """Return whether the environment asks for colour; None if it does not say."""
    if os.environ.get('NO_COLOR'):
        return False
    return True if os.environ.get('FORCE_COLOR') else None


class _StateName(_Choice):
    """A state; an error names the near one."""

    def __init__(self) -> None:
        super().__init__([state.value for state in State], case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        near = get_close_matches(str(value).upper(), self.choices, n=1, cutoff=0.5)
        if near and near[0] != str(value).upper():
            self.fail(f'{value!r} is not a state; did you mean {near[0]}?', param, ctx)
        return super().convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.choices if name.startswith(incomplete.upper())]


def state_option(about: str = 'Only these states', names: str = ', '.join(State)) -> Callable[[F], F]:
    about = f'{about}: {names}.'
    return click.option('--state', 'states', type=_StateName(), metavar='STATE', multiple=True, help=about)


def queue_option(about: str) -> Callable[[F], F]:
    return click.option('--queue', 'queues', metavar='NAME', multiple=True, help=about)


limit_option = click.option(
    '--limit', '-n', type=click.IntRange(min=0), metavar='N', default=50, show_default=True,
    help='How many; 0 for all.',
)  # fmt: skip
tasks_option = option('--tasks', metavar='DIR', help='Folder of tasks. Default: ./tasks.')


def given() -> dict[str, Any]:
    """Return the values of the shared options that were given."""
    chosen: dict[str, Any] = click.get_current_context().find_root().ensure_object(dict)
    return chosen


def is_json() -> bool:
    return bool(given().get('json'))


_SETTINGS = frozenset({
    'redis', 'prefix', 'app', 'tasks', 'queue', 'concurrency', 'lease', 'drain', 'name', 'health', 'max_hang',
    'max_memory', 'no_restart', 'web',
})  # fmt: skip


def make_app(**more: Any) -> PyTask:
    """Return the app that the options, the environment and the files here name or describe."""
    from pytask.cli.finding import apps

    return apps.make({**more, **chosen_here()}, given().get('place', ''))


def chosen_here() -> dict[str, Any]:
    """Return the settings that were given as options."""
    return {key: value for key, value in given().items() if key in _SETTINGS}


def client() -> Client:
    return make_app().client


def command_name() -> str:
    """Return how this command line was called, for hints to copy: `pytask`, or `bin/pytask --prefix a:`.

    A URL with a password is left out.
    """
    from pytask.config.settings import redacted

    ctx = click.get_current_context(silent=True)
    chosen = given() if ctx is not None else {}
    words = [(f'--{key}', str(chosen[key])) for key in ('redis', 'prefix') if chosen.get(key)]
    return ' '.join([program(), *(f'{key} {shlex.quote(text)}' for key, text in words if redacted(text) == text)])


def program() -> str:
    """Return the name by which the program was called, without options."""
    return os.environ.get('PYTASK_COMMAND') or 'pytask'


def load_tasks(app: PyTask, *, is_needed: bool) -> None:
    """Add the tasks in the app's folder; a missing folder is an error only if the tasks are needed."""
    from pytask.cli.finding import apps

    apps.load_tasks(app, is_needed=is_needed, command=command_name())


def find_id(client: Client, text: str) -> str:
    """Return the full id for an id or its beginning. Raises NotFound; UsageError if several ids begin so."""
    from pytask.errors import NotFound

    if client.store.runs.read([text])[0] is not None:
        return text
    found = client.store.runs.starting_with(text, 5) if text else []
    if not found:
        raise NotFound(f'no run {text!r}; list the runs with: {command_name()} ls')
    if len(found) > 1:
        raise click.UsageError(f'several ids begin with {text!r}: {", ".join(sorted(found))}')
    return found[0]
