"""PyTask, the class that users instantiate: settings, tasks, a client, and running a worker."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.app.schedules import AppSchedules
from pytask.client.client import Client
from pytask.config import settings as settings_
from pytask.config.sources import in_code
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.config.settings import Settings
    from pytask.core.run import Run

LOCALHOST = 'redis://localhost:6379/0'
# Set while the command line imports the module of an app.
is_being_found: ContextVar[bool] = ContextVar('pytask_is_being_found', default=False)


class PyTask(AppSchedules):
    """An application: its tasks, its settings, its client.

    Without a URL: `PYTASK_REDIS`, else the embedded server of this folder, else Redis on localhost.
    Keywords are settings, named as in `pytask.toml`: `prefix`, `queue`, `concurrency`, `lease`, `drain`, …
    `tasks` is a folder that `pytask worker -A` discovers in addition, '' for none. These settings take precedence,
    except over flags and `PYTASK_*` on the command line. Raises ConfigError for a bad setting.
    """

    # Where the command line found it, as `web:app`; '' if the command line made it.
    place = ''
    # Whether its workers log successes.
    is_verbose = False

    def __init__(self, redis: str | None = None, **given: Any) -> None:
        super().__init__()
        self.given = {'redis': redis, **given}
        self.chosen = settings_.chosen_in_code(self.given, self.named)
        self.settings: Settings = settings_.settled(self.chosen)
        self.local_tasks: list[tuple[str, dict[str, Any]]] = []
        self.end_handler: Callable[[Run], Any] | None = None
        self.web_auth: Callable[[dict[str, Any]], Any] | None = None
        self._client: Client | None = None
        self._worker: Any = None

    def configure(self, flags: dict[str, Any]) -> None:
        """Override the settings of the constructor with these flags and, after them, `PYTASK_*`.

        The command line does this with the app that it uses. Raises ConfigError.
        """
        self.chosen = settings_.chosen(flags, code=self.given, named=self.named)
        self.settings = settings_.settled(self.chosen)
        if self._client is not None:  # the author of the app holds on to it
            self._client.move(self.url, self.settings.prefix)

    @staticmethod
    def named(key: str) -> str:
        """Say where one of its settings was made, for messages."""
        return in_code(key)

    @property
    def url(self) -> str:
        """The URL of this app's Redis."""
        return self.settings.redis or _embedded_url() or LOCALHOST

    @property
    def client(self) -> Client:
        """The client of this app; it checks data against the inputs of the app's tasks."""
        if self._client is None:
            self._client = Client(self.url, self.settings.prefix, registry=self.registry)
        return self._client

    def on_end(self, handler: Callable[[Run], Any]) -> Callable[[Run], Any]:
        """Decorate the end handler, which is called with every ended run, in any end state, at least once.

        This app's workers call it, up to 64 times at once, for at most 50 s each. If it raises, it is called again
        a minute later, ten times in all. Ended runs are kept until it has returned.
        """
        self.end_handler = handler
        return handler

    def auth(self, check: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        """Decorate the function that decides who may use the web; it is called with the WSGI environment.

        It returns True to allow everything, a false value to allow nothing, or roles: see `pytask.web.application`.
        """
        self.web_auth = check
        return check

    def start_local_task(self, task: Any, data: dict[str, Any] | None = None) -> None:
        """Run a task inside this app's worker for as long as the worker runs; it takes no slot.

        Called before `run`, the task starts with the worker; later, at once. Raises NotFound, InputError.
        """
        from pytask.authoring.decorator import as_task_class
        from pytask.authoring.registry import find

        name = task if isinstance(task, str) else as_task_class(task).NAME  # type: ignore[union-attr]
        self.registry.inputs(find(self.registry, name)).bind(data or {})
        self.local_tasks.append((name, data or {}))
        if self._worker is not None:
            self._worker.local_runs.launch(name, data or {})

    def run(self) -> int:
        """Run a worker until it is told to stop, and return its exit code.

        gevent must patch the process before anything else is imported. If it has not, the process re-executes
        itself under `python -m gevent.monkey`.
        """
        if is_being_found.get():
            raise ConfigError('app.run() is called on import; move it below: if __name__ == "__main__":')
        if not _is_patched():
            _execute_patched()
        # By name: worker and web are layers above the app, loaded only by a process that runs them.
        web = import_module('pytask.web.serving').web_of(self)
        code: int = import_module('pytask.worker.process').run_worker(self, beside=web)
        return code

    def bind(self, worker: Any) -> None:
        """Remember the worker of this process; the worker itself calls this."""
        self._worker = worker

    @property
    def worker_id(self) -> str:
        """The id of the worker in this process, '' if there is none."""
        return self._worker.id if self._worker is not None else ''

    def stop(self) -> None:
        """Shut the running worker down, as SIGTERM does. May be called in any thread or task."""
        if self._worker is not None:
            self._worker.shut_down('app.stop()')


@cache
def default_app() -> PyTask:
    """Return the app of this process that tasks without an app use."""
    return PyTask()


def _embedded_url() -> str | None:
    from pytask.embedded import server

    url: str | None = server.url_of(Path.cwd())
    return url


def _is_patched() -> bool:
    monkey = sys.modules.get('gevent.monkey')
    return monkey is not None and bool(monkey.is_module_patched('socket'))


def _execute_patched() -> None:
    main = sys.modules['__main__']
    spec = getattr(main, '__spec__', None)
    if os.environ.get('PYTASK_EXECUTED') or not (spec or getattr(main, '__file__', None)):
        raise RuntimeError('app.run() must be called in a script or module; from a prompt, use `pytask worker`')
    os.environ['PYTASK_EXECUTED'] = '1'
    script = (
        ['--module', spec.name.removesuffix('.__main__')] if spec else [str(Path(main.__file__ or '').absolute())]
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, '-m', 'gevent.monkey', *script, *sys.argv[1:]])
