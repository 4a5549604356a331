"""Ends runs from outside, each on its own: mark, ask, wait, interrupt, interrupt again.

An interruption is delivered by a hub callback that checks that the run is still open, so that it
never hits what runs next. Nothing is recorded here: the run's own greenlet judges how it ended.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import gevent

from pytask.authoring.task import current
from pytask.core import commands
from pytask.core.clock import monotonic_s
from pytask.errors import Interrupted, PytaskError
from pytask.worker.attempt import children
from pytask.worker.live import CLOSING, LEAVING, STARTED, goes_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.task import Task
    from pytask.core.commands import Command
    from pytask.store import Store
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter

# Between one interruption and the next, and before a run counts as unkillable.
PATIENCE_S = 1.0
INTERRUPTIONS = 3
# A timer may go off so much early.
EARLY_S = 0.05


class Stopper:
    """`restart` is told why this process can not go on: a run of it ignores every interruption."""

    def __init__(self, store: Store, report: Reporter, restart: Callable[[str], None]) -> None:
        self._store, self._report, self._restart = store, report, restart
        self.unkillable: set[str] = set()

    def obey(self, live: Live, command: Command) -> None:
        """Carry out a `stop`. One that names its attempt is in the hash already; another is written there first."""
        grace_s = seconds(command.fields.get('grace'))
        if command.attempt:
            self.end(live, 'stop', grace_s=grace_s)
        elif live.end.reason != 'stop' or grace_s is not None:
            gevent.spawn_raw(self._stop_for_good, live, grace_s)

    def _stop_for_good(self, live: Live, grace_s: float | None) -> None:
        # Written down first, so that it holds even if this process is gone the next moment.
        try:
            self._store.runs.command(live.run_id, commands.STOP, grace_s=grace_s, attempt=live.attempt)
        except PytaskError as error:  # obeyed all the same
            self._report.not_written_down(live, error)
        self.end(live, 'stop', grace_s=grace_s)

    def end(self, live: Live, reason: str, *, grace_s: float | None = None) -> None:
        """Tell a run to end, and see to it; returns at once.

        What it was told first stands, but for `lost`, and for a stop after a shutdown: it is not to run again.

        `grace_s` takes the place of the task's GRACE. Told again, a shorter one hurries, a longer one does nothing.
        """
        told = live.end.reason
        is_overruled = (reason, told) == ('stop', 'shutdown') or (reason == 'lost' and told != 'lost')
        is_new = told in ('', 'reload') or is_overruled
        if (not is_new and grace_s is None) or (live.phase != STARTED and reason == 'reload'):
            return
        if is_new:
            live.end.reason = reason
            successor = live.release_successor() if reason != 'reload' else None
            if successor is not None:  # a reload that is overtaken: the new instance never starts
                gevent.spawn_raw(self.close, live, successor)
        live.end.stopping_event().set()
        gevent.spawn_raw(self._escalate, live, reason, 0 if reason == 'lost' else grace_s)

    def cut(self, live: Live, guard: object) -> None:
        """Interrupt a hook that has had its time; returns when it is over, or the run unkillable."""
        for _ in range(INTERRUPTIONS):
            gevent.get_hub().loop.run_callback(self._throw, live, guard)
            live.end.over_event().wait(PATIENCE_S)
            if live.guard is not guard:
                return
        self.give_up(live)

    def close(self, live: Live, task: Task | None) -> None:
        """End the greenlets an instance has left behind; returns when nothing of it goes on."""
        children.close(task, lambda: self.give_up(live), lambda error: self._report.leaked(live, error))

    def give_up(self, live: Live) -> None:
        """Say that a run can not be ended, but by a new process."""
        if live.run_id not in self.unkillable:
            self.unkillable.add(live.run_id)
            self._report.unkillable(live)
            self._restart(f'run {live.run_id} can not be ended')

    def outlast(self, older: Live) -> None:
        """End an attempt, and return when it is over.

        A process that stood still for longer than a lease may be granted what it itself still runs.
        """
        if not older.greenlet.dead:
            self._report.lost(older)
            self.end(older, 'lost')
            older.end.over_event().wait()

    def _escalate(self, live: Live, reason: str, grace_s: float | None) -> None:
        task, hurry = live.task, grace_s == 0
        patience_s = 0 if reason == 'failed' else self._patience_s(task, grace_s)
        interrupt_at = inf if patience_s is None else monotonic_s() + patience_s
        if interrupt_at > live.end.interrupt_at and not hurry:
            return  # it is interrupted before that
        live.end.interrupt_at = interrupt_at = min(interrupt_at, live.end.interrupt_at)
        if not hurry:  # else it interrupts them itself
            children.nudge(task)
        if patience_s != 0:
            self._ask(live, task)
            live.end.over_event().wait(patience_s)
        if live.end.interrupt_at == interrupt_at:  # nobody hurries it meanwhile
            self._interrupt_until_over(live, task, hurry=hurry)

    def _interrupt_until_over(self, live: Live, task: Task | None, *, hurry: bool) -> None:
        for _ in range(INTERRUPTIONS):
            while live.phase == CLOSING and not hurry and not live.end.over_event().wait(PATIENCE_S):
                pass  # what happens after `start` has limits of its own
            if live.phase == LEAVING and not hurry:  # as to commit what it has done
                live.end.over_event().wait(PATIENCE_S)
            if not self._is_still(live, task):
                return
            self.interrupt(live, task, hurry=hurry)
            live.end.over_event().wait(PATIENCE_S)
        if self._is_still(live, task) and (hurry or live.phase != CLOSING):
            self.give_up(live)

    @staticmethod
    def _patience_s(task: Task | None, grace_s: float | None) -> float | None:
        # None for no limit. Before there is an instance, and where nobody could heed it, there is none to be had.
        if task is None or not (_has_stop(task) or task.graceful):
            return 0
        own_s = task.GRACE if isinstance(task.GRACE, int | float | None) else 0  # an instance may have any
        return own_s if grace_s is None else grace_s

    def interrupt(self, live: Live, task: Task | None, *, hurry: bool = False) -> None:
        """Deliver an interruption to every greenlet of a run, at the hub's next turn."""
        gevent.get_hub().loop.run_callback(self._deliver, live, task, hurry)

    def _is_still(self, live: Live, task: Task | None) -> bool:
        # The run is the one that was told to end: not over, and no successor of a reload.
        same = task is None or live.task is task
        return live.is_open and same and bool(live.end.reason)

    def _deliver(self, live: Live, task: Task | None, hurry: bool) -> None:  # noqa: FBT001 - a callback
        if not self._is_still(live, task) or (live.phase == CLOSING and not hurry):
            return
        children.interrupt(live.task, live.end.reason)
        if live.phase != CLOSING or live.guard is not None:  # else it is ours, and waits for the children
            self._throw(live, live.guard if hurry else None)

    @staticmethod
    def _throw(live: Live, guard: object | None) -> None:
        greenlet = live.greenlet
        if live.guard is guard and greenlet is not None and not greenlet.dead:
            greenlet.throw(Interrupted(live.end.reason or 'timeout'))

    def _ask(self, live: Live, task: Task | None) -> None:
        if _has_stop(task) and live.end.asked is not task and goes_on(live):
            live.end.asked = task
            self._call_stop(live)

    def _call_stop(self, live: Live) -> None:
        # Under a copy of the run's context as it is inside (same Flask `g`), in a child of the run: a stop
        # that hangs ends with it.
        context = live.greenlet.gr_context.copy()
        context.run(current.set, live.task)
        context.run(gevent.spawn, self._stop_body, live)

    def _stop_body(self, live: Live) -> None:
        task = live.task
        try:
            task.stop()  # type: ignore[union-attr]
        except BaseException as error:  # noqa: BLE001 - user code; a failing stop means the interruption comes sooner
            is_ours = live.phase != STARTED or monotonic_s() > live.end.interrupt_at - EARLY_S
            if not (isinstance(error, Interrupted) and is_ours):  # the run is over, or its grace
                self._report.stop_failed(live, error)
                self.interrupt(live, task)


def _has_stop(task: Task | None) -> bool:
    # Of its class: to ask an instance may run a `__getattr__` of the author's, which may raise anything.
    return hasattr(type(task), 'stop')


def seconds(given: Any) -> float | None:
    """Read a span of time that foreign hands may have written; None for what is none."""
    try:
        span = float(given)
    except (TypeError, ValueError):
        return None
    return span if 0 <= span < inf else None
