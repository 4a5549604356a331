"""Names: which are reserved, which are bad, and what is said of one that nothing has."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = 'pytask/'


def is_own(name: str) -> bool:
    """Tell whether this is one of the tasks that every worker runs for itself: pytask's own, but for flows."""
    return name.startswith(RESERVED) and name != FLOW


def no_such_task(name: str, known: Iterable[str]) -> str:
    """Say that nobody knows a task, and which known names are near."""
    near = ' or '.join(f'"{other}"' for other in get_close_matches(name, list(known), n=3, cutoff=0.5))
    return f'no worker knows "{name}"' + (f'; did you mean {near}?' if near else '')


# The task of every flow. Its runs come from a queue, unlike those of pytask's other tasks.
FLOW = 'pytask/flow'


def bad_name(name: str, longest: int) -> str:
    """Say what is wrong with the name of a queue or worker; '' where nothing is."""
    is_good = re.fullmatch(r'[\w.:/@-]+', name, re.ASCII) and len(name) <= longest
    return '' if is_good else f'must be 1 to {longest} letters, digits or . : / @ _ - each: {name!r}'
