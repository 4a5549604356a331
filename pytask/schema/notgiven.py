"""NotGiven: the value of an input that was not given, where None would be a value."""

from __future__ import annotations

from typing import Any


class _NotGiven:
    """The type of NotGiven: a singleton that is false, and survives copying and pickling."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return 'NotGiven'

    def __reduce__(self) -> str:
        return 'NotGiven'


# Any, so that it may be the default of an input of whatever type.
NotGiven: Any = _NotGiven()
