"""JSON as pytask writes and reads it."""

from __future__ import annotations

from typing import Any

import msgspec


def encode(value: Any) -> bytes:
    """Encode as JSON. Raises TypeError for a value that JSON cannot represent, NaN and infinity included."""
    try:
        text = msgspec.json.encode(value)
    except (ValueError, OverflowError, RecursionError) as error:
        raise TypeError(f'not JSON: {error}') from None
    if b'null' in text:
        _refuse_nan(msgspec.to_builtins(value))
    return text


def _refuse_nan(value: Any) -> None:
    # msgspec writes NaN and infinity as null, which would silently change the value.
    if isinstance(value, float):
        if value - value != 0.0:
            raise TypeError(f'JSON has no {value}')
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_nan(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_nan(item)


def parse_object(text: bytes) -> dict[str, Any] | None:
    """Decode a JSON object; None for anything else."""
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None
