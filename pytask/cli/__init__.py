"""The command line: its tree, and how errors become exit codes.

Data goes to stdout, everything else to stderr. The module of a command is imported when the command is called, and
imports the store only inside functions: `pytask --help` must answer at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from contextlib import suppress
from typing import Any

import click

from pytask import errors
from pytask.cli.options import HelpGroup, colour_by_environment, common
from pytask.core.exit_codes import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NOT_FOUND,
    EXIT_OK,
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

# Command → module, one line of help. The help is here so that `--help` imports none of the modules.
COMMANDS = {
    'dev': ('worker', 'Develop: run a Redis, a worker on ./tasks and demo runs.'),
    'worker': ('worker', 'Run a worker on a folder of tasks or an app.'),
    'run': ('run', 'Start a run, follow it, print its output.'),
    'start': ('run', 'Start a run and print its id.'),
    'ls': ('ls', 'List runs.'),
    'show': ('show', 'Show one run in full.'),
    'tail': ('tail', 'Follow events as they happen.'),
    'wait': ('tail', 'Wait until runs have ended.'),
    'stop': ('control', 'Stop runs that are waiting or running.'),
    'reload': ('control', 'Restart a run in place, with new data or the same.'),
    'extend': ('extend', 'Give a run more time.'),
    'send': ('send', 'Send a message to a run.'),
    'ask': ('send', 'Ask a running task a question and print its answer.'),
    'pause': ('pause', 'Pause runs, a queue or a task; list what is paused.'),
    'resume': ('pause', 'Resume what is paused.'),
    'cron': ('cron', 'List schedules and when they fire; run, pause and resume them.'),
    'flow': ('flow', 'List, start, push, force and retry flows.'),
    'retry': ('control', 'Run ended runs again.'),
    'rm': ('control', 'Delete ended runs.'),
    'web': ('web', 'Serve the page and the HTTP API.'),
    'tasks': ('tasks', 'List the tasks and their inputs.'),
    'workers': ('ls', 'List live workers.'),
    'health': ('health', 'Ask a worker whether it is ready; for probes.'),
    'init': ('init', 'Write files to start from: a task, a Flask site, a unit.'),
    'redis': ('redis', 'Start and stop a Redis for this folder.'),
    'doctor': ('doctor', 'Find problems and say how to fix them.'),
    'completion': ('completion', 'Print the completion script for bash, zsh or fish.'),
}


class LazyGroup(HelpGroup):
    """Imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f'pytask.cli.commands.{COMMANDS[cmd_name][0]}')
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # Here, because click itself answers a closed pipe with exit code 1.
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader has seen enough: `pytask tail | head -1`
            _close_stdout()
            return EXIT_OK
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            _close_stdout()
            click.echo(f'Error: cannot write the output: {error.strerror}', err=True)
            return EXIT_FAILED

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


@click.group(cls=LazyGroup, context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100})
@click.version_option(package_name='pytaskd', prog_name='pytask')
@common
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Start tasks from anywhere, see them, talk to them, stop them.

    First steps: `pytask init`, then `pytask dev`, and in another terminal `pytask run hello-world`.
    """
    ctx.color = colour_by_environment()


def command_line(argv: list[str] | None = None, *, place: str = '') -> int:
    """Run a command and return its exit code; the first line of every error says what to do.

    `place` is where a Flask app is, as FLASK_APP would say it, for the worker beside a web process.
    """
    if '_PYTASK_COMPLETE' in os.environ:
        from pytask.cli.commands.completion import answer

        return answer(cli)
    _replace_unprintable()
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
    return code if isinstance(code, int) else EXIT_OK


def _replace_unprintable() -> None:
    # A character that the terminal's encoding lacks must not end a command.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='replace')


def _explain(error: click.ClickException) -> None:
    # First what is wrong, then how the command is used.
    text = error.format_message()
    if isinstance(error, click.NoSuchOption):  # click words it differently in every version
        hint = f' Did you mean {" or ".join(sorted(error.possibilities))}?' if error.possibilities else ''
        text = f'No such option {error.option_name!r}.{hint}'
    click.echo(f'Error: {text}', err=True)
    ctx = getattr(error, 'ctx', None)
    if ctx is not None:
        click.echo(f'  - {ctx.get_usage().replace("Usage: ", "usage:  ")}', err=True)
        click.echo(f'  - more:   {ctx.command_path} --help', err=True)


def _close_stdout() -> None:
    # Otherwise the interpreter reports the error again when it flushes at exit.
    with suppress(OSError):
        sys.stdout.close()
