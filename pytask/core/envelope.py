"""What a run is sent: its names and limits, and how it is written to and read from the run's inbox.

An inbox entry is a random key, by which the entry is removed, followed by one JSON object.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import msgspec

from pytask.core.codec import encode
from pytask.errors import InputError

MAX_NAME = 64
MAX_MESSAGE_BYTES = 64 * 1024
MAX_MESSAGES, MAX_INBOX_BYTES = 1000, 2**20
# An answer to `ask` may be as large as an output.
MAX_ANSWER_BYTES = 2**20
KEY_BYTES = 16
_USAGE = 'send(run_id, name, data)'


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as it was sent; other clients may have written anything. `ask` names its answer, if wanted."""

    name: Any
    data: Any
    ask: str = ''
    key: bytes = b''


def new_envelope(name: str, data: dict[str, Any] | None, ask: str = '') -> bytes:
    """Check a message and encode it. Raises InputError."""
    method_name(name)
    if data is not None and not isinstance(data, dict):
        raise InputError(name, [('data', f'is {type(data).__name__}, not a dict')], _USAGE)
    try:
        text = encode({'name': name, 'data': data or {}, 'ask': ask})
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(name, [('data', f'is not JSON: {error}')], _USAGE) from error
    if len(text) > MAX_MESSAGE_BYTES:
        raise InputError(name, [('data', f'is {len(text):,} bytes; the limit is {MAX_MESSAGE_BYTES:,}')], _USAGE)
    return secrets.token_hex(KEY_BYTES // 2).encode() + text


def read_envelope(raw: bytes) -> Envelope:
    """Read an inbox entry. Never fails: an entry that is not a message gets a name that no message can have."""
    try:
        fields = msgspec.json.decode(raw[KEY_BYTES:])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields = None
    return from_fields(fields if isinstance(fields, dict) else {}, raw[:KEY_BYTES])


def from_fields(fields: dict[str, Any], key: bytes = b'') -> Envelope:
    """Make an envelope of decoded fields, whatever their types."""
    ask = fields.get('ask')
    return Envelope(fields.get('name', ''), fields.get('data', {}), ask if isinstance(ask, str) else '', key)


def method_name(name: Any) -> str:
    """Return the method that a message of this name calls: `on_reset_counter` for `reset-counter`.

    Raises InputError if it cannot be a name.
    """
    word = name.replace('-', '_') if isinstance(name, str) else ''
    if not word.isidentifier() or word.startswith('_') or len(word) > MAX_NAME:
        why = f'{name!r:.80} cannot name a message; use a word such as reset-counter, of up to {MAX_NAME} letters'
        raise InputError('send', [('name', why)], _USAGE)
    return f'on_{word}'
