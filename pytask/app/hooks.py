"""Hooks: the functions of an app that its workers call, and the resources that its runs share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from pytask.app.resources import Resource, Resources
from pytask.errors import ConfigError, InputError
from pytask.schema.lookups import ReferenceInput, Resolver
from pytask.schema.notgiven import NotGiven
from pytask.schema.problems import Misfit

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

F = TypeVar('F', bound='Callable[..., Any]')


class Hooks:
    """The hooks and the resources of an app."""

    def __init__(self) -> None:
        self.start_hooks: list[Callable[..., Any]] = []
        self.stop_hooks: list[Callable[..., Any]] = []
        self.exception_hooks: list[Callable[[Any, BaseException | None], Any]] = []
        self.resources = Resources(_not_closed)
        self.resolvers: dict[str, Resolver] = {}
        # Returns a context manager around every run, outside the task's own `provide_context`.
        self.provide_context: Callable[[], AbstractContextManager[Any]] | None = None

    def on_start(self, hook: F) -> F:
        """Decorate a function that each worker calls before its first claim, with the app if it takes an argument.

        If it raises, the worker exits with code 78.
        """
        self.start_hooks.append(hook)
        return hook

    def on_stop(self, hook: F) -> F:
        """Decorate a function that each worker calls after its last run, with the app if it takes an argument.

        It has 10 seconds; its errors are logged. Resources are closed afterwards.
        """
        self.stop_hooks.append(hook)
        return hook

    def on_exception(self, hook: F) -> F:
        """Decorate a function that is called as `hook(run, error)` for every run that a worker ends as EXCEPTION.

        It is called in the run's context before the end is recorded, and has 10 seconds. `error` is the exception
        with its traceback, or None for a flow that failed with its child. Errors of the hook are only logged.
        """
        self.exception_hooks.append(hook)
        return hook

    def add_resource(
        self,
        name: str,
        factory: Callable[[], Any],
        close: Callable[[Any], Any] | None = None,
        type: str = '',  # noqa: A002 - the word an author knows
    ) -> None:
        """Add a resource for runs: `factory()` makes it on first use, `close(it)` closes it after the last run.

        If the factory raises, it is called again at the next use. Raises ConfigError if the name is taken.
        """
        self.resources.add(Resource(name, factory, close, type))

    def resource(self, name: str) -> Any:
        """Return a resource. Raises NotFound, which lists the known ones, and any error of its factory."""
        return self.resources.get(name)

    def add_resolver(self, name: str, function: Callable[[str], Any], default: Any = NotGiven) -> None:
        """Add a function that turns text into an object, for inputs declared as `reference(name)`.

        The name `name/scheme` is for texts like `scheme:rest`. `default` is used when an optional reference is
        missing; if callable, it is called for each run. Raises ConfigError if the name is taken.
        """
        added = Resolver(function, default)
        if (
            self.resolvers.setdefault(name, added).function != function
        ):  # not `is`: a bound method is a new object each time
            raise ConfigError(f'two resolvers are named {name!r}; name one of them differently')

    def resolve(self, name: str, text: Any = '') -> Any:
        """Call a resolver as an optional reference does. Raises InputError, and any error of the resolver."""
        try:
            return ReferenceInput(name, required=False).of(self).find(text)
        except Misfit as misfit:
            raise InputError(name, [(name, what) for _, what in misfit.problems], f'{name}(…)') from None

    def close_resources(self) -> None:
        """Close the resources that were used, newest first. Workers do this themselves, scripts when they exit."""
        self.resources.close()


def _not_closed(name: str, error: BaseException) -> None:
    logging.getLogger('pytask').error('resource %s was not closed: %s', name, error, exc_info=error)
