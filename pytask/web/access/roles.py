"""Roles: what a caller may do, and how they are read from what `auth` returns."""

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
    """Raise ConfigError for a coroutine or generator function: what it returns is always true."""
    for function in (auth, getattr(auth, '__call__', None)):  # noqa: B004 - the method of a callable object
        if function is not None and _is_delayed(function):
            raise ConfigError(f'auth {auth!r} must be a plain function, not async and not a generator')


def as_roles(returned: Any) -> frozenset[str]:
    """Return the roles in what `auth` returned: true means all of them. Raises TypeError for other types."""
    if isinstance(returned, str):
        return _as_words(returned)
    if isinstance(returned, Set | Sequence) and not isinstance(returned, bytes | bytearray):
        return ROLES & {role for role in returned if isinstance(role, str)}
    # All of these are true, but hardly meant as "all roles".
    if isinstance(returned, _ODD) or inspect.isawaitable(returned) or inspect.isroutine(returned):
        getattr(returned, 'close', lambda: None)()
        raise TypeError(
            f'auth returned {type(returned).__name__}; it must return a bool, or a set of {sorted(ROLES)}'
        )
    return ROLES if returned else frozenset()


def _as_words(returned: str) -> frozenset[str]:
    """Read roles, separated by blanks or commas; any other text, such as a user's name, is true."""
    words = frozenset(re.findall(r'[^\s,]+', returned))
    if not words:
        return frozenset()
    return words if words <= ROLES else ROLES


def _is_delayed(function: Any) -> bool:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return any(kind(function) for kind in kinds)
