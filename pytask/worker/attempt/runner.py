"""Run one attempt: claim → context → `__init__` → `start` → end → recorded.

The greenlet's body is `run`: `perform` never raises, so nothing escapes it, and everything after it
reads one value. The outcome is decided once, in `outcome_of`, from what happened and from whether the
run had been told to end before.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import gevent

from pytask.authoring.task import current
from pytask.core.names import RESERVED, no_such_task
from pytask.core.states import Outcome, State
from pytask.errors import Interrupted, TaskError
from pytask.schema.inputs import read_object
from pytask.worker.attempt import forks
from pytask.worker.attempt.context import context_of
from pytask.worker.attempt.flow_attempt import fitting
from pytask.worker.attempt.flow_runner import FlowRunner
from pytask.worker.attempt.outcome import outcome_of
from pytask.worker.attempt.port import RunPort

if TYPE_CHECKING:
    from pytask.authoring.task import Task
    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker


class Runner:
    """Runs attempts for one worker."""

    def __init__(self, worker: Worker) -> None:
        self._app, self._writer, self._report = worker.app, worker.writer, worker.report
        self._stopper, self._reloader = worker.stopper, worker.reloader
        self._ending = worker.ending
        self._registry, self._flows = worker.app.registry, FlowRunner(worker)

    def run(self, live: Live, older: Live | None) -> None:
        """Be the body of an attempt's greenlet; it begins when the older attempt, if one is here, is over."""
        if older is not None:
            self._stopper.outlast(older)
        outcome = self.perform(live) if live.flow is None else self._flows.perform(live)
        live.is_open = False
        live.task = None  # task → port → live → task would be a cycle: a sixth of the time went to the collector
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
            if live.timeout or task_class.TIMEOUT is not None:
                self._ending.limits.begin(live, task_class)
            context = context_of(self._app, live, task_class)
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
        name = live.task_name if live.flow is None else live.flow.task
        task_class = self._registry.get(name)
        if task_class is None:
            raise TaskError(no_such_task(name, self._registry.names()))
        if task_class.NAME.startswith(RESERVED) and not live.is_local:
            raise TaskError(f"{task_class.NAME} is one of pytask's own tasks: every worker runs it already")
        return task_class

    def _inside(self, live: Live, task_class: type[Task]) -> Outcome:
        try:
            live.task = self.build(live, task_class, live.data)
            value = self._start(live)
        except BaseException as error:  # noqa: BLE001 - as above; decided inside the context
            return self._ending.judge(live, None, error)
        return self._ending.judge(live, value, None)

    def _start(self, live: Live) -> Any:
        while True:
            value = None
            try:
                value = live.task.start() if live.flow is None else live.flow.enter(live.task, live.data)  # type: ignore[union-attr]
                forks.leave()  # a child process that the task made goes no further
            except BaseException as error:
                forks.leave(error)
                if live.ending != 'reload':
                    raise
            if live.ending != 'reload' or live.successor is None:
                return value
            self._succeed(live)

    def _succeed(self, live: Live) -> None:
        # Same attempt, same lease, same greenlet: only the instance and its data are others.
        self._stopper.close(live, live.task)
        if live.ending != 'reload':  # told to stop while the old instance was ending
            raise Interrupted(live.ending)
        live.task, live.data, reload_id = live.successor  # type: ignore[misc]
        live.successor, live.ending, live.stopping, live.interrupt_at = None, '', None, inf
        if live.ended is not None:
            live.ended.set()
            live.ended = None
        current.set(live.task)
        gevent.spawn_raw(self._reloader.answer, live, reload_id, live.data)

    def build(self, live: Live, task_class: type[Task], data: bytes) -> Task:
        """Make the instance: the port first, so that `__init__` may emit. Raises InputError for bad data."""
        task = task_class.__new__(task_class)
        object.__setattr__(task, 'pytask_port', RunPort(live, self._app, self._writer))  # frozen dataclasses, too
        current.set(task)
        inputs = self._registry.inputs(task_class)
        given = read_object(task_class.NAME, data)
        given = given if live.flow is None else fitting(inputs, given)
        bound = inputs.found(inputs.bind(given))
        try:
            inputs.give(task, bound)
        except BaseException:
            self._stopper.close(live, task)
            raise
        return task

    def _leaving(self, live: Live, outcome: Outcome | None, error: BaseException) -> Outcome:
        # Entering the context failed, there is no such task, or leaving a success failed.
        self._ending.limits.end(live)
        if outcome is None or (error is not outcome.exception and outcome.state is State.SUCCESS):
            outcome = outcome_of(live, None, error)
            self._ending.tell(live, outcome)
        elif error is not outcome.exception:
            self._report.context_failed(live, error)
        return outcome
