"""Resources: what an app's runs share, as a connection pool: made on first use, closed at the end, newest first.

Pure, and without a lock: one of `threading` is a greenlets' lock where gevent has patched the process, and what
wakes its waiters gets lost between native threads, those of `offload`. So whoever finds another at work looks
again a little later. A process that was forked makes its own, and leaves the others to the process that made them.
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
    """One resource: how it is made and closed, and what was made."""

    def __init__(
        self, name: str, factory: Callable[[], Any], close: Callable[[Any], Any] | None, kind: str
    ) -> None:
        self.name, self.factory, self.close, self.kind = name, factory, close, kind


class Here:
    """What one process has made, in that order, and who in it is making what: the ident of a thread or greenlet."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.making: dict[str, int] = {}


class Resources:
    """The resources of an app, by name. `failed` is told of what can not be closed."""

    def __init__(self, failed: Failed) -> None:
        self._failed = failed
        self._all: dict[str, Resource] = {}
        self._by_pid: dict[int, Here] = {}

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
        here = self._here()
        if name in here.made:
            return here.made[name]
        resource = self._all.get(name)
        if resource is None:
            raise NotFound(f'no resource {name!r}; there are: {", ".join(self.names()) or "none"}')
        me = threading.get_ident()  # a greenlet's own, where gevent has patched the process
        if here.making.get(name) == me:
            raise ConfigError(f'the factory of resource {name!r} needs that resource itself')
        while here.making.setdefault(name, me) != me:
            time.sleep(LOOK_AGAIN_S)
        try:
            if name not in here.made:
                here.made[name] = _make(resource)
            return here.made[name]
        finally:
            del here.making[name]

    def close(self) -> None:
        """Close what this process has made, the newest first. It may be used again: then it is made again."""
        made = self._here().made
        while made:
            name, value = made.popitem()
            try:
                close = self._all[name].close
                if close is not None:
                    close(value)
            except BaseException as error:  # noqa: BLE001 - the author's code; the others are to be closed all the same
                self._failed(name, error)

    def _here(self) -> Here:
        pid = os.getpid()
        if pid not in self._by_pid:
            atexit.register(self.close)
        return self._by_pid.setdefault(pid, Here())


def _make(resource: Resource) -> Any:
    context = copy_context()
    context.run(current.set, None)  # what the factory spawns serves all runs, and does not end with the first
    return context.run(resource.factory)
