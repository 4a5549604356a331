"""Runs: list, show, start, and command them. Commands are answered in the client's words, such as `applied`.

Only exposed tasks can be started or given data; all other runs can be seen and stopped.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from pytask.core.limits import LONGEST_QUEUE
from pytask.core.names import FLOW, bad_name
from pytask.core.states import LIST_ORDER, State
from pytask.errors import InputError
from pytask.web.access.roles import CONTROL, READ, REMOVE, START
from pytask.web.listing import cut, search, text_of
from pytask.web.problems import hidden
from pytask.web.redaction.flows import clean_flow_runs, secrets_of_flow_run
from pytask.web.request import Answer, Problem, created
from pytask.web.routing import Call, Route, unfit

if TYPE_CHECKING:
    from pytask.core.run import Run

LONGEST_TEXT = 200
# The longest wait for an answer: it occupies a connection.
LONGEST_WAIT_S = 60.0

Seconds = Annotated[float, Meta(ge=0, le=LONGEST_WAIT_S)]


def list_runs(  # noqa: PLR0913, PLR0917 - the fields of the query
    call: Call,
    state: str = '',
    task: str = '',
    queue: str = '',
    limit: Annotated[int, Meta(ge=1, le=2000)] = 50,
    q: Annotated[str, Meta(max_length=LONGEST_TEXT)] = '',
) -> dict[str, Any]:
    """List runs: running, then waiting, then ended ones, newest first in each state.

    `state` and `queue` take several values, separated by commas. `q` is searched for in id, task, reason and data
    (as JSON). The first 5,000 runs are searched; `is_cut` says that there are more. Data and output above 4 KiB are
    cut, and `is_cut` on the run says so; a single run is shown whole.
    """
    client, states, queues = call.client, _states(state), [name for name in queue.split(',') if name]

    def finds(run: Run) -> Any:
        fits = run.state in states and task in ('', run.task) and (not queues or run.queue in queues)
        # Search what is shown as well: a search must not reveal a secret.
        if not (fits and _has(run.to_json(), q) and _has(answer := shown(call, run), q)):
            return None
        return cut(answer, 'data', 'output')

    found, is_cut = search(client, finds, limit, states, queues)
    counts = {state.value: count for state, count in client.store.runs.counts().items()}
    runs = clean_flow_runs(client, call.site.redactor, found)
    return {'runs': runs, 'counts': counts, 'is_cut': is_cut}


def start_run(  # noqa: PLR0913, PLR0917 - the fields of the body
    call: Call,
    task: str,
    data: dict[str, Any] = {},  # noqa: B006 - never changed
    id: str | None = None,  # noqa: A002 - the field's name
    queue: str | None = None,
    timeout: float | None = None,
    at: float | str | None = None,
    delay: float | None = None,
) -> Answer:
    """Start a run: now, at a time (`at`: Unix seconds or ISO 8601), or after `delay` seconds.

    With your own `id` the call may be repeated: an identical start returns the same run.
    """
    run = start(call, task, data, 'data.', run_id=id, queue=queue, timeout=timeout, at=at, delay=delay)
    return created(call.request, '/api/v1/runs/{}', run.id, shown(call, run))


def show_run(call: Call, run: str) -> dict[str, Any]:
    """Show a run, with its messages."""
    client = call.client
    found = client.get(run)
    messages = [{'at': message.at, 'text': message.text} for message in client.messages(run)]
    answer: dict[str, Any] = call.site.redactor.clean_answer(
        found.to_json() | {'messages': messages}, _all_secrets(call, found)
    )
    return answer


def remove_run(call: Call, run: str) -> dict[str, str]:
    """Delete an ended run."""
    return answered(call.client.remove(run)[0])


def stop_run(
    call: Call, run: str, grace: Annotated[float, Meta(ge=0)] | None = None, wait: Seconds | None = None
) -> dict[str, str]:
    """Stop a run. It has `grace` seconds to finish; the answer comes after up to `wait` seconds."""
    return answered(call.client.stop(run, wait, grace))


def reload_run(call: Call, run: str, data: dict[str, Any] | None = None, wait: Seconds = 5.0) -> dict[str, str]:
    """Replace the running instance by a new one, with new data or the same."""
    redactor = call.site.redactor
    if data is not None:
        check_exposed(call, call.client.get(run).task)
    with hidden(redactor, redactor.secrets_of(data)):
        return answered(call.client.reload(run, data, wait=wait))


def retry_run(call: Call, run: str) -> dict[str, str]:
    """Run an ended run again."""
    return answered(call.client.retry(run))


def pause_run(call: Call, run: str) -> dict[str, str]:
    """Pause a run until it is resumed."""
    return answered(call.client.pause(run))


def resume_run(call: Call, run: str) -> dict[str, str]:
    """Resume a paused run."""
    return answered(call.client.resume(run))


def extend_run(call: Call, run: str, seconds: Annotated[float, Meta(gt=0)]) -> dict[str, str]:
    """Give a run more time."""
    return answered(call.client.extend(run, seconds))


def send_to_run(call: Call, run: str, name: str, data: dict[str, Any] | None = None) -> dict[str, str]:
    """Send a message to a run."""
    check_exposed(call, call.client.get(run).task)
    return answered(call.client.send(run, name, data))


def ask_run(
    call: Call,
    run: str,
    name: str,
    data: dict[str, Any] | None = None,
    timeout: Seconds = 5.0,
) -> dict[str, Any]:
    """Send a message to a running task, and return its answer."""
    found, redactor = call.client.get(run), call.site.redactor
    check_exposed(call, found.task)
    secrets = redactor.secrets_of(found.data, data)
    with hidden(redactor, secrets):
        value = call.client.ask(run, name, data, timeout=timeout)
    return {'value': redactor.clean(value, secrets)}


def start(call: Call, name: str, data: dict[str, Any], below: str, **how: Any) -> Any:
    """Start a run of an exposed task. Raises Problem with everything that is wrong with its data."""
    task = check_exposed(call, name)
    queue = how.get('queue')
    if queue and (problem := bad_name(queue, LONGEST_QUEUE)):
        raise Problem(400, 'invalid queue name', errors=[('queue', problem)])
    try:
        return call.client.start(task, data, **how)
    except InputError as error:
        raise unfit(error, below) from None


def check_exposed(call: Call, name: str) -> Any:
    """Return an exposed task. Raises the same Problem for a hidden task as for a missing one."""
    task = call.site.exposed(name)
    if task is None:
        near = get_close_matches(name, [task.NAME for task in call.site.exposed_tasks()], n=3, cutoff=0.5)
        what = 'unknown or not exposed' + (f'; did you mean {" or ".join(near)}?' if near else '')
        raise Problem(400, f'the web cannot start the task {name!r}', errors=[('task', what)])
    return task


def shown(call: Call, run: Any) -> Any:
    """Return a run as JSON, without its secrets."""
    return call.site.redactor.clean_answer(run.to_json(), _secrets(call, run))


def _secrets(call: Call, run: Any) -> list[str]:
    return call.site.redactor.secrets_of(run.data)


def _all_secrets(call: Call, run: Run) -> list[str]:
    if run.task != FLOW:
        return _secrets(call, run)
    return secrets_of_flow_run(call.client, call.site.redactor, run.id, run.data, run.output)


def answered(text: str) -> dict[str, str]:
    """Return the client's answer to a command. Raises Problem if it was not carried out."""
    if text == 'not_found':
        raise Problem(404, 'no such run')
    if text == 'refused':
        raise Problem(409, 'refused: this run belongs to pytask itself')
    return {'answer': text}


