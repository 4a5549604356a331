"""Routes: which function answers what, who may ask it, and what it takes.

A route's function is called with a `Call`, the names in its path, and what its signature asks for besides: fields
of the query of a GET, fields of the JSON body of any other. They are checked as the inputs of a task are, so all
that is wrong is told at once, and the signature is the documentation: OpenAPI is made from it.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytask.errors import InputError
from pytask.schema.inputs import Inputs, inputs_of_call
from pytask.web.request import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.client.client import Client
    from pytask.web.request import Request
    from pytask.web.wsgi import Site


@dataclass(frozen=True, slots=True)
class Call:
    """What a route's function is called with."""

    request: Request
    site: Site

    @property
    def client(self) -> Client:
        return self.site.app.client


@dataclass(frozen=True)
class Route:
    """`is_clean` where the function itself has hidden what is secret, or there is nothing."""

    method: str
    path: str
    function: Callable[..., Any]
    role: str
    code: int = 200
    shape: str = ''
    is_clean: bool = False

    @property
    def names(self) -> list[str]:
        """The names in its path."""
        return re.findall(r'{(\w+)}', self.path)

    def pattern(self) -> re.Pattern[str]:
        # An id may hold slashes, as names of tasks do.
        return re.compile(re.sub(r'\\{(\w+)\\}', r'(?P<\1>.+)', re.escape(self.path)))

    def inputs(self) -> Inputs:
        """Return what it takes besides."""
        inputs = inputs_of_call(f'{self.method} {self.path}', self.function, is_unbound=True)
        fields = {name: field for name, field in inputs.fields.items() if name not in self.names}
        return dataclasses.replace(inputs, fields=fields)


class Routes:
    """All of them; the first that fits counts."""

    def __init__(self, routes: list[Route]) -> None:
        self.all = routes
        self._patterns = [(route.pattern(), route) for route in routes]
        self._inputs = {route: route.inputs() for route in routes}

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route, and the names in its path. Raises Problem."""
        fits = [(route, match) for pattern, route in self._patterns if (match := pattern.fullmatch(path))]
        asked = 'GET' if method == 'HEAD' else method
        for route, match in fits:
            if route.method == asked:
                return route, match.groupdict()
        if not fits:
            raise Problem(404, 'there is nothing here')
        methods = sorted({route.method for route, _ in fits})
        raise Problem(405, f'here is {", ".join(methods)}', headers=(('Allow', ', '.join(methods)),))

    def bind(self, route: Route, request: Request) -> dict[str, Any]:
        """Return what the function takes of the request. Raises Problem with all that is wrong."""
        given = request.query() if route.method == 'GET' else request.data()
        try:
            return self._inputs[route].bind(given)
        except InputError as error:
            raise unfit(error) from None

    def inputs(self, route: Route) -> Inputs:
        return self._inputs[route]


def unfit(error: InputError, below: str = '') -> Problem:
    """Return the problem that bad inputs are."""
    errors = [(f'{below}{name}', what) for name, what in error.problems]
    return Problem(400, str(error).partition('\n')[0], errors=errors)
