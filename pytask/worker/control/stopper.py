"""Ends runs from outside: mark, ask, wait, interrupt, interrupt again.

An interruption is delivered by a hub callback that checks that the run is still open, so it never hits other code.
No outcome is recorded here: the run's own greenlet decides how it ended.
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

# Between interruptions, and before a run counts as unkillable.
PATIENCE_S = 1.0
INTERRUPTIONS = 3
# A timer may fire this much early.
EARLY_S = 0.05


class Stopper:
    """Ends the runs of one worker. `restart` is called if one ignores every interruption."""

    def __init__(self, store: Store, report: Reporter, restart: Callable[[str], None]) -> None:
        self._store, self._report, self._restart = store, report, restart
        self.unkillable: set[str] = set()

    def obey(self, live: Live, command: Command) -> None:
        """Carry out a `stop`. One that names its attempt is already stored; any other is stored first."""
        grace_s = seconds(command.fields.get('grace'))
        if command.attempt:
            self.end(live, 'stop', grace_s=grace_s)
        elif live.end.reason != 'stop' or grace_s is not None:
            gevent.spawn_raw(self._stop_for_good, live, grace_s)

    def _stop_for_good(self, live: Live, grace_s: float | None) -> None:
        # Stored first, so that it holds even if this process dies now.
        try:
            self._store.runs.command(live.run_id, commands.STOP, grace_s=grace_s, attempt=live.attempt)
        except PytaskError as error:  # stopped anyway
            self._report.not_written_down(live, error)
        self.end(live, 'stop', grace_s=grace_s)

    def end(self, live: Live, reason: str, *, grace_s: float | None = None) -> None:
        """Tell a run to end, and make sure that it does; return at once.

        The first reason counts, except that `lost` overrides all, and `stop` overrides `shutdown`, since the run
        must not run again. `grace_s` replaces the task's GRACE; in a later call only a shorter one has an effect.
        """
        told = live.end.reason
        is_overruled = (reason, told) == ('stop', 'shutdown') or (reason == 'lost' and told != 'lost')
        is_new = told in ('', 'reload') or is_overruled
        if (not is_new and grace_s is None) or (live.phase != STARTED and reason == 'reload'):
            return
        if is_new:
            live.end.reason = reason
            successor = live.release_successor() if reason != 'reload' else None
            if successor is not None:  # this overtakes a reload: the new instance never starts
                gevent.spawn_raw(self.close, live, successor)
        live.end.stopping_event().set()
        gevent.spawn_raw(self._escalate, live, reason, 0 if reason == 'lost' else grace_s)

    def cut(self, live: Live, guard: object) -> None:
        """Interrupt a hook whose time is up; return when it has ended or the run is unkillable."""
        for _ in range(INTERRUPTIONS):
            gevent.get_hub().loop.run_callback(self._throw, live, guard)
            live.end.over_event().wait(PATIENCE_S)
            if live.guard is not guard:
                return
        self.give_up(live)

    def close(self, live: Live, task: Task | None) -> None:
        """End the greenlets an instance left behind; return when none is left."""
        children.close(task, lambda: self.give_up(live), lambda error: self._report.leaked(live, error))

    def give_up(self, live: Live) -> None:
        """Report that only a new process can end a run, and ask for one."""
        if live.run_id not in self.unkillable:
            self.unkillable.add(live.run_id)
            self._report.unkillable(live)
            self._restart(f'run {live.run_id} cannot be ended')

    def outlast(self, older: Live) -> None:
        """End an older attempt of a run, and return when it is over.

        A process that was frozen for longer than a lease may be granted a run that it still runs itself.
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
            return  # it will be interrupted earlier
        live.end.interrupt_at = interrupt_at = min(interrupt_at, live.end.interrupt_at)
        if not hurry:  # else they are interrupted below
            children.nudge(task)
        if patience_s != 0:
            self._ask(live, task)
            live.end.over_event().wait(patience_s)
        if live.end.interrupt_at == interrupt_at:  # no later call has shortened it
            self._interrupt_until_over(live, task, hurry=hurry)

    def _interrupt_until_over(self, live: Live, task: Task | None, *, hurry: bool) -> None:
        for _ in range(INTERRUPTIONS):
            while live.phase == CLOSING and not hurry and not live.end.over_event().wait(PATIENCE_S):
                pass  # hooks after `start` have their own limits
            if live.phase == LEAVING and not hurry:  # it may have to commit its work
                live.end.over_event().wait(PATIENCE_S)
            if not self._is_still(live, task):
                return
            self.interrupt(live, task, hurry=hurry)
            live.end.over_event().wait(PATIENCE_S)
        if self._is_still(live, task) and (hurry or live.phase != CLOSING):
            self.give_up(live)

    @staticmethod
    def _patience_s(task: Task | None, grace_s: float | None) -> float | None:
        # None for no limit. Zero if there is no instance yet, or it has no way to notice.
        if task is None or not (_has_stop(task) or task.graceful):
            return 0
        own_s = task.GRACE if isinstance(task.GRACE, int | float | None) else 0  # an instance may set anything
        return own_s if grace_s is None else grace_s

    def interrupt(self, live: Live, task: Task | None, *, hurry: bool = False) -> None:
        """Interrupt every greenlet of a run at the hub's next turn."""
        gevent.get_hub().loop.run_callback(self._deliver, live, task, hurry)

    def _is_still(self, live: Live, task: Task | None) -> bool:
        # Whether the instance that was told to end is still there: neither over nor replaced by a reload.
        same = task is None or live.task is task
        return live.is_open and same and bool(live.end.reason)

    def _deliver(self, live: Live, task: Task | None, hurry: bool) -> None:  # noqa: FBT001 - a callback
        if not self._is_still(live, task) or (live.phase == CLOSING and not hurry):
            return
        children.interrupt(live.task, live.end.reason)
        if live.phase != CLOSING or live.guard is not None:  # else pytask's own code waits for the children
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
        # In a copy of the run's inner context (same Flask `g`), in a child of the run, so that a stop that hangs
        # ends with it.
        context = live.greenlet.gr_context.copy()
        context.run(current.set, live.task)
        context.run(gevent.spawn, self._stop_body, live)

    def _stop_body(self, live: Live) -> None:
        task = live.task
        try:
            task.stop()  # type: ignore[union-attr]
        except BaseException as error:  # noqa: BLE001 - user code; the run is interrupted now
            is_ours = live.phase != STARTED or monotonic_s() > live.end.interrupt_at - EARLY_S
            if not (isinstance(error, Interrupted) and is_ours):  # the run, or its grace, is over
                self._report.stop_failed(live, error)
                self.interrupt(live, task)


def _has_stop(task: Task | None) -> bool:
    # Asks the class: an instance may have a `__getattr__`, which may raise anything.
    return hasattr(type(task), 'stop')


def seconds(given: Any) -> float | None:
    """Return a number of seconds, None if it is not one; it may have been written by hand."""
    try:
        span = float(given)
    except (TypeError, ValueError):
        return None
    return span if 0 <= span < inf else None
