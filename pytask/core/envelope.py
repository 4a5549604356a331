"""A message to a run, as it stands in the run's inbox and in its answer: names, limits, both directions.

In the inbox a message is its key, which is random and by which it is taken out, and then one JSON object.
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
# What a task returns to who asked: as much as an output may be.
MAX_ANSWER_BYTES = 2**20
KEY_BYTES = 16
_USAGE = 'send(run_id, name, data)'


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message; foreign hands may have put anything in. `ask` names who waits for the answer, if anybody."""

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
    """Read what stands in an inbox. Never fails: what is no message has a name that none has."""
    try:
        fields = msgspec.json.decode(raw[KEY_BYTES:])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields = None
    return from_fields(fields if isinstance(fields, dict) else {}, raw[:KEY_BYTES])


def from_fields(fields: dict[str, Any], key: bytes = b'') -> Envelope:
    ask = fields.get('ask')
    return Envelope(fields.get('name', ''), fields.get('data', {}), ask if isinstance(ask, str) else '', key)


def method_name(name: Any) -> str:
    """Return the method that a message of this name calls: `on_reset_counter` for `reset-counter`.

    Raises InputError for what can not be a name.
    """
    word = name.replace('-', '_') if isinstance(name, str) else ''
    if not word.isidentifier() or word.startswith('_') or len(word) > MAX_NAME:
        why = f'{name!r:.80} is no name of a message; a word like reset-counter is, of up to {MAX_NAME} letters'
        raise InputError('send', [('name', why)], _USAGE)
    return f'on_{word}'
