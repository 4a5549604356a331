"""Run ids: short, sortable, safe as a part of a key."""

from __future__ import annotations

import itertools
import secrets

from pytask.core.clock import wall_ms
from pytask.core.events import MAX_ID_BYTES

ID_TAIL_BITS = 35

ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'


class Ids:
    """Makes ids: 16 characters that sort by time. Safe between threads."""

    def __init__(self) -> None:
        # A random start, different in each process; `next` of a count is atomic.
        self._tail = itertools.count(secrets.randbits(ID_TAIL_BITS))

    def new(self) -> str:
        """Return the next id."""
        # 45 bits of milliseconds, then a number that only grows: ids of one process sort by time.
        number = (wall_ms() << ID_TAIL_BITS) | (next(self._tail) & ((1 << ID_TAIL_BITS) - 1))
        return ''.join(ALPHABET[(number >> shift) & 31] for shift in range(75, -5, -5))


def is_valid_id(run_id: str) -> bool:
    """Tell whether an id can name a run: 1 to 256 printable bytes, not ending in `-control`."""
    size = len(run_id.encode('utf-8', 'replace'))
    return 0 < size <= MAX_ID_BYTES and run_id.isprintable() and not run_id.endswith('-control')
