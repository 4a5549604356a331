"""NotGiven: what an input is that nobody has given, where None would be a value."""

from __future__ import annotations

from typing import Any


class _NotGiven:
    """The type of NotGiven, which is false, the only one of it, and the same in copies and pickles."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return 'NotGiven'

    def __reduce__(self) -> str:
        return 'NotGiven'


# Any, so that it may be the default of an input of whatever type.
NotGiven: Any = _NotGiven()
