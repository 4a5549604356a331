"""A worker's life as its app sees it: `on_start` hooks → runs → `on_stop` hooks → resources closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent

from pytask.app.hooks import call, name_of
from pytask.worker.attempt import children

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.worker.worker import Worker

# A hook that hangs must not keep a worker from ending.
HOOK_LIMIT_S = 10.0


def begin(worker: Worker) -> bool:
    """Call the `on_start` hooks, in the order they were added; false where one has failed."""
    for hook in worker.app.start_hooks:
        try:
            call(hook, worker.app)
        except Exception as error:  # noqa: BLE001 - user code, as in the runner
            worker.report.start_failed(name_of(hook), error)
            _close(worker)
            return False
    return True


def end(worker: Worker) -> None:
    """Call the `on_stop` hooks, in the order they were added, then close the resources."""
    for hook in worker.app.stop_hooks:
        _contained(worker, f'on_stop hook {name_of(hook)}', call, hook, worker.app)
    _close(worker)
    worker.report.threads_left(children.leave_threads())


def _close(worker: Worker) -> None:
    _contained(worker, 'closing the resources', worker.app.close_resources)


def _contained(worker: Worker, what: str, do: Callable[..., Any], *args: Any) -> None:
    def body() -> None:
        try:
            do(*args)
        except BaseException as error:  # noqa: BLE001 - as above: nothing keeps a worker from ending
            worker.report.app_hook_failed(what, error)

    greenlet = gevent.spawn(body)
    greenlet.join(HOOK_LIMIT_S)
    if not greenlet.dead:
        greenlet.kill(gevent.Timeout(HOOK_LIMIT_S), timeout=1.0)