def _states(text: str) -> list[State]:
    names = [name.strip().upper() for name in text.split(',') if name.strip()]
    wrong = [name for name in names if name not in State.__members__]
    if wrong:
        known = ', '.join(State)
        errors = [('state', f'{name!r:.40} is not one of {known}') for name in wrong]
        raise Problem(400, 'no such state', errors=errors)
    return [state for state in LIST_ORDER if state in names] or list(LIST_ORDER)


def _has(run: dict[str, Any], text: str) -> bool:
    if not text:
        return True
    words = [run['id'], run['task'], run['reason'], text_of(run['data'])]
    return any(text.lower() in word.lower() for word in words)


ROUTES = [
    Route('GET', '/api/v1/runs', list_runs, READ, shape='Runs', is_clean=True),
    Route('POST', '/api/v1/runs', start_run, START, 201, shape='Run'),
    Route('POST', '/api/v1/runs/{run}/stop', stop_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/reload', reload_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/retry', retry_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/pause', pause_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/resume', resume_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/extend', extend_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/send', send_to_run, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/runs/{run}/ask', ask_run, CONTROL, shape='Value', is_clean=True),
    Route('GET', '/api/v1/runs/{run}', show_run, READ, shape='Run', is_clean=True),
    Route('DELETE', '/api/v1/runs/{run}', remove_run, REMOVE, shape='Answer'),
]
