"""Names: which are reserved, which are invalid, and what to say about an unknown one."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = 'pytask/'


def is_own(name: str) -> bool:
    """Tell whether every worker runs this task for itself: one of pytask's own, except flows."""
    return name.startswith(RESERVED) and name != FLOW


def no_such_task(name: str, known: Iterable[str]) -> str:
    """Say that no worker knows a task, and which known names are close."""
    near = ' or '.join(f'"{other}"' for other in get_close_matches(name, list(known), n=3, cutoff=0.5))
    return f'no worker knows "{name}"' + (f'; did you mean {near}?' if near else '')


# The task of every flow. Unlike the runs of pytask's other tasks, its runs come from a queue.
FLOW = 'pytask/flow'


def bad_name(name: str, longest: int) -> str:
    """Say what is wrong with the name of a queue or worker; '' if nothing is."""
    is_good = re.fullmatch(r'[\w.:/@-]+', name, re.ASCII) and len(name) <= longest
    return '' if is_good else f'must be 1 to {longest} letters, digits or . : / @ _ - each: {name!r}'
