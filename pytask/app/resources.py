"""Resources: objects that an app's runs share, such as a connection pool. Made on first use, closed newest first.

There is no lock. In a patched process a `threading.Lock` belongs to greenlets, and its wake-ups get lost between
native threads, such as those of `offload`. So a caller that finds the factory at work looks again a little later.
A forked process makes its own resources and leaves the others to the process that made them.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from pytask.authoring.task import current
from pytask.errors import ConfigError, NotFound

LOOK_AGAIN_S = 0.01

Failed = Callable[[str, BaseException], None]


class Resource:
    """How a resource is made and closed."""

    def __init__(
        self, name: str, factory: Callable[[], Any], close: Callable[[Any], Any] | None, kind: str
    ) -> None:
        self.name, self.factory, self.close, self.kind = name, factory, close, kind


class Here:
    """The resources that one process has made, in that order, and which thread or greenlet is making one."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.making: dict[str, int] = {}


class Resources:
    """The resources of an app, by name. `failed` is called if closing one fails."""

    def __init__(self, failed: Failed) -> None:
        self._failed = failed
        self._all: dict[str, Resource] = {}
        self._by_pid: dict[int, Here] = {}

    def add(self, added: Resource) -> None:
        """Add a resource; adding it again changes nothing. Raises ConfigError if another one has its name."""
        there = self._all.setdefault(added.name, added)
        if (there.factory, there.close, there.kind) != (added.factory, added.close, added.kind):
            raise ConfigError(f'two resources are named {added.name!r}; name one of them differently')

    def names(self, kind: str | None = None) -> list[str]:
        """Return the sorted names of all resources, or of those of one type."""
        return sorted(name for name, resource in self._all.items() if kind in (None, resource.kind))

    def get(self, name: str) -> Any:
        """Return a resource, made at its first use. Raises NotFound, and any error of its factory."""
        here = self._here()
        if name in here.made:
            return here.made[name]
        resource = self._all.get(name)
        if resource is None:
            raise NotFound(f'no resource {name!r}; the app has: {", ".join(self.names()) or "none"}')
        me = threading.get_ident()  # of the greenlet, if gevent has patched the process
        if here.making.get(name) == me:
            raise ConfigError(f'the factory of resource {name!r} uses that resource itself')
        while here.making.setdefault(name, me) != me:
            time.sleep(LOOK_AGAIN_S)
        try:
            if name not in here.made:
                here.made[name] = _make(resource)
            return here.made[name]
        finally:
            del here.making[name]

    def close(self) -> None:
        """Close the resources that this process has made, newest first. Using one again makes it again."""
        made = self._here().made
        while made:
            name, value = made.popitem()
            try:
                close = self._all[name].close
                if close is not None:
                    close(value)
            except BaseException as error:  # noqa: BLE001 - the author's code; close the others anyway
                self._failed(name, error)

    def _here(self) -> Here:
        pid = os.getpid()
        if pid not in self._by_pid:
            atexit.register(self.close)
        return self._by_pid.setdefault(pid, Here())


def _make(resource: Resource) -> Any:
    context = copy_context()
    context.run(current.set, None)  # what the factory spawns must outlive the first run
    return context.run(resource.factory)
