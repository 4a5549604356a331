"""Completion: the script for a shell, and the answers to it: commands, options, tasks, run ids.

An answer comes within 0.3 s or not at all, and nothing that goes wrong is ever seen: the user is typing.
Nothing of the user's is run for it: tasks are read from the text of ./tasks, and where there is none they are
those that live workers know.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from pytask.cli.options import common
from pytask.core.names import is_own
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytask.client.client import Client

SHELLS = ('bash', 'zsh', 'fish')
ASKED = '_PYTASK_COMPLETE'
# From here on; the interpreter and click took the rest. Tests on slow machines have their own.
LIMIT_S = float(os.environ.get('_PYTASK_COMPLETE_WITHIN') or 0.24)
MOST_FILES, MOST_IDS = 500, 30


@click.command()
@click.argument('shell', type=click.Choice(SHELLS))
@common
def completion(shell: str) -> None:
    """Print the script that makes a shell complete commands, options, tasks and ids.

    \b
    bash, in ~/.bashrc:   eval "$(pytask completion bash)"
    zsh, in ~/.zshrc:     eval "$(pytask completion zsh)"
    fish:   pytask completion fish > ~/.config/fish/completions/pytask.fish
    """  # noqa: D301 - the character is click's mark for what is not to be wrapped
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    # Not the method of bash's own class: that starts a bash to ask for its version.
    click.echo(ShellComplete.source(kind(root, {}, 'pytask', ASKED)))


def answer(cli: click.Command) -> int:
    """Answer a shell that asks for completions; 0 whatever happens."""
    limit = threading.Timer(LIMIT_S, os._exit, (0,))  # a signal would wait for a name server
    limit.daemon = True
    limit.start()
    text = ''
    failures = contextlib.suppress(Exception, SystemExit, KeyboardInterrupt)
    with failures, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        kind = get_completion_class(os.environ[ASKED].partition('_')[0])
        text = kind(cli, {}, 'pytask', ASKED).complete() if kind is not None else ''
    limit.cancel()
    with contextlib.suppress(OSError):
        click.echo(text, nl=bool(text))
    return 0


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a task."""
    with ctx.scope(cleanup=False):
        names = dict(_written_tasks()) or dict.fromkeys(_live_tasks(), '')
    return [CompletionItem(name, help=names[name]) for name in sorted(names) if name.startswith(incomplete)]


def run_ids(*states: State) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return what completes the id of a run in one of these states, or in any; the latest first."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from pytask.cli.options import client

        taken = set(ctx.params.get(param.name or '') or ())
        with ctx.scope(cleanup=False):
            runs = _latest(client(), states or tuple(State), incomplete)
        return [CompletionItem(run.id, help=f'{run.task} {run.state}') for run in runs if run.id not in taken]

    return complete


def schedule_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a schedule."""
    from pytask.cli.options import client

    with ctx.scope(cleanup=False):
        found = client().schedules()
    return [CompletionItem(one.name, help=one.trigger) for one in found if one.name.startswith(incomplete)]


def _latest(asked: Client, states: tuple[State, ...], beginning: str) -> list[Any]:
    runs = [run for state in states for run in asked.list(states=[state], limit=MOST_IDS)]
    found = [run for run in runs if run.id.startswith(beginning) and not is_own(run.task)]
    if not found and beginning:
        older = asked.store.runs.read(asked.store.runs.starting_with(beginning, MOST_IDS))
        found = [run for run in older if run is not None and run.state in states]
    return sorted(found, key=lambda run: (run.created or run.started or 0, run.id), reverse=True)[:MOST_IDS]


def _live_tasks() -> list[str]:
    from pytask.cli.options import client

    names = [name for worker in client().store.workers.alive() for name in worker.get('tasks', '').split('\n')]
    # What a worker answers to has each task twice: by its name, and by that of its class.
    return [name for name in names if name and not name.startswith('pytask') and '.' not in name]


def _written_tasks() -> Iterator[tuple[str, str]]:
    """Yield (name, first line of what it says of itself) of the tasks in ./tasks, without importing any."""
    from pytask.cli.options import given
    from pytask.config import settings  # not the app: that imports Redis's client, which takes half of the time

    folder = Path(settings.load({'tasks': given().get('tasks')}).tasks)
    for path in sorted(folder.rglob('*.py'))[:MOST_FILES]:
        try:
            module = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (name := _task_name(node)):
                yield name, (ast.get_docstring(node) or '').partition('\n')[0]


def _task_name(node: ast.FunctionDef | ast.ClassDef) -> str:
    """Return the name of the task that is defined here; '' for what is none."""
    from pytask.authoring.task import kebab

    named = [name for call in node.decorator_list if (name := _of_decorator(call)) is not None]
    if isinstance(node, ast.ClassDef) and node.bases:
        given = [_text(one.value) for one in node.body if _assigns_name(one)]  # type: ignore[attr-defined]
        has_start = any(isinstance(one, ast.FunctionDef) and one.name == 'start' for one in node.body)
        named += [*given, ''] if given or has_start else []
    return next(filter(None, named), kebab(node.name)) if named else ''


def _of_decorator(node: ast.expr) -> str | None:
    """Return the name that `@task(name=…)` gives, '' for one that gives none; None for another decorator."""
    call = node.func if isinstance(node, ast.Call) else node
    decorator = getattr(call, 'id', getattr(call, 'attr', ''))
    if decorator in {'cron', 'date', 'every'}:  # there `name` is the schedule's
        return ''
    if decorator != 'task':
        return None
    given = [word.value for word in node.keywords if word.arg == 'name'] if isinstance(node, ast.Call) else []
    return _text(given[0]) if given else ''


def _assigns_name(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', None)]
    return any(getattr(target, 'id', '') == 'NAME' for target in targets)


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ''
