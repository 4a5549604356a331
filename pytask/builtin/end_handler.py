"""Passes each ended run to the app's end handler, at least once.

A run is taken for a minute and released when the handler has returned, so if a worker dies in between, the next one
takes it again.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from pytask.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.task import Task
    from pytask.core.run import Run
    from pytask.store import Store

AT_A_TIME = 64
VISIBLE_S, LIMIT_S = 60.0, 50.0
TRIES = 10

log = logging.getLogger('pytask')


def hand_on(task: Task, handler: Callable[[Run], Any]) -> bool:
    """Pass on up to AT_A_TIME runs; tell whether there may be more."""
    store: Store = task.client.store
    taken = dict(store.ends.take(AT_A_TIME, visible_s=VISIBLE_S))
    runs = store.runs.read(list(taken), task.client)
    calls = [task.spawn(_call, handler, run, taken[run.id]) for run in runs if run is not None]
    handled = [call.get() for call in calls]
    store.ends.let_go([run_id for run_id in handled if run_id])
    return len(taken) == AT_A_TIME


def _call(handler: Callable[[Run], Any], run: Run, times: int) -> str:
    import gevent  # here, since `pytask.Cleanup` is public and importing pytask must not load gevent

    try:
        gevent.with_timeout(LIMIT_S, partial(handler, run))
    except Interrupted:
        raise
    except BaseException:
        is_last = times >= TRIES
        log.exception('the end handler failed for run %s (%d of %d)', run.id, times, TRIES)
        return run.id if is_last else ''
    return run.id
