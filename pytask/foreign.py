"""Reads what foreign hands may have written. Never fails: junk is shown as it is, and no number is none."""

from __future__ import annotations

import math
from typing import Any

import msgspec


def json_of(text: str | bytes) -> Any:
    """Return what JSON says; what is none is text."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text if isinstance(text, str) else text.decode('utf-8', 'replace')


def number_of(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def whole_of(text: str | None) -> int | None:
    number = number_of(text)
    return None if number is None else int(number)
