"""Hooks: functions of an app that its workers call, and the resources its runs share.

`PyTask` is made of this, of settings, a registry and a client.
"""

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
        # Returns what every run is inside of, outside of the task's own `provide_context`; None for nothing.
        self.provide_context: Callable[[], AbstractContextManager[Any]] | None = None

    def on_start(self, hook: F) -> F:
        """Decorate a function that each worker calls before its first claim, with nothing or with the app.

        Where it raises, the worker ends with exit code 78.
        """
        self.start_hooks.append(hook)
        return hook

    def on_stop(self, hook: F) -> F:
        """Decorate a function that each worker calls after its last run, with nothing or with the app.

        It has 10 seconds; its errors are logged. Resources are closed after it.
        """
        self.stop_hooks.append(hook)
        return hook

    def on_exception(self, hook: F) -> F:
        """Decorate a function that is called as `hook(run, error)` for every run a worker ends as EXCEPTION.

        It is called in the run's context, before that end is recorded, and has 10 seconds; `error` is live, with
        its traceback; None for a flow that a child has ended. Its own errors are logged, and change nothing.
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
        """Add what runs share: `factory()` makes it on first use, `close(it)` closes it after the last run.

        A factory that raises is tried again at the next use. Raises ConfigError for two of one name.
        """
        self.resources.add(Resource(name, factory, close, type))

    def resource(self, name: str) -> Any:
        """Return a resource. Raises NotFound, which names those there are, and whatever its factory raises."""
        return self.resources.get(name)

    def add_resolver(self, name: str, function: Callable[[str], Any], default: Any = NotGiven) -> None:
        """Add what makes objects of text, for inputs that say `reference(name)`; `name/scheme` for `scheme:rest`.

        `default` is what an optional reference is that was not given; a callable is called for each such run.
        Raises ConfigError for two of one name.
        """
        added = Resolver(function, default)
        if self.resolvers.setdefault(name, added).function != function:  # a bound method is another each time
            raise ConfigError(f'two resolvers are named {name!r}; name one of them differently')

    def resolve(self, name: str, text: Any = '') -> Any:
        """Ask the resolver of this name, as an optional reference does. Raises InputError, and what it raises."""
        try:
            return ReferenceInput(name, required=False).of(self).find(text)
        except Misfit as misfit:
            raise InputError(name, [(name, what) for _, what in misfit.problems], f'{name}(…)') from None

    def close_resources(self) -> None:
        """Close the resources that were used, newest first. A worker does so itself, a script when it exits."""
        self.resources.close()


def _not_closed(name: str, error: BaseException) -> None:
    logging.getLogger('pytask').error('resource %s was not closed: %s', name, error, exc_info=error)
