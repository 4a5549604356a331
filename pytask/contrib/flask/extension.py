"""Tasks for Flask apps, run inside the app's context: `BackgroundTaskWorker`, `BlockingTaskWorker`.

Each Flask app gets a `PyTask` of its own in `app.extensions['pytask']`, with settings, client and registry. One
object may serve several apps: tasks defined on it are added to each of them, before or after its `init_app`. It
uses `current_app` if that is one of them, else its only app. Nothing here loads gevent or patches: workers are
processes of their own, and the web process stays as it is.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

import click
from flask import Flask, current_app

from pytask.app.app import PyTask, is_being_found
from pytask.authoring.decorator import FunctionTask, as_task_class, task
from pytask.contrib.flask import background, config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytask.client.client import Client
    from pytask.core.run import Run

EXTENSION = 'pytask'
_SEVERAL = (
    'this object serves {count} Flask apps, and none of them is current: use it inside `with app.app_context():`'
)
_NONE = 'this object serves no Flask app: call init_app(app)'
_SERVERS = ('gunicorn.arbiter', 'uwsgi', 'mod_wsgi', 'waitress.server')


class FlaskTasks(PyTask):
    """The PyTask of a Flask app. `PYTASK_*` variables of the environment win over Flask's config."""

    def __init__(self, flask: Flask) -> None:
        super().__init__(**config.settings_of(flask.config))
        self.configure({})
        self.flask = flask
        self.provide_context = flask.app_context

    @staticmethod
    def named(key: str) -> str:
        return config.source(key)

    @property
    def is_verbose(self) -> bool:  # type: ignore[override]
        return config.is_verbose(self.flask.config, is_debug=self.flask.debug)


class FlaskTask(FunctionTask):
    """A function as a task of Flask apps."""

    def apply(self, data: Mapping[str, Any] | None = None, /, **more: Any) -> Run:
        """Start a run in the current app; its data is a dict, keyword arguments, or both."""
        if data is not None and not hasattr(data, 'keys'):
            raise TypeError(f'apply takes a dict or keyword arguments, not {type(data).__name__}')
        return self.task_class.apply(**dict(data or {}), **more)


class BaseTaskWorker:
    """Defines tasks for Flask apps, and starts their runs."""

    def __init__(self, app: Flask | None = None) -> None:
        self._apps: WeakSet[Flask] = WeakSet()
        self._definitions: list[Callable[[PyTask], None]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve an app, with its config as it is now. A second call does nothing. Raises ConfigError."""
        if EXTENSION not in app.extensions:
            app.extensions[EXTENSION] = FlaskTasks(app)
        if app not in self._apps:
            for define in self._definitions:
                define(app.extensions[EXTENSION])
            self._apps.add(app)

    @property
    def pytask(self) -> FlaskTasks:
        """The PyTask of the current app, or of the only one. Raises RuntimeError if there are several or none."""
        app: Any = current_app._get_current_object() if current_app else None  # type: ignore[attr-defined]  # noqa: SLF001 - as Flask's documentation says
        if app not in self._apps:
            if len(self._apps) != 1:
                raise RuntimeError(_SEVERAL.format(count=len(self._apps)) if self._apps else _NONE)
            (app,) = self._apps
        tasks: FlaskTasks = app.extensions[EXTENSION]
        return tasks

    @property
    def client(self) -> Client:
        """The client of the current app."""
        return self.pytask.client

    def define_task(self, target: Any = None, /, **policy: Any) -> Any:
        """Decorate a function or a Task class: `@worker.define_task`, or `@worker.define_task(queue='mail')`."""
        if target is None:
            return lambda target: self.define_task(target, **policy)
        return self._define(target, policy, lambda tasks, made: tasks.add_task(made))

    def define_cron_task(self, crontab: str | None = None, /, **fields: Any) -> Callable[[Any], Any]:
        """Decorate a function that also runs on a schedule; takes the arguments of `PyTask.cron`."""
        return lambda target: self._define(target, {}, lambda tasks, made: tasks.cron(crontab, **fields)(made))

    def define_date_task(self, run_date: Any = None, **more: Any) -> Callable[[Any], Any]:
        """Decorate a function that also runs once, at a date; takes the arguments of `PyTask.date`."""
        return lambda target: self._define(target, {}, lambda tasks, made: tasks.date(run_date, **more)(made))

    def start(self) -> None:
        raise NotImplementedError('use BackgroundTaskWorker or BlockingTaskWorker')

    def _define(self, target: Any, policy: dict[str, Any], add: Callable[[Any, Any], Any]) -> Any:
        made = target if isinstance(target, FunctionTask) and not policy else task(**policy)(target)
        if isinstance(made, FunctionTask) and not isinstance(made, FlaskTask):
            made = FlaskTask(made.function, made.task_class)

        def define(tasks: PyTask) -> None:
            add(tasks, made)
            task_class.pytask_app = self  # type: ignore[union-attr] # its client is the current app's

        task_class = as_task_class(made)
        task_class.pytask_app = self  # type: ignore[union-attr]
        for app in self._apps:
            define(app.extensions[EXTENSION])
        self._definitions.append(define)
        return made


class BackgroundTaskWorker(BaseTaskWorker):
    """Runs a worker beside the web process."""

    def start(self) -> None:
        """Keep a worker for the current app, in a process of its own that ends with this one; return at once.

        There is one worker per app and machine, however many web processes call this. Nothing starts if the app was
        imported by a worker or by a `flask` command other than `run`, or if it is TESTING. Raises RuntimeError for
        an app that another process could not import.
        """
        tasks = self.pytask
        if not _is_looked_at(tasks.flask):
            background.start(tasks.flask, tasks.url, tasks.settings)


class BlockingTaskWorker(BaseTaskWorker):
    """Turns this process into a worker."""

    def start(self) -> None:
        """Become the worker of the current app, and exit with its exit code.

        A process that is not patched by gevent executes itself again. Nothing starts if the app was imported by a
        worker or by a `flask` command other than `run`, or if it is TESTING.
        """
        tasks = self.pytask
        if not _is_looked_at(tasks.flask):
            _become(tasks)


def _become(tasks: FlaskTasks) -> NoReturn:
    from pytask.cli.finding import apps

    server = next((name for name in _SERVERS if name in sys.modules), '')
    if server:
        raise RuntimeError(
            f'BlockingTaskWorker.start() would turn this web server ({server.partition(".")[0]}) into a worker; '
            'do not call it here, or use BackgroundTaskWorker'
        )
    apps.load_tasks(tasks, is_needed=False)
    sys.exit(tasks.run())


def _is_looked_at(flask: Flask) -> bool:
    """Tell whether an app must start nothing: in a test, in a worker that imports it, in `flask shell`."""
    return flask.testing or is_being_found.get() or _is_other_command()


def _is_other_command() -> bool:
    context = click.get_current_context(silent=True)
    return os.environ.get('FLASK_RUN_FROM_CLI') == 'true' and context is not None and context.info_name != 'run'
