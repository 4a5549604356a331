"""The command line: its tree, and how errors become exit codes.

Data goes to stdout, everything else to stderr. Modules of commands are imported when their command is
called, and they import the store only inside functions: `pytask --help` must answer at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import click

from pytask import errors
from pytask.cli.options import colour_by_environment, common
from pytask.core.exit_codes import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NOT_FOUND,
    EXIT_TIMED_OUT,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
)

EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (errors.InputError, EXIT_USAGE),
    (errors.NotFound, EXIT_NOT_FOUND),
    (errors.WaitTimeout, EXIT_TIMED_OUT),
    (errors.Unavailable, EXIT_UNAVAILABLE),
    (errors.ConfigError, EXIT_CONFIG),
    (errors.PytaskError, EXIT_FAILED),
)

# Command → module, one line of help. The help stands here, so that `--help` imports none of them.
COMMANDS = {
    'dev': ('worker', 'A Redis, a worker on ./tasks and demo runs, for development.'),
    'worker': ('worker', 'Run a worker on a folder of tasks, or an app.'),
    'run': ('run', 'Start a run, follow it, print its output.'),
    'start': ('run', 'Start a run and print its id.'),
    'ls': ('ls', 'List runs.'),
    'show': ('show', 'Show one run in full.'),
    'tail': ('tail', 'Follow events as they happen.'),
    'wait': ('tail', 'Wait until runs have ended.'),
    'stop': ('control', 'Stop runs, waiting or running.'),
    'reload': ('control', 'Start a run anew in place, with new data or the same.'),
    'extend': ('extend', 'Give a run more time.'),
    'send': ('send', 'Send a message to a run.'),
    'ask': ('send', 'Ask a running task, and print its answer.'),
    'pause': ('pause', 'Pause runs, a queue or a task; list what is paused.'),
    'resume': ('pause', 'Let what is paused go on.'),
    'cron': ('cron', 'See schedules and when they fire; run, pause and resume them.'),
    'flow': ('flow', 'List, start, push, force and retry flows.'),
    'retry': ('control', 'Run ended runs again.'),
    'rm': ('control', 'Delete ended runs.'),
    'web': ('web', 'Serve the page and the HTTP API.'),
    'tasks': ('tasks', 'List the tasks there are and what they take.'),
    'workers': ('ls', 'List live workers.'),
    'health': ('health', 'Ask a worker whether it is ready; for probes.'),
    'init': ('init', 'Write files to begin with: a first task, a Flask site, a unit.'),
    'redis': ('redis', "Start and stop a Redis of this folder's own."),
    'doctor': ('doctor', 'Look for what is wrong, and say what to do.'),
    'completion': ('completion', 'Print the completion script for bash, zsh or fish.'),
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is called, and knows the near names of a wrong one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f'pytask.cli.commands.{COMMANDS[cmd_name][0]}')
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0] if args else ''
        if name and name not in COMMANDS and not name.startswith('-') and not ctx.resilient_parsing:
            near = get_close_matches(name, COMMANDS, n=2, cutoff=0.6)
            hint = f' Did you mean {" or ".join(near)}?' if near else ' See pytask --help.'
            ctx.fail(f'No command {name!r}.{hint}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # Here, because click answers a closed pipe itself, with exit code 1.
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader has seen enough: `pytask tail | head -1`
            _close_stdout()
            return 0
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            _close_stdout()
            click.echo(f'Error: can not write the output: {error.strerror}', err=True)
            return 1

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        if incomplete.startswith('-'):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section('Commands'):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100},
)
@click.version_option(package_name='pytaskd', prog_name='pytask')
@common
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run tasks that live: start them from anywhere, see them, talk to them, stop them.

    First steps: `pytask init`, `pytask dev`, and beside it `pytask run hello-world`.
    """
    ctx.color = colour_by_environment()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def command_line(argv: list[str] | None = None, *, place: str = '') -> int:
    """Run a command and return its exit code; the first line of every failure says what to do.

    `place` is where a Flask app is, as FLASK_APP would say it, for the worker beside a web process.
    """
    if '_PYTASK_COMPLETE' in os.environ:
        from pytask.cli.commands.completion import answer

        return answer(cli)
    _show_anything()
    try:
        code = cli.main(argv, prog_name='pytask', standalone_mode=False, obj={'place': place})
    except click.ClickException as error:
        _explain(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo('\ninterrupted', err=True)
        return EXIT_INTERRUPTED
    except errors.PytaskError as error:
        from pytask.cli.output.error_hints import told

        click.echo(f'Error: {told(error)}', err=True)
        return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    return code if isinstance(code, int) else 0


def _show_anything() -> None:
    # What a terminal has no letter for is no reason to end.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='replace')


def _explain(error: click.ClickException) -> None:
    # What is wrong first, how it is used after that.
    text = error.format_message()
    if isinstance(error, click.NoSuchOption):  # in click's own words it is another one in every version
        hint = f' Did you mean {" or ".join(sorted(error.possibilities))}?' if error.possibilities else ''
        text = f'No such option {error.option_name!r}.{hint}'
    click.echo(f'Error: {text}', err=True)
    ctx = getattr(error, 'ctx', None)
    if ctx is not None:
        click.echo(f'  - {ctx.get_usage().replace("Usage: ", "usage:  ")}', err=True)
        click.echo(f'  - more:   {ctx.command_path} --help', err=True)


def _close_stdout() -> None:
    # Else the interpreter complains once more while it flushes at exit.
    with suppress(OSError):
        sys.stdout.close()
