"""What a task tells those who watch its run. `Task` is made of this; where it goes is the port's affair.

Counting is, too: several greenlets and native threads may do it at once, and only the port knows of those.
"""

from __future__ import annotations

from typing import Any

from pytask.core.port import DONE


class Telling:
    """Events, progress and messages of a task. All of it may be called from any of its greenlets and threads."""

    pytask_port: Any

    def emit(self, event: str, data: Any = None) -> None:
        """Publish an event on this run's channel. Thread-safe; raises TypeError if `data` is not JSON."""
        self.pytask_port.emit(event, data)

    def progress(self, done: int, target: int | None = None) -> None:
        """Record how far the run is, in whole units, of `target` units. A float is a TypeError."""
        self.pytask_port.progress(done, target)
        self.__dict__[DONE] = done

    def set_progress(self, done: int) -> None:
        """Record how far the run is. A float is a TypeError."""
        self.progress(done)

    def inc_progress(self, by: int = 1) -> None:
        """Record that so many more units are done. A float is a TypeError."""
        self.pytask_port.count(self.__dict__, by)

    def set_target(self, target: int) -> None:
        """Record how many units there are. A float is a TypeError."""
        self.progress(self.__dict__.get(DONE, 0), target)

    def message(self, text: str) -> None:
        """Say something to whoever watches the run; the last 1,000 are kept with it, 4,096 characters of each."""
        self.pytask_port.message(text)

    def add_message(self, text: str) -> None:
        """Say something: another name of `message`."""
        self.message(text)
