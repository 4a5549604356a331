"""Run one attempt: claim → context → `__init__` → `start` → end → recorded.

`perform` never raises, so nothing escapes an attempt's greenlet, and all that follows depends on one value: the
outcome, decided once, in `outcome_of`, from what happened and from whether the run was told to end before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.errors import Interrupted
from pytask.worker.attempt import forks

if TYPE_CHECKING:
    from pytask.authoring.task import Task
    from pytask.core.states import Outcome
    from pytask.worker.attempt.builder import Builder
    from pytask.worker.attempt.ending import AttemptEnding
    from pytask.worker.attempt.flow_runner import FlowRunner
    from pytask.worker.attempt.timeouts import Timeouts
    from pytask.worker.control.reloader import Reloader
    from pytask.worker.live import Live


class Runner:
    """Runs the user code of one worker's attempts."""

    def __init__(
        self,
        builder: Builder,
        reloader: Reloader,
        ending: AttemptEnding,
        timeouts: Timeouts,
        flow_runner: FlowRunner,
    ) -> None:
        self._builder, self._reloader, self._ending = builder, reloader, ending
        self._timeouts, self._flow_runner = timeouts, flow_runner

    def perform_flow(self, live: Live) -> Outcome:
        """Run a flow, each of its steps as a task is run. Never raises."""
        return self._flow_runner.perform(live, self.perform)

    def perform(self, live: Live) -> Outcome:
        """Run user code to its end and judge it. Never raises."""
        live.is_open = True
        outcome: Outcome | None = None
        try:
            if live.end.reason:  # before its first step
                raise Interrupted(live.end.reason)
            task_class = self._builder.find(live)
            if live.timeout or task_class.TIMEOUT is not None:
                self._timeouts.begin(live, task_class)
            context = self._builder.context(live, task_class)
            if context is None:
                return self._inside(live, task_class)
            with context:
                outcome = self._inside(live, task_class)
                if outcome.exception is not None:
                    raise outcome.exception  # so that the context can roll back
        except BaseException as error:  # noqa: BLE001 - one of two homes of a broad except: user code may raise anything
            return self._ending.judge_outside(live, outcome, error)
        assert outcome is not None
        return outcome

    def _inside(self, live: Live, task_class: type[Task]) -> Outcome:
        try:
            live.task = self._builder.build(live, task_class, live.data)
            value = self._start(live)
        except BaseException as error:  # noqa: BLE001 - as above; decided inside the context
            return self._ending.judge(live, None, error)
        return self._ending.judge(live, value, None)

    def _start(self, live: Live) -> Any:
        while True:
            value = None
            try:
                value = live.task.start() if live.flow is None else live.flow.enter(live.task, live.data)  # type: ignore[union-attr]
                forks.leave()  # a child process that the task made ends here
            except BaseException as error:
                forks.leave(error)
                if live.end.reason != 'reload':
                    raise
            if live.end.reason != 'reload' or not self._reloader.takes_over(live):
                return value
