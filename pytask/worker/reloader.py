"""Reload: a new instance in the same attempt, under the same lease.

The new instance is built first; where its data is bad the old one goes on, and the answer says why.
Else the old one is stopped as usual, and the run's own greenlet takes the successor over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from pytask.errors import PytaskError
from pytask.worker import children
from pytask.worker.explain import describe
from pytask.worker.slots import STARTED

if TYPE_CHECKING:
    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker

# What an answer says at most: all problems of the data, but no novel.
MAX_WHY = 4096


class Reloader:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def reload(self, live: Live, *, is_durable: bool) -> None:
        """Begin a reload; returns at once. A durable one stands in the hash until it is answered."""
        if not live.ending and live.successor is None:
            gevent.spawn(self._reload, live, is_durable=is_durable)

    def _reload(self, live: Live, *, is_durable: bool) -> None:
        worker = self._worker
        try:
            reload_id, new, present = worker.store.runs.reload_wanted(live.run_id)
            # It is heard twice, by the channel and by the heartbeat: the second time it is under way or answered.
            if is_durable and reload_id in ('', live.reload_id):
                return
            live.reload_id = reload_id
            data = present if new is None else new
            if live.task is None:
                return
            context = getattr(live.greenlet, 'gr_context', None)
            build = worker.runner.build
            args = (live, type(live.task), data)
            successor = context.copy().run(build, *args) if context is not None else build(*args)
        except BaseException as error:  # noqa: BLE001 - user code: the new instance could not be made
            self._refuse(live, error)
        else:
            if live.phase != STARTED or not live.is_open:  # over meanwhile, and nobody would take it over
                children.close(successor, lambda: None, lambda error: worker.report.leaked(live, error))
                return
            live.successor = (successor, data, reload_id)
            worker.stopper.end(live, 'reload')

    def _refuse(self, live: Live, error: BaseException) -> None:
        self._worker.report.reload_failed(live, error)
        why = describe(error)['message'][:MAX_WHY] or type(error).__name__
        self._answer(live, live.reload_id, why, b'')

    def answer(self, live: Live, reload_id: str, data: bytes) -> None:
        """Record that the successor runs, with its data."""
        self._answer(live, reload_id, '', data)

    def _answer(self, live: Live, reload_id: str, why: str, data: bytes) -> None:
        try:
            self._worker.store.runs.reloaded(live.run_id, live.token, reload_id, why, data, live.next_seq())
        except PytaskError as error:
            self._worker.report.reload_failed(live, error)
