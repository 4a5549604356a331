"""PyTask: settings, a registry, a client, and "run a worker". What users instantiate."""

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
    Keywords are settings, by the names they have in `pytask.toml`: `prefix`, `queue`, `concurrency`,
    `lease`, `drain`, … Raises ConfigError for a bad one. `tasks` is the folder that `pytask worker -A`
    discovers besides; '' for none. In code they count most; on the command line flags and `PYTASK_*` count more.
    """

    # Where the command line has found it: `web:app`; '' where it has made one.
    place = ''
    # Its workers log successes too.
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
        """Let these, and `PYTASK_*` after them, count more than what this app was made with.

        The command line does so with the app that it uses. Raises ConfigError.
        """
        self.chosen = settings_.chosen(flags, code=self.given, named=self.named)
        self.settings = settings_.settled(self.chosen)
        if self._client is not None:  # its author has it under another name
            self._client.move(self.url, self.settings.prefix)

    @staticmethod
    def named(key: str) -> str:
        """Say where one of its settings stands, for messages."""
        return in_code(key)

    @property
    def url(self) -> str:
        """Where this app's Redis is."""
        return self.settings.redis or _embedded_url() or LOCALHOST

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(self.url, self.settings.prefix, registry=self.registry)
        return self._client

    def on_end(self, handler: Callable[[Run], Any]) -> Callable[[Run], Any]:
        """Decorate the end handler: called with each ended run, whatever its state, at least once.

        It is called in this app's workers, up to 64 at a time, each for at most 50 s. Where it raises, it is called
        again a minute later, ten times in all. Ended runs are kept until it has returned.
        """
        self.end_handler = handler
        return handler

    def auth(self, check: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        """Decorate who tells whether a request to the web is let in: called with its WSGI environment.

        It returns what is true for those who may do everything, or roles, as `pytask.web.application` says.
        """
        self.web_auth = check
        return check

    def start_local_task(self, task: Any, data: dict[str, Any] | None = None) -> None:
        """Run a task in this app's worker, from its start to its end; it takes no slot.

        Called before `run`, it starts with the worker; while that runs, at once. Raises NotFound, InputError.
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

        The process must be patched by gevent before anything else was imported; where it is not, it
        re-executes itself so.
        """
        if is_being_found.get():
            raise ConfigError('app.run() runs whenever this is imported; put it below: if __name__ == "__main__":')
        if not _is_patched():
            _execute_patched()
        # By name: worker and web lie above the app, and only a process that runs them loads them.
        web = import_module('pytask.web.serving').web_of(self)
        code: int = import_module('pytask.worker.process').run_worker(self, beside=web)
        return code

    def bind(self, worker: Any) -> None:
        """Remember the worker of this process; it calls this itself."""
        self._worker = worker

    @property
    def worker_id(self) -> str:
        """The id of this process's worker, '' where none runs."""
        return self._worker.id if self._worker is not None else ''

    def stop(self) -> None:
        """Tell a running worker to shut down, as SIGTERM does. From any thread or task."""
        if self._worker is not None:
            self._worker.shut_down('app.stop()')


@cache
def default_app() -> PyTask:
    """Return the app of this process: bare tasks start their runs through it."""
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
        raise RuntimeError('app.run() needs a script or module to re-execute; from a prompt use `pytask worker`')
    os.environ['PYTASK_EXECUTED'] = '1'
    script = (
        ['--module', spec.name.removesuffix('.__main__')] if spec else [str(Path(main.__file__ or '').absolute())]
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, '-m', 'gevent.monkey', *script, *sys.argv[1:]])
