"""Calling Redis until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent

from pytask.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

# Between tries, and between looks at a run that is not ready: twice as long each time.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5


def insist(call: Callable[..., Any], *args: Any, is_over: Callable[[], bool]) -> Any:
    """Call Redis until it answers. Raises Unavailable if `is_over` before that, and what else `call` raises."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return call(*args)
        except Unavailable:
            if is_over():
                raise
            gevent.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
