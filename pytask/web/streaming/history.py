"""The last events, as they were sent: a client that reconnects says which it received last, and gets the rest."""

from __future__ import annotations

import secrets
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pytask.web.streaming.subscriber import RESET

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT, KEPT_BYTES = 2000, 2 * 1024 * 1024
# Digits of a number we have sent; int() is slow for thousands of them.
LONGEST_NUMBER = 20


class Filter(NamedTuple):
    """What a client follows: one run, one task, both, or everything."""

    run: str = ''
    task: str = ''

    def takes(self, event: SentEvent) -> bool:
        return self.run in ('', event.run) and self.task in ('', event.task)


class SentEvent(NamedTuple):
    number: int
    run: str
    task: str
    text: bytes


class History:
    """The events of one subscription. Its ids start with the epoch, which changes with every new subscription."""

    def __init__(self) -> None:
        self._kept: deque[SentEvent] = deque()
        self.restart()

    def restart(self) -> None:
        """Forget all events, since others were missed."""
        self._kept.clear()
        self._bytes = self.number = 0
        self._epoch = secrets.token_hex(4)

    def next_id(self) -> str:
        self.number += 1
        return f'{self._epoch}-{self.number}'

    def keep(self, events: Iterable[SentEvent]) -> None:
        for event in events:
            self._kept.append(event)
            self._bytes += len(event.text)
        while len(self._kept) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popleft().text)

    def since(self, last_id: str, wanted: Filter) -> bytes:
        """Return the events after this id, or a `reset` if some of them are no longer kept."""
        epoch, _, number = last_id.rpartition('-')
        oldest = self._kept[0].number if self._kept else self.number + 1
        is_number = number.isdecimal() and len(number) <= LONGEST_NUMBER
        if not (is_number and epoch == self._epoch and oldest - 1 <= int(number) <= self.number):
            return RESET
        return b''.join(event.text for event in self._kept if event.number > int(number) and wanted.takes(event))
