"""Roles: what somebody may do, and how they are read from what a site's own `auth` returns."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

# Each route needs one of them.
READ, START, CONTROL, REMOVE = 'read', 'start', 'control', 'remove'
ROLES = frozenset({READ, START, CONTROL, REMOVE})
_ODD = (Iterator, Mapping, bytes, bytearray)


def check_auth(auth: Callable[..., Any] | None) -> None:
    """Raise ConfigError for what answers only when it is awaited or gone through: its mere answer would be true."""
    for function in (auth, getattr(auth, '__call__', None)):  # noqa: B004 - the method, where it is an object
        if function is not None and _is_delayed(function):
            raise ConfigError(
                f'auth {auth!r} must be a plain function, no coroutine or generator: it is not awaited'
            )


def as_roles(said: Any) -> frozenset[str]:
    """Read what `auth` has returned: what is true for all roles, or some. Raises TypeError for an oddity."""
    if isinstance(said, str):
        return _as_words(said)
    if isinstance(said, Set | Sequence) and not isinstance(said, bytes | bytearray):
        return ROLES & {role for role in said if isinstance(role, str)}
    # All of these are true, and were hardly meant so.
    if isinstance(said, _ODD) or inspect.isawaitable(said) or inspect.isroutine(said):
        getattr(said, 'close', lambda: None)()
        raise TypeError(f'auth returned {type(said).__name__}; it returns true, false, or a set of {sorted(ROLES)}')
    return ROLES if said else frozenset()


def _as_words(said: str) -> frozenset[str]:
    """Read a role or some, with blanks or commas between; any other text is true, as a user's name is."""
    words = frozenset(re.findall(r'[^\s,]+', said))
    if not words:
        return frozenset()
    return words if words <= ROLES else ROLES


def _is_delayed(function: Any) -> bool:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(function) for kind in kinds)
