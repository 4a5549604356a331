"""The end of an attempt: `start` is over → `finish` hook → children → `on_exception` hooks → recorded.

The author's hooks run guarded: an interruption that was aimed at `start` does not hit them, their errors are logged
and change nothing, and their time is limited. A second signal, or a lost lease, may cut them short.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event

from pytask.authoring.task import Task, current
from pytask.core.clock import monotonic_s
from pytask.core.names import is_own
from pytask.core.run import Run
from pytask.core.states import Outcome, State
from pytask.worker.attempt import forks, stdout
from pytask.worker.attempt.outcome import outcome_of
from pytask.worker.live import CLOSING, LEAVING, has_any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.schema.outputs import Outputs
    from pytask.worker.application import Application
    from pytask.worker.attempt.port import RunPort
    from pytask.worker.attempt.timeouts import Timeouts
    from pytask.worker.control.stopper import Stopper
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter

# For an `on_exception` hook: long enough to send a report, short enough to occupy a slot.
HOOK_LIMIT_S = 10.0


class AttemptEnding:
    """Ends attempts for one worker."""

    def __init__(self, app: Application, report: Reporter, stopper: Stopper, timeouts: Timeouts) -> None:
        self._app, self._report = app, report
        self._stopper, self._timeouts = stopper, timeouts

    def judge(self, live: Live, value: Any, error: BaseException | None) -> Outcome:
        """Return the outcome of an attempt whose `start` is over, after nothing of it runs. Never raises."""
        # May run an error's __str__, so it is still part of `start`.
        outcome = outcome_of(live, value, error, self._promised(live, error))
        live.phase = CLOSING
        task = live.task
        if live.deadline is not None and (task is None or not task.graceful):
            self._timeouts.end(live)
        if task is not None:
            if type(task).finish is not Task.finish and callable(type(task).finish):
                self._guarded(live, task.GRACE, task.finish, outcome)
            if live.handover is not None or task.pytask_port.children:  # type: ignore[attr-defined]
                outcome = self._end_children(live, task, value, outcome, error)
        if live.deadline is not None:
            self._timeouts.end(live)
        if outcome.state is State.EXCEPTION:
            self.tell(live, outcome)
        live.phase = LEAVING
        stdout.finish(live)
        current.set(None)
        return outcome

    def judge_outside(self, live: Live, outcome: Outcome | None, error: BaseException) -> Outcome:
        """Return the outcome where `error` left the context, or kept the run from entering it. Never raises."""
        self._timeouts.end(live)
        if outcome is None or (error is not outcome.exception and outcome.state is State.SUCCESS):
            return self.fail(live, error)
        if error is not outcome.exception:
            self._report.context_failed(live, error)
        return outcome

    def fail(self, live: Live, error: BaseException) -> Outcome:
        """Return the outcome of an attempt that ended by `error` outside its instance; call the hooks."""
        outcome = outcome_of(live, None, error)
        self.tell(live, outcome)
        return outcome

    def tell(self, live: Live, outcome: Outcome) -> None:
        """Call the app's `on_exception` hooks if the attempt ended so."""
        if outcome.state is not State.EXCEPTION or is_own(live.task_name):
            return
        live.phase = CLOSING  # even if `start` never ran, or leaving the context failed
        for hook in self._app.exception_hooks:
            self._guarded(live, HOOK_LIMIT_S, hook, self._run_of(live, outcome), outcome.exception)
        self._stopper.close(live, live.task)

    def child_failed(self, port: RunPort, error: BaseException, *, is_awaited: bool) -> None:
        """End a run by the error of a child that nothing waits for; if the run ends anyway, log the error."""
        live = port.live
        is_other = live.task is not None and live.task.pytask_port is not port  # a reload's
        is_graceful = live.task is not None and live.task.graceful
        is_late = live.phase == LEAVING or (live.phase == CLOSING and not is_graceful)
        if is_awaited or is_other or is_late or live.end.reason:
            self._report.child_failed(live, error)
            return
        live.end.failure = error
        if live.phase != CLOSING:  # else `_join` sees it
            self._stopper.end(live, 'failed')

    def _guarded(self, live: Live, limit_s: float | None, call: Callable[..., Any], *args: Any) -> None:
        guard = live.guard = object()
        timer = None
        if limit_s is not None:
            timer = gevent.get_hub().loop.timer(limit_s)
            timer.start(gevent.spawn_raw, self._stopper.cut, live, guard)
        try:
            call(*args)
            forks.leave()
        except BaseException as error:  # noqa: BLE001 - user code, as in the runner
            forks.leave(error)
            self._report.hook_failed(live, getattr(call, '__name__', repr(call)), error)
        finally:
            live.guard = None
            if timer is not None:
                timer.close()

    def _end_children(
        self, live: Live, task: Task, value: Any, outcome: Outcome, error: BaseException | None
    ) -> Outcome:
        # `start` has returned, so a graceful run continues in its children, and is judged when they have ended.
        if task.graceful and error is None and has_any(task):
            self._join(live, task)
            outcome = outcome_of(live, value, None, self._promised(live, None))
        for left in (task, live.release_successor()):
            self._stopper.close(live, left)
        return outcome

    def _join(self, live: Live, task: Task) -> None:
        # Until they have ended, one has failed, or the time of a run that was told to end is up.
        port: RunPort = task.pytask_port  # type: ignore[assignment]
        changed = port.changed = Event()
        while has_any(task) and live.end.failure is None:
            changed.clear()
            left_s = live.end.interrupt_at - monotonic_s()
            if left_s <= 0:
                break
            try:
                changed.wait(None if left_s == inf else left_s)
            except BaseException as error:  # noqa: BLE001 - a Timeout that the task left running
                self._report.leaked(live, error)
        if live.end.failure is not None and not live.end.reason:
            live.end.reason = 'failed'

    def _promised(self, live: Live, error: BaseException | None) -> Outputs | None:
        # What `start` returned is checked against its annotation; what a waiting step returned is not.
        if error is not None or live.task is None or (live.flow is not None and not live.flow.is_at_start):
            return None
        return self._app.registry.outputs(type(live.task))

    def _run_of(self, live: Live, outcome: Outcome) -> Run:
        raw = {b'task': live.task_name.encode(), b'data': live.data, b'output': outcome.output}
        run = Run.from_hash(live.run_id, raw, self._app.client)
        run.state, run.reason, run.attempt, run.is_local = (
            outcome.state,
            outcome.reason,
            live.attempt,
            live.is_local,
        )
        run.queue = live.queue or run.queue
        return run
