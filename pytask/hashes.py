"""What stands in the fields of Redis hashes, read. Never fails: foreign hands write there too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


def texts(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return a hash as text."""
    return {key.decode('utf-8', 'replace'): value.decode('utf-8', 'replace') for key, value in raw.items()}


def as_json(text: str) -> Any:
    """Read JSON; what is none stays as it is."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def as_number(text: str | None) -> float | None:
    """Read a finite number; None for what is none."""
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def as_whole(text: str | None) -> int | None:
    """Read a whole number; None for what is none."""
    number = as_number(text)
    return None if number is None else int(number)
