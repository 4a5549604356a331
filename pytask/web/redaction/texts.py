"""Secrets in texts: by their place (`token=…`, `https://user:…@`), and by their value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HIDDEN = '***'
WORDS = r'password|passwd|secret|token|authorization|cookie|api[_-]?key|private|credential'
# Bounded everywhere, or possessive: whoever writes the text must not be able to make this slow.
_SET = r'[\w-]{0,32}\\?["\']?\s{0,3}[=:]\s{0,3}'
# Up to the closing quote, where there is one; a text within a text has a backslash before each.
_QUOTED = r"""(\\")(?:[^"\\]|\\(?!"))++|(\\')(?:[^'\\]|\\(?!'))++|(")(?:[^"\\]|\\.)++|(')(?:[^'\\]|\\.)++"""
_WORD = r'((?:bearer|basic)\s)?[^\s"\',;&}]+'
_IN_TEXT = re.compile(rf'((?:{WORDS}){_SET})(?:{_QUOTED}|{_WORD})', re.IGNORECASE | re.DOTALL)
# A header's value has blanks, commas and semicolons.
_HEADER = re.compile(
    r'((?:authorization|cookies?)\s{0,3}[=:]\s{0,3}(?:(?:bearer|basic)\s)?)[^\s"\'][^\r\n]*+', re.IGNORECASE
)
# A password may hold any `@` but the last.
_IN_URL = re.compile(r'(://[^\s:/@]{0,256}:)[^\s/]{1,256}@')


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Return a text without these, and without what stands where a secret does. An empty one means all texts."""
    if '' in secrets:
        return HIDDEN
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if '=' in text or ':' in text:
        text = _HEADER.sub(rf'\1{HIDDEN}', text)
        text = _IN_TEXT.sub(lambda found: ''.join(filter(None, found.groups())) + HIDDEN, text)
        if '://' in text:
            text = _IN_URL.sub(rf'\1{HIDDEN}@', text)
    return text
