"""Completion: the script for a shell, and the answers to it: commands, options, tasks, run ids.

An answer comes within 0.3 s or not at all, and errors are never shown: the user is typing. None of the user's code
runs: tasks are read from the text of ./tasks; without that folder they are those that live workers know.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from pytask.cli.options import common
from pytask.core.exit_codes import EXIT_OK
from pytask.core.names import is_own
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytask.client.client import Client

SHELLS = ('bash', 'zsh', 'fish')
ASKED = '_PYTASK_COMPLETE'
# Starting the interpreter and click takes the rest of 0.3 s. Tests on slow machines set their own.
LIMIT_S = float(os.environ.get('_PYTASK_COMPLETE_WITHIN') or 0.24)
MOST_FILES, MOST_IDS = 500, 30
# As `ast.unparse` writes them; in `@cron(name=…)` the name is the schedule's.
_DECORATOR = re.compile(r"(?:\w+\.)*(?:task(?:\(.*\bname='([^']*)'|\b(?!\.))|(?:cron|date|every)\b)")
_NAME = re.compile(r"NAME(?:: .*)? = '(.*)'")


@click.command()
@click.argument('shell', type=click.Choice(SHELLS))
@common
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, options, tasks and ids.

    \b
    bash, in ~/.bashrc:   eval "$(pytask completion bash)"
    zsh, in ~/.zshrc:     eval "$(pytask completion zsh)"
    fish:   pytask completion fish > ~/.config/fish/completions/pytask.fish
    """  # noqa: D301 - the character is click's mark for text that is not wrapped
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    # Not the method of bash's own class, which starts a bash to ask for its version.
    click.echo(ShellComplete.source(kind(root, {}, 'pytask', ASKED)))


def answer(cli: click.Command) -> int:
    """Answer a shell that asks for completions; return EXIT_OK whatever happens."""
    limit = threading.Timer(LIMIT_S, os._exit, (EXIT_OK,))  # a signal would wait for a name server
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
    return EXIT_OK


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a task."""
    with ctx.scope(cleanup=False):
        names = dict(_written_tasks()) or dict.fromkeys(_live_tasks(), '')
    return [CompletionItem(name, help=names[name]) for name in sorted(names) if name.startswith(incomplete)]


def run_ids(*states: State) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completer of the ids of runs in these states, or in any; the latest come first."""

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
    # A worker lists each task twice: by its name, and by that of its class.
    return [name for name in names if name and not name.startswith('pytask') and '.' not in name]


def _written_tasks() -> Iterator[tuple[str, str]]:
    """Yield (name, first line of its docstring) of the tasks in ./tasks, without importing any."""
    from pytask.cli.options import given
    from pytask.config import settings  # not the app, whose import of redis takes half of the time

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
    """Return the name of the task that this defines; '' if it is not a task."""
    from pytask.authoring.task import kebab

    names = [found[1] for one in node.decorator_list if (found := _DECORATOR.match(ast.unparse(one)))]
    if isinstance(node, ast.ClassDef) and node.bases:
        assigned = [ast.unparse(one) for one in node.body if isinstance(one, ast.Assign | ast.AnnAssign)]
        names += [found[1] for text in assigned if (found := _NAME.fullmatch(text))]
        names += ['' for one in node.body if isinstance(one, ast.FunctionDef) and one.name == 'start']
    return next(filter(None, names), kebab(node.name)) if names else ''
