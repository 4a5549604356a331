"""Start runs, see them, command them: from any process, patched or not, any thread, before or after a fork.

The client meets the worker only in the store. `wait` and `events` are pushed: they subscribe, and
re-read the hash every few seconds, since an event may be lost and the hash is the truth.
"""

from __future__ import annotations

import itertools
import os
import secrets
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytask import messages
from pytask.clock import monotonic_s, wall_ms
from pytask.definition import as_task_class
from pytask.errors import InputError, NotFound, PytaskError, RunExists, WaitTimeout
from pytask.messages import encode
from pytask.run import Run, is_valid_id
from pytask.states import State
from pytask.store import NewRun, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytask.messages import Event
    from pytask.registry import Registry
    from pytask.store import EventStream

# How long an event may be believed lost before the hash is read again.
REREAD_S = 5.0
# The longest single block on a subscription: short enough to notice the end of a timeout.
TURN_S = 1.0
ID_TAIL_BITS = 35
ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

# `list` is a method below, so its builtin is named here.
RunList = list[Run]
Answers = list[str]


@dataclass(frozen=True, slots=True)
class Launch:
    """One run to be started by `start_many`."""

    task: Any
    data: dict[str, Any] | None = None
    run_id: str | None = None
    queue: str | None = None


class Client:
    """A client of one Redis and prefix. Connects on first use; cheap to keep, safe to share.

    `registry` lets it check data against a task's inputs before anything is enqueued.
    """

    def __init__(self, url: str, prefix: str = '', *, registry: Registry | None = None) -> None:
        self._url, self._prefix, self._registry = url, prefix, registry
        self._stores: dict[tuple[int, int], Store] = {}
        self._ids = _ids()
        self._pid = os.getpid()

    @property
    def store(self) -> Store:
        """The store behind this client; a new one where connections can not be shared.

        That is after a fork, and for each native thread of a patched process: sockets of gevent belong
        to the hub, and so to the thread, that made them.
        """
        place = (os.getpid(), threading.get_native_id() if 'gevent.monkey' in sys.modules else 0)
        store = self._stores.get(place)
        if store is None:
            if self._pid != place[0]:
                self._stores, self._ids, self._pid = {}, _ids(), place[0]
            store = self._stores.setdefault(place, Store(self._url, self._prefix))
        return store

    def start(
        self,
        task: Any,
        data: dict[str, Any] | None = None,
        *,
        run_id: str | None = None,
        queue: str | None = None,
    ) -> Run:
        """Start a run and return it, without waiting.

        `task` is a name, a Task class or a decorated function. With a `run_id` of your own the call may
        be repeated: the same start again is the same run. Raises InputError, RunExists, Unavailable.
        """
        return self.start_many([Launch(task, data, run_id, queue)])[0]

    def start_many(self, launches: Iterable[Launch | tuple[Any, dict[str, Any]]]) -> list[Run]:
        """Start many runs in one round trip; each is a Launch or a (task, data) pair. Raises as `start` does."""
        store = self.store
        new = [self._new_run(launch if isinstance(launch, Launch) else Launch(*launch)) for launch in launches]
        accepted = store.queues.start(new)
        runs = [Run(n.run_id, n.task, data=_loads(n.data), queue=n.queue, client=self) for n in new]
        return [run if ok else self._same(run) for run, ok in zip(runs, accepted, strict=True)]

    def get(self, run_id: str) -> Run:
        """Read a run. Raises NotFound."""
        run = self.store.runs.read([run_id], self)[0]
        if run is None:
            raise NotFound(f'no run {run_id!r}')
        return run

    def list(
        self,
        *,
        states: Sequence[State | str] = (),
        task: str | None = None,
        queues: Sequence[str] = (),
        limit: int | None = 50,
    ) -> RunList:
        """Return runs: those that run, those that wait, then those that ended, newest first in each state."""
        wanted = [State(state) for state in states] or list(_LIST_ORDER)
        runs: RunList = []
        for run in self._listed(wanted, queues):
            fits = run.state in wanted and task in (None, run.task)
            if fits and (not queues or run.queue in queues):
                runs.append(run)
            if limit is not None and len(runs) >= limit:
                break
        return runs

    def wait(self, *runs: Run | str, timeout: float | None = None) -> RunList:
        """Block until all of these have ended. Raises WaitTimeout after `timeout` seconds, NotFound."""
        ids = [run if isinstance(run, str) else run.id for run in runs]
        for _ in self.watch(*ids, timeout=timeout):
            pass
        return [self.get(run_id) for run_id in ids]

    def events(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event]:
        """Yield the events of these runs, from now on until all have ended. Raises WaitTimeout, NotFound."""
        return (event for event in self.watch(*run_ids, timeout=timeout) if event is not None)

    def watch(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event | None]:
        """Yield events as `events` does, and None about once a second while nothing happens."""
        # Subscribed here and now, not at the first `next`: what happens in between is heard.
        return self._follow(self.store.events(run_ids), run_ids, timeout)

    def stop(self, run_id: str) -> str:
        """Stop a run wherever it is.

        Answers `applied` (it waited, and never starts), `requested` (its worker has been told),
        `refused` (pytask's own tasks), or the state in which it had ended. Raises NotFound.
        """
        return self._answer(run_id, self.store.runs.command(run_id, messages.STOP))

    def stop_many(self, run_ids: Sequence[str]) -> Answers:
        """Stop many runs, hundreds in one round trip; answers as `stop` does, and `not_found`."""
        return [_lower(answer) for answer in self.store.runs.command_many(run_ids, messages.STOP)]

    def reload(self, run_id: str, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str:
        """Start a run anew inside its worker, with new data or the same: same id, same attempt.

        Answers `applied` once the worker has done it, `requested` if it has not within `wait` seconds,
        else as `stop` does. Raises NotFound, and PytaskError with the worker's reason where the new
        data is bad; then the old instance goes on.
        """
        command_id = secrets.token_hex(4)
        text = b'' if data is None else encode(data)
        store = self.store
        answer = store.runs.command(run_id, messages.RELOAD, data=text, command_id=command_id)
        if answer != 'REQUESTED':
            return self._answer(run_id, answer)
        limit = monotonic_s() + wait
        stream = store.events([run_id])
        try:
            while True:
                done, _, error = store.runs.reload_answer(run_id).partition(' ')
                if done == command_id:
                    if error:
                        raise PytaskError(f'run {run_id} was not reloaded: {error}')
                    return 'applied'
                left = limit - monotonic_s()
                if left <= 0:
                    return 'requested'
                stream.read(timeout_s=min(left, 0.5))
        finally:
            stream.close()

    def retry(self, run_id: str) -> str:
        """Run an ended run again, with its id and data. Answers as `stop` does."""
        return self._answer(run_id, self.store.runs.retry(run_id))

    def remove(self, *run_ids: str) -> Answers:
        """Delete ended runs. Answers for each `ok`, `not_found`, or the state of one that has not ended."""
        return [_lower(answer) for answer in self.store.runs.remove(run_ids, takes_kept=True)]

    def close(self) -> None:
        for store in list(self._stores.values()):
            store.close()
        self._stores.clear()

    def new_id(self) -> str:
        """Make an id: 16 characters that sort by time."""
        # 45 bits of milliseconds, then a number that only grows: ids of one process sort by time.
        number = (wall_ms() << ID_TAIL_BITS) | (next(self._ids) & ((1 << ID_TAIL_BITS) - 1))
        return ''.join(ALPHABET[(number >> shift) & 31] for shift in range(75, -5, -5))

    def _new_run(self, launch: Launch) -> NewRun:
        task = as_task_class(launch.task)
        name = launch.task if task is None else task.NAME
        if task is None and self._registry is not None:
            task = self._registry.get(name)
        data = {} if launch.data is None else launch.data
        if not isinstance(data, dict):
            raise InputError(str(name), [('data', f'is {type(data).__name__}, not a dict')], f'{name}(…)')
        if task is not None and self._registry is not None:
            self._registry.inputs(task).bind(data)
        run_id = launch.run_id or self.new_id()
        if not is_valid_id(run_id):
            raise PytaskError(f'not an id: {run_id!r}; 1 to 256 printable bytes, not ending in -control')
        queue = launch.queue or (task.QUEUE if task is not None else 'default')
        return NewRun(run_id, queue, str(name), _dumps(str(name), data))

    def _same(self, run: Run) -> Run:
        there = self.get(run.id)
        if (there.task, there.data) != (run.task, run.data):
            raise RunExists(f'run {run.id!r} was started before, with another task or other data')
        return there

    def _listed(self, states: Sequence[State], queues: Sequence[str]) -> Iterator[Run]:
        seen: set[str] = set()
        page: Answers = []
        for run_id in self.store.runs.ids(states, queues):
            if run_id not in seen:
                seen.add(run_id)
                page.append(run_id)
            if len(page) == 200:
                yield from self._read(page)
                page = []
        yield from self._read(page)

    def _read(self, ids: Sequence[str]) -> Iterator[Run]:
        yield from (run for run in self.store.runs.read(ids, self) if run is not None)

    def _follow(self, stream: EventStream, ids: Sequence[str], timeout: float | None) -> Iterator[Event | None]:
        limit = None if timeout is None else monotonic_s() + timeout
        pending, unheard = dict.fromkeys(ids), set(ids)
        reread_at = 0.0
        try:
            while True:
                if monotonic_s() >= reread_at:
                    self._drop_ended(pending)
                    reread_at = monotonic_s() + REREAD_S
                if not pending:
                    yield from stream.rest(unheard)
                    return
                left = TURN_S if limit is None else min(TURN_S, limit - monotonic_s())
                if left <= 0:
                    raise WaitTimeout(f'not ended after {timeout:g} s: {", ".join(pending)}')
                event = stream.read(timeout_s=left)
                if event is not None and event.event in messages.ENDING_EVENTS:
                    reread_at = 0.0
                    unheard.discard(event.run_id)
                yield event
        finally:
            stream.close()

    def _drop_ended(self, pending: dict[str, None]) -> None:
        ids = tuple(pending)
        for run_id, run in zip(ids, self.store.runs.read(ids), strict=True):
            if run is None:
                raise NotFound(f'no run {run_id!r}')
            if run.is_ended:
                del pending[run_id]

    def _answer(self, run_id: str, answer: str) -> str:
        if answer == 'NOT_FOUND':
            raise NotFound(f'no run {run_id!r}')
        return _lower(answer)


_LIST_ORDER = (State.RUNNING, State.WAIT, State.EXCEPTION, State.ERROR, State.STOPPED, State.SUCCESS)


def _lower(answer: str) -> str:
    # States keep their capitals: they are states, not answers.
    return answer if answer in State.__members__ else answer.lower()


def _dumps(task: str, data: dict[str, Any]) -> bytes:
    try:
        return encode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(task, [('data', f'is not JSON: {error}')], f'{task}(…)') from error


def _loads(text: bytes) -> Any:
    import msgspec

    return msgspec.json.decode(text)


def _ids() -> Iterator[int]:
    # A random start, different in each process; `next` of a count is atomic between threads.
    return itertools.count(secrets.randbits(ID_TAIL_BITS))
