"""Read the fields of Redis hashes. Never fails: other clients write there too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


MOST_WHOLE = 2**63


def text(raw: bytes | None) -> str:
    """Decode a reply of Redis; bytes that are not UTF-8 become `�`, a missing field becomes ''."""
    return raw.decode('utf-8', 'replace') if raw else ''


def texts(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return a hash as text."""
    return {text(key): text(value) for key, value in raw.items()}


def as_json(raw: str | bytes) -> Any:
    """Read JSON; return anything else as text."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return raw if isinstance(raw, str) else text(raw)


def as_number(raw: str | None) -> float | None:
    """Read a finite number; return None for anything else."""
    try:
        number = float(raw) if raw and '_' not in raw else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def as_whole(raw: str | None) -> int | None:
    """Read a whole number; return None for anything else, and for one that JSON readers cannot take."""
    number = as_number(raw)
    if raw is None or number is None or abs(number) >= MOST_WHOLE:
        return None
    try:
        return int(raw)  # all its digits: a float has 16
    except ValueError:
        return int(number)
