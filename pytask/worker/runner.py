"""Run one attempt: claim → context → `__init__` → `start` → outcome → recorded.

The greenlet's body is `run`: `perform` never raises, so nothing escapes it, and everything after it
reads one value. The outcome is decided once, in `verdict`, from what happened and from whether the
run had been told to end before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
import msgspec

from pytask import messages
from pytask.definition import Task, current
from pytask.errors import InputError, Interrupted, TaskError
from pytask.registry import RESERVED, no_such_task
from pytask.states import Outcome, State
from pytask.worker import children
from pytask.worker.explain import describe
from pytask.worker.port import RunPort

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker

MAX_OUTPUT_BYTES = 2**20


class Runner:
    """Runs attempts for one worker."""

    def __init__(self, worker: Worker) -> None:
        self._app, self._writer, self._report = worker.app, worker.writer, worker.report
        self._stopper, self._reloader = worker.stopper, worker.reloader
        self._registry = worker.app.registry

    def run(self, live: Live) -> None:
        """Be the body of an attempt's greenlet."""
        outcome = self.perform(live)
        live.is_open = False
        if children.has_any(live.task):
            # Not here: a Timeout that the task has left ticking would hit this greenlet while it waits.
            gevent.spawn_raw(self._close, live, outcome)
        else:
            self._over(live, outcome)

    def _close(self, live: Live, outcome: Outcome) -> None:
        children.close(live.task)
        self._over(live, outcome)

    def _over(self, live: Live, outcome: Outcome) -> None:
        if live.ended is not None:
            live.ended.set()
        self._writer.end(live, outcome)

    def perform(self, live: Live) -> Outcome:
        """Run user code to its end and judge it. Never raises."""
        live.is_open = True
        outcome: Outcome | None = None
        try:
            if live.ending:  # before its first step
                raise Interrupted(live.ending)
            task_class = self._find(live)
            context = _context_of(task_class)
            if context is None:
                return self._inside(live, task_class)
            with context:
                outcome = self._inside(live, task_class)
                if outcome.exception is not None:
                    raise outcome.exception  # so that the context can roll back
        except BaseException as error:  # noqa: BLE001 - one of two homes of a broad except: user code may raise anything
            return self._leaving(live, outcome, error)
        assert outcome is not None
        return outcome

    def _find(self, live: Live) -> type[Task]:
        task_class = self._registry.get(live.task_name)
        if task_class is None:
            raise TaskError(no_such_task(live.task_name, self._registry.names()))
        if task_class.NAME.startswith(RESERVED) and not live.is_local:
            raise TaskError(f"{task_class.NAME} is one of pytask's own tasks: every worker runs it already")
        return task_class

    def _inside(self, live: Live, task_class: type[Task]) -> Outcome:
        timer = self._timer(live, task_class.TIMEOUT)
        try:
            live.task = self.build(live, task_class, live.data)
            return verdict(live, self._start(live), None)
        except BaseException as error:  # noqa: BLE001 - as above; decided inside the context
            return verdict(live, None, error)
        finally:
            current.set(None)
            if timer is not None:
                timer.close()

    def _start(self, live: Live) -> Any:
        while True:
            value = None
            try:
                value = live.task.start()  # type: ignore[union-attr]
            except BaseException:
                if live.ending != 'reload':
                    raise
            if live.ending != 'reload' or live.successor is None:
                return value
            self._succeed(live)

    def _succeed(self, live: Live) -> None:
        # Same attempt, same lease, same greenlet: only the instance and its data are others.
        children.close(live.task)
        if live.ending != 'reload':  # told to stop while the old instance was ending
            children.close(live.successor[0])  # type: ignore[index]
            raise Interrupted(live.ending)
        live.task, live.data, reload_id = live.successor  # type: ignore[misc]
        live.successor, live.ending, live.stopping = None, '', None
        if live.ended is not None:
            live.ended.set()
            live.ended = None
        current.set(live.task)
        gevent.spawn_raw(self._reloader.answer, live, reload_id, live.data)

    def _timer(self, live: Live, limit_s: float | None) -> Any:
        if limit_s is None:
            return None
        timer = gevent.get_hub().loop.timer(limit_s)
        timer.start(self._stopper.end, live, 'timeout')
        return timer

    def build(self, live: Live, task_class: type[Task], data: bytes) -> Task:
        """Make the instance: the port first, so that `__init__` may emit. Raises InputError for bad data."""
        task = task_class.__new__(task_class)
        task.port = RunPort(live, self._app, self._writer)
        current.set(task)
        inputs = self._registry.inputs(task_class)
        bound = inputs.bind(_object(task_class.NAME, data))
        if inputs.are_attributes:
            task.__dict__.update(bound)
            return task
        try:
            task.__init__(**bound)  # type: ignore[misc]
        except BaseException:
            children.close(task)
            raise
        return task

    def _leaving(self, live: Live, outcome: Outcome | None, error: BaseException) -> Outcome:
        if outcome is None:  # entering the context failed, or there is no such task
            return verdict(live, None, error)
        if error is not outcome.exception:
            if outcome.state is State.SUCCESS:
                return verdict(live, None, error)
            self._report.context_failed(live, error)
        return outcome


def verdict(live: Live, value: Any, error: BaseException | None) -> Outcome:
    """Decide how an attempt ended: what it was told first, then what it returned or raised."""
    told = live.ending
    if told == 'stop':
        kept = _output(value).output if error is None else b'null'
        return Outcome(State.STOPPED, kept, 'stop', error)
    if told == 'timeout':
        late = TimeoutError('it ran longer than its TIMEOUT')
        return Outcome(State.EXCEPTION, messages.encode(describe(late)), 'timeout', late)
    if told == 'lost' or (told == 'shutdown' and not _own_outcome_counts(live, error)):
        state = State.STOPPED if live.is_local else State.WAIT
        return Outcome(state, reason=told, exception=error)
    if error is None:
        return _output(value)
    if isinstance(error, (TaskError, InputError)):
        return Outcome(State.ERROR, messages.encode(describe(error)['message']), exception=error)
    return Outcome(State.EXCEPTION, messages.encode(describe(error)), exception=error)


def _own_outcome_counts(live: Live, error: BaseException | None) -> bool:
    graceful = live.task is not None and live.task.graceful
    return (graceful or live.is_local) and not isinstance(error, Interrupted)


def _output(value: Any) -> Outcome:
    if value is None:
        return Outcome(State.SUCCESS)
    try:
        output = messages.encode(value)
    except Exception as error:  # noqa: BLE001 - user objects run code while they are encoded
        return _unfit(f'start returned what JSON can not carry: {describe(error)["message"]}')
    if len(output) > MAX_OUTPUT_BYTES:
        return _unfit(f'start returned {len(output):,} bytes of JSON; the limit is {MAX_OUTPUT_BYTES:,}')
    return Outcome(State.SUCCESS, output)


def _unfit(message: str) -> Outcome:
    return Outcome(
        State.EXCEPTION,
        messages.encode({'type': 'TypeError', 'message': message[:1000], 'traceback': ''}),
        exception=TypeError(message[:1000]),
    )


def _context_of(task_class: type[Task]) -> AbstractContextManager[Any] | None:
    if task_class.provide_context is Task.provide_context:
        return None
    return task_class.provide_context()


def _object(task: str, data: bytes) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(task, [('data', f'is not JSON: {error}')], f'{task}(…)') from None
    if not isinstance(decoded, dict):
        raise InputError(task, [('data', 'is not a JSON object')], f'{task}(…)')
    return decoded
