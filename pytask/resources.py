"""Resources: what an app's runs share, as a connection pool: made on first use, closed at the end, newest first.

Pure: the locks are `threading`'s, which gevent makes greenlets' locks where it has patched the process. A
process that was forked makes its own, and leaves the others to the process that made them.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from pytask.definition import current
from pytask.errors import ConfigError, NotFound

Failed = Callable[[str, BaseException], None]


class Resource:
    """One resource: how it is made and closed, and what was made."""

    def __init__(
        self, name: str, factory: Callable[[], Any], close: Callable[[Any], Any] | None, kind: str
    ) -> None:
        self.name, self.factory, self.close, self.kind = name, factory, close, kind
        self.lock = threading.RLock()
        self.is_being_made = False


class Resources:
    """The resources of an app, by name. `failed` is told of what can not be closed."""

    def __init__(self, failed: Failed) -> None:
        self._failed = failed
        self._all: dict[str, Resource] = {}
        self._made: dict[str, Any] = {}  # in the order they were made
        self._pid = 0

    def add(self, added: Resource) -> None:
        """Add a resource; the same again changes nothing. Raises ConfigError for another one of that name."""
        there = self._all.setdefault(added.name, added)
        if (there.factory, there.close, there.kind) != (added.factory, added.close, added.kind):
            raise ConfigError(f'two resources are named {added.name!r}; name one of them differently')

    def names(self, kind: str | None = None) -> list[str]:
        """Return the names there are, or those of one type."""
        return sorted(name for name, resource in self._all.items() if kind in (None, resource.kind))

    def get(self, name: str) -> Any:
        """Return a resource, made now at its first use. Raises NotFound, and what its factory raises."""
        if self._pid == os.getpid() and name in self._made:
            return self._made[name]
        resource = self._all.get(name)
        if resource is None:
            raise NotFound(f'no resource {name!r}; there are: {", ".join(self.names()) or "none"}')
        with resource.lock:
            self._own()
            if name not in self._made:
                self._made[name] = self._make(resource)
            return self._made[name]

    def close(self) -> None:
        """Close what this process has made, the newest first. It may be used again: then it is made again."""
        self._own()
        while self._made:
            name, value = self._made.popitem()
            try:
                close = self._all[name].close
                if close is not None:
                    close(value)
            except BaseException as error:  # noqa: BLE001 - the author's code; the others are to be closed all the same
                self._failed(name, error)

    @staticmethod
    def _make(resource: Resource) -> Any:
        if resource.is_being_made:
            raise ConfigError(f'the factory of resource {resource.name!r} needs that resource itself')
        resource.is_being_made = True
        context = copy_context()
        context.run(current.set, None)  # what the factory spawns serves all runs, and does not end with the first
        try:
            return context.run(resource.factory)
        finally:
            resource.is_being_made = False

    def _own(self) -> None:
        if self._pid != os.getpid():
            if not self._pid:
                atexit.register(self.close)
            self._made, self._pid = {}, os.getpid()
