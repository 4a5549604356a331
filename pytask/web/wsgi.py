"""The WSGI application: find the route, check access, call the function, send its answer."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pytask import errors
from pytask.core.codec import encode
from pytask.core.names import RESERVED
from pytask.web import static_files
from pytask.web.access.roles import READ
from pytask.web.problems import Outage, as_problem
from pytask.web.redaction.redactor import Redactor
from pytask.web.request import PROBLEM, TEXT, Answer, Headers, Problem, Request, as_json
from pytask.web.routes import events, flows, meta, runs, schedules, single_task
from pytask.web.routing import Call, Routes
from pytask.web.streaming.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytask.app.app import PyTask
    from pytask.authoring.task import Task
    from pytask.web.access.guard import AccessGuard

log = logging.getLogger('pytask')
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
# On every answer, errors included.
SECURITY: Headers = (
    ('Content-Security-Policy', POLICY),
    ('X-Content-Type-Options', 'nosniff'), ('X-Frame-Options', 'DENY'), ('Referrer-Policy', 'no-referrer'),
    ('Cross-Origin-Opener-Policy', 'same-origin'), ('Cross-Origin-Resource-Policy', 'same-origin'),
)  # fmt: skip
ROUTES = Routes([*events.ROUTES, *runs.ROUTES, *schedules.ROUTES, *flows.ROUTES, *meta.ROUTES, *single_task.ROUTES])
# Not a redirect: after a link from another site, a browser would not send the SameSite cookie it was just given.
ENTER = b"""\
<!doctype html><title>pytask</title><meta http-equiv="refresh" content="0;url=./"><a href="./">to the page</a>
"""
GREETING = 'open the URL with the token that pytask printed: .../login?token=...\n'


class WebApplication:
    """The web of one app."""

    def __init__(self, app: PyTask, guard: AccessGuard, *, exposes_all: bool = False) -> None:
        self.app, self.guard = app, guard
        self._exposes_all = exposes_all
        self.routes = ROUTES
        self.redactor = Redactor(app.registry)
        self._outage = Outage()
        self.feed = Feed(app.client, self.redactor)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            answer = self._answer(Request(environ))
        except Problem as problem:
            answer = self._problem(problem)
        except errors.PytaskError as error:
            if isinstance(error, errors.Unavailable):
                self._outage.log(error)
            answer = self._problem(as_problem(error))
        except Exception:
            number = secrets.token_hex(4)
            log.exception('web: error %s', number)
            answer = self._problem(Problem(500, f'error {number}; the log has more'))
        return _send(answer, environ['REQUEST_METHOD'], start_response)

    def close(self) -> None:
        """End the streams of events, and the subscription behind them."""
        self.feed.close()

    def exposed(self, name: str) -> type[Task] | None:
        """Return a task, if the web may start it."""
        task = self.app.registry.get(name)
        return task if task is not None and self._is_exposed(task) else None

    def exposed_tasks(self) -> list[type[Task]]:
        return [task for task in self.app.registry if self._is_exposed(task)]

    def _is_exposed(self, task: type[Task]) -> bool:
        if task.NAME.startswith(RESERVED):
            return False
        return self._exposes_all or task.EXPOSE or task.NAME in self.app.settings.expose

    def _answer(self, request: Request) -> Answer:
        self.guard.check_host(request)
        path = request.path
        if path == '/pytask.js' or path.startswith('/static/'):
            return static_files.serve(path.removeprefix('/').removeprefix('static/'), request)
        if path == '/login' and self.guard.has_token:
            return Answer(ENTER, 200, 'text/html; charset=utf-8', self.guard.login(request))
        if path == '/':
            return self._page(request)
        route, names = ROUTES.find(request.method, path)
        self.guard.check(request, route.role)
        given = ROUTES.bind(route, request)
        value = route.function(Call(request, self), **names, **given)
        if isinstance(value, Answer):
            return value
        return as_json(value if route.is_clean else self.redactor.clean_answer(value), route.code)

    def _page(self, request: Request) -> Answer:
        try:
            self.guard.check(request, READ)
        except Problem as problem:
            if problem.code != 401:
                raise
            return Answer(GREETING.encode(), 401, TEXT)
        return static_files.serve('index.html', request)

    def _problem(self, problem: Problem) -> Answer:
        cleaned = self.redactor.clean_answer(problem.to_json())
        return Answer(encode(cleaned), problem.code, PROBLEM, problem.headers)


def _send(answer: Answer, method: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    named = {name for name, _ in answer.headers}
    headers = [('Content-Type', answer.kind), *answer.headers, *SECURITY]
    if 'Cache-Control' not in named:
        headers.append(('Cache-Control', 'no-store'))
    body = answer.body
    if isinstance(body, bytes):
        if answer.code != 304:  # there it would be the length of the file, which is not sent
            headers.append(('Content-Length', str(len(body))))
        body = [body]
    start_response(f'{answer.code} {HTTPStatus(answer.code).phrase}', headers)
    if method == 'HEAD' and not isinstance(body, list):
        body.close()  # type: ignore[attr-defined]
    return [] if method == 'HEAD' or body == [b''] else body
