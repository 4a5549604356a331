"""Lists of runs: how many are searched, and how much of each is shown. A single run is shown whole."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.core.states import LIST_ORDER, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.client.client import Client
    from pytask.core.run import Run

# Runs searched for one list.
LOOKED_AT = 5000
# Bytes of a run's data, and of its output: the page shows one line of each.
LARGEST_PART = 4096
LONGEST_TEXT = 500


def search(
    client: Client, finds: Callable[[Run], Any], limit: int, states: Sequence[State] = LIST_ORDER,
    queues: Sequence[str] = (),
) -> tuple[list[Any], bool]:  # fmt: skip
    """Return the results of `finds` that are not None, up to `limit`, and whether more runs were not searched."""
    found: list[Any] = []
    searched = 0
    for run in islice(client.store.runs.listed(states, queues, client), LOOKED_AT):
        searched += 1
        if (one := finds(run)) is not None:
            found.append(one)
        if len(found) == limit:
            return found, False
    return found, searched == LOOKED_AT


def cut(answer: dict[str, Any], *parts: str) -> dict[str, Any]:
    """Return JSON in which large parts are cut, and `is_cut` says so."""
    large = {name: _shortened(answer[name]) for name in parts if size_of(answer[name]) > LARGEST_PART}
    return answer | large | {'is_cut': True} if large else answer


def text_of(value: Any) -> str:
    """Return a value as compact JSON, '' if it cannot be written as JSON."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, OverflowError):
        return ''


def size_of(value: Any) -> int:
    return len(value if isinstance(value, str) else text_of(value))


def _shortened(value: Any) -> Any:
    """Return the beginning of a text, the small fields of an object, or None if that is still too large."""
    if isinstance(value, str):
        return f'{value[:LONGEST_TEXT]}…'
    if isinstance(value, dict):
        few = dict(islice(value.items(), 50))
        short = {name: f'{one[:LONGEST_TEXT]}…' if _is_long(one) else one for name, one in few.items()}
        return short if size_of(short) <= LARGEST_PART else None
    return None


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > LONGEST_TEXT
