"""Routes: which function answers a request, which role it needs, and which fields it takes.

A route's function is called with a `Call`, the names in its path, and the other parameters of its signature: fields
of the query for a GET, of the JSON body otherwise. They are checked like the inputs of a task, so every problem is
reported at once, and OpenAPI is made from the signature.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytask.errors import InputError
from pytask.schema.inputs import Inputs
from pytask.schema.signatures import inputs_of_call
from pytask.web.request import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.app.app import PyTask
    from pytask.authoring.task import Task
    from pytask.client.client import Client
    from pytask.web.redaction.redactor import Redactor
    from pytask.web.request import Request
    from pytask.web.streaming.feed import Feed


class Site(Protocol):
    """What a route's function uses of the application."""

    app: PyTask
    feed: Feed
    redactor: Redactor
    routes: Routes

    def exposed(self, name: str) -> type[Task] | None: ...
    def exposed_tasks(self) -> list[type[Task]]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route's function."""

    request: Request
    site: Site

    @property
    def client(self) -> Client:
        return self.site.app.client


@dataclass(frozen=True)
class Route:
    """`is_clean` means that the function's answer has no secrets left to hide."""

    method: str
    path: str
    function: Callable[..., Any]
    role: str
    code: int = 200
    shape: str = ''
    is_clean: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the parameters in its path."""
        return re.findall(r'{(\w+)}', self.path)

    def pattern(self) -> re.Pattern[str]:
        # An id may contain slashes, as the names of tasks do.
        return re.compile(re.sub(r'\\{(\w+)\\}', r'(?P<\1>.+)', re.escape(self.path)))

    def inputs(self) -> Inputs:
        """Return the fields it takes from the query or the body."""
        inputs = inputs_of_call(f'{self.method} {self.path}', self.function, is_unbound=True)
        fields = {name: field for name, field in inputs.fields.items() if name not in self.names}
        return dataclasses.replace(inputs, fields=fields)


class Routes:
    """All routes; the first that matches is taken."""

    def __init__(self, routes: list[Route]) -> None:
        self.all = routes
        self._patterns = [(route.pattern(), route) for route in routes]
        self._inputs = {route: route.inputs() for route in routes}

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route, and the parameters in its path. Raises Problem."""
        fits = [(route, match) for pattern, route in self._patterns if (match := pattern.fullmatch(path))]
        asked = 'GET' if method == 'HEAD' else method
        for route, match in fits:
            if route.method == asked:
                return route, match.groupdict()
        if not fits:
            raise Problem(404, f'no route {path[:100]}')
        methods = sorted({route.method for route, _ in fits})
        raise Problem(
            405, f'method not allowed; use {" or ".join(methods)}', headers=(('Allow', ', '.join(methods)),)
        )

    def bind(self, route: Route, request: Request) -> dict[str, Any]:
        """Return the fields that the function takes. Raises Problem with everything that is wrong with them."""
        given = request.query() if route.method == 'GET' else request.data()
        try:
            return self._inputs[route].bind(given)
        except InputError as error:
            raise unfit(error) from None

    def inputs(self, route: Route) -> Inputs:
        return self._inputs[route]


def unfit(error: InputError, below: str = '') -> Problem:
    """Return an InputError as a problem; `below` is put before each path."""
    errors = [(f'{below}{name}', what) for name, what in error.problems]
    return Problem(400, str(error).partition('\n')[0], errors=errors)
