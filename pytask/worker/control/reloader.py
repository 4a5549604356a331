"""Reload: a new instance in the same attempt, under the same lease.

The new instance is built first. If its data is bad, the old one continues and the answer says why. Otherwise the
old one is stopped as usual, and the run's own greenlet continues with its successor.

The progress is stored: if this process ends, a reload that was built counts, one that killed the process while it
was built is not tried again, and one that had not begun is done by the next owner of the run.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import gevent

from pytask.authoring.task import Task, current
from pytask.core.limits import MAX_WHY
from pytask.errors import Interrupted, PytaskError, Unavailable
from pytask.worker.error_text import describe
from pytask.worker.live import STARTED, Handover, RunEnd, goes_on

if TYPE_CHECKING:
    from pytask.core.commands import Command
    from pytask.store import Store
    from pytask.store.records import Reload
    from pytask.worker.attempt.builder import Builder
    from pytask.worker.control.stopper import Stopper
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter
    from pytask.worker.slots import Slots

# How often an answer is sent again while Redis is away.
AGAIN_S = 0.5
# Between looks at a run that is still being started.
STARTING_S = 0.02


class Reloader:
    """Reloads the runs of one worker."""

    def __init__(self, store: Store, slots: Slots, report: Reporter, stopper: Stopper, builder: Builder) -> None:
        self._store, self._slots, self._report = store, slots, report
        self._stopper, self._builder = stopper, builder
        self._building: set[Live] = set()

    def obey(self, live: Live, command: Command) -> None:
        """Carry out a `reload`. One with an id is durable."""
        self.reload(live, is_durable='id' in command.fields)

    def reload(self, live: Live, *, is_durable: bool) -> None:
        """Begin a reload; return at once. A durable one is stored until it is answered."""
        if live in self._building or live.end.reason == 'reload':  # one at a time
            handover = _handover(live)
            handover.again = is_durable and handover.again is not False
        elif not live.end.reason:
            self._building.add(live)
            gevent.spawn(self._reload, live, is_durable=is_durable)

    def _reload(self, live: Live, *, is_durable: bool) -> None:
        try:
            while live.task is None and self._is_held(live) and not live.end.reason:
                gevent.sleep(STARTING_S)
            handover = _handover(live)
            wanted = self._store.runs.begin_reload(live.run_id, live.token, handover.reload_id)
            # It arrives twice, by the channel and by the heartbeat: the second time it is under way or answered.
            if wanted is not None and not (is_durable and wanted.reload_id in ('', handover.reload_id)):
                handover.reload_id = wanted.reload_id
                self._replace(live, wanted)
        except PytaskError as error:  # not the data's fault: the heartbeat will hear of it again
            self._report.reload_failed(live, error)
        finally:
            self._building.discard(live)
            if live.end.reason != 'reload':
                self._look_again(live)

    def _replace(self, live: Live, wanted: Reload) -> None:
        data = wanted.present if wanted.new is None else wanted.new
        old = live.task
        if old is None or live.end.reason:
            return
        made = self._build(live, old, data) if live.phase == STARTED else None
        if isinstance(made, Task) and wanted.reload_id:
            with contextlib.suppress(PytaskError):  # only matters if this process dies
                self._store.runs.reload_is_built(live.run_id, live.token, wanted.reload_id)
        if live.end.reason or live.task is not old or not goes_on(live):  # the run would not use it
            self._drop(live, made)
        elif live.phase != STARTED:
            self._drop(live, made)
            self._refuse(
                live, PytaskError('its start has returned, only its greenlets still run; stop and retry it')
            )
        elif isinstance(made, Task):
            _handover(live).successor = (made, data, wanted.reload_id)
            self._stopper.end(live, 'reload')
        else:
            self._refuse(live, made or PytaskError('the greenlet that made the new instance was killed'))

    def takes_over(self, live: Live) -> bool:
        """Replace the old instance by its successor, if there is one; called in the run's own greenlet.

        Raises Interrupted if the run was told to end while the old instance was ending.
        """
        handover = live.handover
        if handover is None or handover.successor is None:
            return False
        # Same attempt, same lease, same greenlet: only the instance and its data change.
        self._stopper.close(live, live.task)
        if live.end.reason != 'reload':
            raise Interrupted(live.end.reason)
        live.task, live.data, reload_id = handover.successor
        handover.successor = None
        old, live.end = live.end, RunEnd()
        if old.over is not None:
            old.over.set()
        current.set(live.task)
        gevent.spawn_raw(self.answer, live, reload_id, live.data)
        return True

    def _drop(self, live: Live, made: Task | BaseException | None) -> None:
        if isinstance(made, Task):
            self._stopper.close(live, made)

    def _look_again(self, live: Live) -> None:
        handover = _handover(live)
        is_durable, handover.again = handover.again, None
        if is_durable is not None and self._is_held(live):
            self.reload(live, is_durable=is_durable)

    def _is_held(self, live: Live) -> bool:
        return self._slots.get(live.run_id) is live

    def _build(self, live: Live, old: Task, data: bytes) -> Task | BaseException | None:
        # In a greenlet that the run owns, so that it ends with the run; None if it ended before its first step.
        context = live.greenlet.gr_context.copy()
        builder = context.run(gevent.spawn, self._body, live, type(old), data)
        builder.join()
        made: Task | BaseException | None = builder.value
        return made

    def _body(self, live: Live, task_class: type[Task], data: bytes) -> Task | BaseException:
        try:
            return self._builder.build(live, task_class, data)
        except BaseException as error:  # noqa: BLE001 - user code: the new instance could not be made
            return error

    def _refuse(self, live: Live, error: BaseException) -> None:
        self._report.reload_failed(live, error)
        why = describe(error)['message'][:MAX_WHY] or type(error).__name__
        self._answer(live, _handover(live).reload_id, why, b'')

    def answer(self, live: Live, reload_id: str, data: bytes) -> None:
        """Store that the successor runs, with its data."""
        self._answer(live, reload_id, '', data)
        self._look_again(live)

    def _answer(self, live: Live, reload_id: str, why: str, data: bytes) -> None:
        seq = live.next_seq()
        while not self._is_answered(live, (reload_id, why, data, seq)) and self._is_held(live):
            gevent.sleep(AGAIN_S)

    def _is_answered(self, live: Live, answer: tuple[str, str, bytes, int]) -> bool:
        try:
            self._store.runs.reloaded(live.run_id, live.token, *answer)
        except Unavailable:
            return False
        except PytaskError as error:
            self._report.reload_failed(live, error)
        return True


def _handover(live: Live) -> Handover:
    if live.handover is None:
        live.handover = Handover()
    return live.handover
