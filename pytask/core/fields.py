"""What stands in the fields of Redis hashes, read. Never fails: foreign hands write there too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


MOST_WHOLE = 2**63


def texts(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return a hash as text."""
    return {key.decode('utf-8', 'replace'): value.decode('utf-8', 'replace') for key, value in raw.items()}


def as_json(text: str | bytes) -> Any:
    """Read JSON; what is none is text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text if isinstance(text, str) else text.decode('utf-8', 'replace')


def as_number(text: str | None) -> float | None:
    """Read a finite number; None for what is none."""
    try:
        number = float(text) if text and '_' not in text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def as_whole(text: str | None) -> int | None:
    """Read a whole number; None for what is none, or is larger than JSON's readers take."""
    number = as_number(text)
    if text is None or number is None or abs(number) >= MOST_WHOLE:
        return None
    try:
        return int(text)  # all its digits: a float has 16
    except ValueError:
        return int(number)
