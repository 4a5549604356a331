"""Start runs: check each launch before anything is queued."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.authoring.decorator import as_task_class
from pytask.core.codec import encode
from pytask.core.ids import Ids, is_valid_id
from pytask.core.limits import LONGEST_S
from pytask.core.moments import moment_ms
from pytask.core.run import Run
from pytask.errors import InputError, PytaskError, RunExists
from pytask.store import NewRun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytask.authoring.registry import Registry


@dataclass(frozen=True, slots=True)
class Launch:
    """One run for `start_many`; the fields are those of `Client.start`."""

    task: Any
    data: dict[str, Any] | None = None
    run_id: str | None = None
    queue: str | None = None
    timeout: float | None = None
    at: Any = None
    delay: float | None = None


def start_runs(client: Any, launches: Iterable[Launch | tuple[Any, dict[str, Any]]]) -> list[Run]:
    """Start runs in one round trip. Raises as `Client.start` does."""
    store = client.store
    made = (launch if isinstance(launch, Launch) else Launch(*launch) for launch in launches)
    new = [new_run(launch, client.ids, client.registry) for launch in made]
    accepted = store.queues.start(new)
    runs = [Run(n.run_id, n.task, data=msgspec.json.decode(n.data), queue=n.queue, client=client) for n in new]
    return [run if ok else _same(client, run) for run, ok in zip(runs, accepted, strict=True)]


def _same(client: Any, run: Run) -> Run:
    there: Run = client.get(run.id)
    if (there.task, there.data) != (run.task, run.data):
        raise RunExists(f'run {run.id!r} already exists with another task or other data')
    return there


def new_run(launch: Launch, ids: Ids, registry: Registry | None) -> NewRun:
    """Check a launch and encode its data. Raises InputError, and PytaskError for a bad id or time."""
    task = as_task_class(launch.task)
    name = launch.task if task is None else task.NAME
    if task is None and registry is not None:
        task = registry.get(name)
    data = {} if launch.data is None else launch.data
    if not isinstance(data, dict):
        raise InputError(str(name), [('data', f'is {type(data).__name__}, not a dict')], f'{name}(…)')
    if task is not None and registry is not None:
        registry.inputs(task).bind(data)
    run_id = launch.run_id or ids.new()
    if not is_valid_id(run_id):
        raise PytaskError(f'not an id: {run_id!r}; 1 to 256 printable bytes, not ending in -control')
    queue = launch.queue or (task.QUEUE if task is not None else 'default')
    timeout = '' if launch.timeout is None else seconds_text('timeout', launch.timeout)
    due = due_text(launch.at, launch.delay)
    return NewRun(run_id, queue, str(name), _dumps(str(name), data), timeout, due)


def seconds_text(name: str, seconds: float) -> str:
    """Return a time span as Redis stores it. Raises PytaskError unless it is between 0.001 s and a century."""
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0.001 <= seconds <= LONGEST_S:
        raise PytaskError(f'{name} must be between 0.001 and {LONGEST_S:,} seconds, not {seconds!r}')
    return f'{float(seconds):.3f}'.rstrip('0').rstrip('.')


def due_text(at: Any, delay: float | None) -> str:
    """Return the due time as the script takes it: milliseconds, `+milliseconds` from now, or '' for now.

    Raises PytaskError for a bad time.
    """
    if at is not None and delay is not None:
        raise PytaskError('give `at` or `delay`, not both')
    if delay is not None:
        return '' if delay == 0 else f'+{round(float(seconds_text("delay", delay)) * 1000)}'
    return '' if at is None else str(moment_ms(at, 'at'))


def _dumps(task: str, data: dict[str, Any]) -> bytes:
    try:
        return encode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(task, [('data', f'is not JSON: {error}')], f'{task}(…)') from error
