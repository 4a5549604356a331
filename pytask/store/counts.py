"""Counts of runs by queue and state, and how long the oldest has been waiting: for the metrics page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytask.core.events import MAX_ID_BYTES
from pytask.core.fields import as_number, text
from pytask.core.states import ENDED, State
from pytask.store.connection.database import unix_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys

# Any client may create queues, so their number is limited here.
MAX_QUEUES = 100


class QueueFigures(NamedTuple):
    """One queue: how many runs wait, the id of the oldest, and its age in seconds; None if unknown."""

    waiting: int
    oldest: bytes | None
    age_s: float | None


class Figures(NamedTuple):
    states: dict[str, int]
    lines: dict[str, QueueFigures]


class Census:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._db, self._keys = db, keys

    def take(self, served: Sequence[str]) -> Figures:
        """Count in three round trips: the `served` queues first, then others, up to 100 in all."""
        ended = sorted(ENDED)
        sizes = [self._keys.leases, self._keys.due, self._keys.held, *map(self._keys.ended_in, ended)]
        now, used, *found = self._db.pipe([
            ('TIME',), ('SMEMBERS', self._keys.queues), *(('ZCARD', key) for key in sizes),
        ])  # fmt: skip
        names = [*served, *sorted(text(raw) for raw in used)]
        states = dict(zip((State.RUNNING.value, 'due', 'held', *ended), found, strict=True))
        return Figures(states, self._lines(list(dict.fromkeys(names))[:MAX_QUEUES], unix_ms(now) / 1000))

    def _lines(self, names: list[str], now_s: float) -> dict[str, QueueFigures]:
        if not names:
            return {}
        keys = [self._keys.line(name) for name in names]
        found = self._db.pipe([read for key in keys for read in (('LLEN', key), ('LINDEX', key, -1))])
        heads = found[1::2]
        created = self._created([head for head in heads if head])
        lines: dict[str, QueueFigures] = {}
        for name, waiting, head in zip(names, found[::2], heads, strict=True):
            since = created.get(head)
            lines[name] = QueueFigures(waiting, head, None if since is None else max(0.0, now_s - since))
        return lines

    def _created(self, ids: list[bytes]) -> dict[bytes, float]:
        usable = [raw for raw in ids if len(raw) <= MAX_ID_BYTES]
        reads = [('HGET', self._keys.runs.encode() + raw, 'created') for raw in usable]
        times = (as_number(text(raw)) for raw in self._db.read(reads, None))
        return {raw: at for raw, at in zip(usable, times, strict=True) if at is not None}
