"""Turns errors of the client into problems, with their HTTP codes."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from pytask import errors
from pytask.core.clock import monotonic_s
from pytask.web.request import Problem
from pytask.web.routing import unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytask.web.redaction.redactor import Redactor

log = logging.getLogger('pytask')
CODES: tuple[tuple[type[errors.PytaskError], int], ...] = (
    (errors.InputError, 400),
    (errors.NotFound, 404),
    (errors.RunExists, 409),
    (errors.RunEnded, 409),
    (errors.AskError, 409),
    (errors.WaitTimeout, 504),
    (errors.Unavailable, 503),
    (errors.PytaskError, 400),
)
# Hundreds of pages may ask, every few seconds each.
LOGGED_EVERY_S = 60.0


def as_problem(error: errors.PytaskError) -> Problem:
    if isinstance(error, errors.InputError):
        return unfit(error)
    code = next(code for kind, code in CODES if isinstance(error, kind))
    if code == 503:
        return Problem(503, 'Redis is unavailable; try again in a moment', headers=(('Retry-After', '2'),))
    return Problem(code, str(error))


@contextlib.contextmanager
def hidden(redactor: Redactor, secrets: Sequence[str]) -> Iterator[None]:
    """Hide these secrets in errors raised inside."""
    try:
        yield
    except errors.PytaskError as error:
        problem = as_problem(error)
        problem.detail = redactor.clean(problem.detail, secrets)
        problem.errors = [(path, redactor.clean(what, secrets)) for path, what in problem.errors]
        raise problem from error


class Outage:
    """Logs that Redis is unavailable, at most once a minute."""

    def __init__(self) -> None:
        self._logged_at = 0.0

    def log(self, error: Exception) -> None:
        now = monotonic_s()
        if not self._logged_at or now - self._logged_at > LOGGED_EVERY_S:
            self._logged_at = now
            log.warning('web: %s', error)
