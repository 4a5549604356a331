"""Routes of runs: start, list, show, tell. What is told is answered in the words of the client.

The web starts only what is exposed, and gives data only to that. Everything else it shows, and may stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from msgspec import Meta

from pytask.core.limits import LONGEST_QUEUE
from pytask.core.names import FLOW, bad_name
from pytask.core.states import LIST_ORDER, State
from pytask.errors import InputError
from pytask.web.access.roles import CONTROL, READ, REMOVE, START
from pytask.web.listing import Look, cut, text_of
from pytask.web.problems import hidden
from pytask.web.redaction.flows import clean_flow_runs, secrets_of_flow_run
from pytask.web.request import Answer, Problem
from pytask.web.routing import Call, Route, unfit

if TYPE_CHECKING:
    from pytask.core.run import Run

LONGEST_TEXT = 200
# How long a client may wait for an answer: a connection is held meanwhile.
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
    """List runs: those that run, those that wait, then those that ended, newest first in each state.

    `state` and `queue` take several, with commas between. `q` is looked for in id, task, reason and data (as JSON).
    The first 5,000 runs are looked at; `is_cut` tells that there are more. Data and output above 4 KiB are cut, and
    the run says so (`is_cut`); a run of its own is told whole.
    """
    client, states, queues = call.client, _states(state), [name for name in queue.split(',') if name]

    def finds(run: Run) -> Any:
        fits = run.state in states and task in ('', run.task) and (not queues or run.queue in queues)
        # Asked again of what is shown: nobody finds a secret by asking for it.
        if not (fits and _has(run.to_json(), q) and _has(told := shown(call, run), q)):
            return None
        return cut(told, 'data', 'output')

    look = Look(client, states, queues)
    found = clean_flow_runs(client, call.site.redactor, look.find(finds, limit))
    counts = {state.value: count for state, count in client.store.runs.counts().items()}
    return {'runs': found, 'counts': counts, 'is_cut': look.is_cut}


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

    With an `id` of one's own the call may be repeated: the same start again is the same run.
    """
    run = start(call, task, data, 'data.', run_id=id, queue=queue, timeout=timeout, at=at, delay=delay)
    where = f'{call.request.root}/api/v1/runs/{quote(run.id, safe="")}'
    return call.site.as_json(shown(call, run), 201, (('Location', where),))


def show_run(call: Call, run: str) -> dict[str, Any]:
    """Show a run, with its messages."""
    client = call.client
    found = client.get(run)
    said = [{'at': message.at, 'text': message.text} for message in client.messages(run)]
    told: dict[str, Any] = call.site.redactor.clean_answer(
        found.to_json() | {'messages': said}, _all_secrets(call, found)
    )
    return told


def remove_run(call: Call, run: str) -> dict[str, str]:
    """Delete an ended run."""
    return answered(call.client.remove(run)[0])


def stop_run(
    call: Call, run: str, grace: Annotated[float, Meta(ge=0)] | None = None, wait: Seconds | None = None
) -> dict[str, str]:
    """Stop a run; `grace` is how many seconds it may take, `wait` how many to see to its end."""
    return answered(call.client.stop(run, wait, grace))


def reload_run(call: Call, run: str, data: dict[str, Any] | None = None, wait: Seconds = 5.0) -> dict[str, str]:
    """Start a run anew in place, with new data or the same."""
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
    """Let a paused run go on."""
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
    """Start a run of an exposed task. Raises Problem with the path of all that is wrong with its data."""
    task = check_exposed(call, name)
    queue = how.get('queue')
    if queue and (problem := bad_name(queue, LONGEST_QUEUE)):
        raise Problem(400, 'that is no queue', errors=[('queue', problem)])
    try:
        return call.client.start(task, data, **how)
    except InputError as error:
        raise unfit(error, below) from None


def check_exposed(call: Call, name: str) -> Any:
    """Return an exposed task; for one that is not, the answer is the same as for one that there is not."""
    task = call.site.exposed(name)
    if task is None:
        raise Problem(400, f'no task {name!r} for the web', errors=[('task', call.site.no_such_task(name))])
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
    """Return what a client's command has answered. Raises Problem where it could not be done at all."""
    if text == 'not_found':
        raise Problem(404, 'no such run')
    if text == 'refused':
        raise Problem(409, "refused: that is one of pytask's own")
    return {'answer': text}


def _states(text: str) -> list[State]:
    names = [name.strip().upper() for name in text.split(',') if name.strip()]
    wrong = [name for name in names if name not in State.__members__]
    if wrong:
        known = ', '.join(State)
        raise Problem(
            400, 'no such state', errors=[('state', f'{name!r:.40} is none of {known}') for name in wrong]
        )
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
