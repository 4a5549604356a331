"""Commands that act on runs: stop, reload, retry, rm. Runs are given by id, or by what they have in common."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from pytask.cli.commands.completion import run_ids as ids_in
from pytask.cli.commands.completion import task_names
from pytask.cli.data_arguments import point_out, taken, whole_data
from pytask.cli.options import F, client, common, find_id, is_json, queue_option, state_option, together
from pytask.cli.output import formatting
from pytask.core.exit_codes import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_OK, EXIT_TIMED_OUT
from pytask.core.names import is_own
from pytask.core.states import ENDED, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.client.client import Client

SECONDS = click.FloatRange(min=0)
# On a terminal, more answers than this are summed up.
LINES = 20
DELETE_AT_ONCE = 500
CODES = {'not_found': EXIT_NOT_FOUND, 'refused': EXIT_FAILED, 'kept': EXIT_FAILED}


def _selecting(*possible: State) -> Callable[[F], F]:
    """Add what selects runs: ids, or what they have in common; only runs in the possible states count."""
    return together(
        click.option('--yes', '-y', is_flag=True, help='Do not ask for confirmation.'),
        click.option('--all', 'takes_all', is_flag=True, help='All runs.'),
        queue_option('Runs in these queues.'),
        state_option('Runs in these states', ', '.join(possible)),
        click.option('--task', metavar='NAME', shell_complete=task_names, help='Runs of this task.'),
        click.argument('run_ids', metavar='[ID]...', nargs=-1, shell_complete=ids_in(*possible)),
    )


def _select(asked: Client, verb: str, possible: Sequence[State], **by: Any) -> list[str]:
    """Return the ids that were given, or those that match, after confirmation."""
    if by['run_ids']:
        return [find_id(asked, text) for text in by['run_ids']]
    if not (by['takes_all'] or by['task'] or by['states'] or by['queues']):
        raise click.UsageError('name runs by id, or with --task, --state, --queue or --all')
    states = [state for state in possible if not by['states'] or state.value in by['states']]
    if not states:
        return []
    runs = asked.list(states=states, task=by['task'], queues=by['queues'], limit=None)
    ids = [run.id for run in runs if not is_own(run.task)]
    if ids and not by['yes']:
        if not formatting.is_terminal():
            raise click.UsageError(f'this would {verb} {len(ids):,} runs; confirm with --yes')
        click.confirm(f'{verb} {len(ids):,} runs?', abort=True, err=True)
    return ids


def report(answers: dict[str, str]) -> int:
    """Print the answer for each run; exit code 3 if one was not found, 1 if one was refused."""
    if is_json():
        for run_id, answer in answers.items():
            formatting.json_line({'id': run_id, 'answer': answer})
    elif len(answers) > LINES and formatting.is_terminal():
        for answer, n in Counter(answers.values()).items():
            click.echo(f'{n:,} {answer}')
    else:
        formatting.table(('', ''), list(answers.items()))
    if not answers:
        formatting.say('no runs match')
    return max((CODES.get(answer, EXIT_OK) for answer in answers.values()), default=EXIT_OK)


@click.command()
@_selecting(State.RUNNING, State.WAIT)
@click.option('--wait', type=SECONDS, metavar='SECONDS', help='Wait this long for them to end.')
@click.option('--grace', type=SECONDS, metavar='SECONDS', help="Time until the interruption. Default: the task's.")
@common
def stop(wait: float | None, grace: float | None, **by: Any) -> int:
    """Stop runs.

    The answer is `applied` if the run never starts or has now ended, `requested` if its worker was told, or the
    state of a run that had already ended.

    Exit code: 0 told or ended, 1 a run was refused, 3 a run was not found, 4 a run has not ended within --wait.
    """
    asked = client()
    ids = _select(asked, 'stop', (State.RUNNING, State.WAIT), **by)
    answers = dict(zip(ids, asked.stop_many(ids, wait, grace), strict=True))
    return report(answers) or (EXIT_TIMED_OUT if wait is not None and 'requested' in answers.values() else EXIT_OK)


@click.command()
@_selecting(*sorted(ENDED))
@common
def retry(**by: Any) -> int:
    """Run ended runs again, with the same id and data."""
    asked = client()
    ids = _select(asked, 'retry', sorted(ENDED), **by)
    return report({run_id: asked.retry(run_id) for run_id in ids})


@click.command()
@_selecting(*sorted(ENDED))
@common
def rm(**by: Any) -> int:
    """Delete ended runs. Runs that wait or run are kept; stop them first."""
    asked = client()
    ids = _select(asked, 'delete', sorted(ENDED), **by)
    answers: dict[str, str] = {}
    for at in range(0, len(ids), DELETE_AT_ONCE):
        page = ids[at : at + DELETE_AT_ONCE]
        answers |= zip(page, asked.remove(*page), strict=True)
    for run_id, answer in answers.items():
        if answer in ('RUNNING', 'WAIT'):
            formatting.say(f'{run_id} is {answer} and was kept; stop it first')
    return report(answers)


@click.command()
@click.argument('run_id', metavar='ID', shell_complete=ids_in(State.RUNNING, State.WAIT))
@taken
@common
def reload(run_id: str, data: dict[str, Any], whole: str | None) -> int:
    """Restart a run inside its worker: same id, same attempt, with the same data or new data.

    New data replaces the old data entirely. If it is invalid, the running instance continues.
    """
    asked = client()
    full = find_id(asked, run_id)
    point_out(data)
    return report({full: asked.reload(full, whole_data(whole) | data if data or whole is not None else None)})


def stop_workers(texts: Sequence[str]) -> int:
    """Shut down the workers whose ids begin with these texts; print the answer for each."""
    asked = client()
    alive = [worker['id'] for worker in asked.store.workers.alive()]
    answers: dict[str, str] = {}
    for text in texts:
        found = [text] if text in alive else [worker_id for worker_id in alive if worker_id.startswith(text)]
        if len(found) > 1:
            raise click.UsageError(f'several ids begin with {text!r}: {", ".join(found)}')
        worker_id = found[0] if found else text
        answers[worker_id] = asked.stop_worker(worker_id)
    return report(answers)
