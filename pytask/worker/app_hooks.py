"""The hooks of an app around a worker's runs: `on_start` → runs → `on_stop` → resources closed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import gevent

from pytask.worker.attempt import children

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.worker.application import Application
    from pytask.worker.reporter import Reporter

# A hook that hangs must not keep a worker from ending.
HOOK_LIMIT_S = 10.0


class AppHooks:
    """Calls the hooks of an app in one worker."""

    def __init__(self, app: Application, report: Reporter) -> None:
        self._app, self._report = app, report

    def begin(self) -> bool:
        """Call the `on_start` hooks, in the order they were added; return False if one has failed."""
        for hook in self._app.start_hooks:
            try:
                call(hook, self._app)
            except Exception as error:  # noqa: BLE001 - user code, as in the runner
                self._report.start_failed(name_of(hook), error)
                self._close()
                return False
        return True

    def end(self) -> None:
        """Call the `on_stop` hooks, in the order they were added, then close the resources."""
        for hook in self._app.stop_hooks:
            self._contained(f'on_stop hook {name_of(hook)}', call, hook, self._app)
        self._close()
        self._report.threads_left(children.leave_threads())

    def _close(self) -> None:
        self._contained('closing the resources', self._app.close_resources)

    def _contained(self, what: str, do: Callable[..., Any], *args: Any) -> None:
        def body() -> None:
            try:
                do(*args)
            except BaseException as error:  # noqa: BLE001 - as above: nothing keeps a worker from ending
                self._report.app_hook_failed(what, error)

        greenlet = gevent.spawn(body)
        greenlet.join(HOOK_LIMIT_S)
        if not greenlet.dead:
            greenlet.kill(gevent.Timeout(HOOK_LIMIT_S), timeout=1.0)


def call(hook: Callable[..., Any], app: Any) -> Any:
    """Call a hook with the app, or with nothing if it takes nothing."""
    try:
        inspect.signature(hook).bind()
    except TypeError:
        return hook(app)
    except ValueError:  # a builtin that has no signature
        pass
    return hook()


def name_of(hook: Any) -> str:
    return str(getattr(hook, '__qualname__', hook))
