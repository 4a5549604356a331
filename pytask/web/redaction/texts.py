"""Hide secrets in texts: by their place (`token=…`, `https://user:…@`), and by their value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HIDDEN = '***'
WORDS = r'password|passwd|secret|token|authorization|cookie|api[_-]?key|private|credential'
# Every repetition is bounded or possessive, so that no text can make matching slow.
_SET = r'[\w-]{0,32}\\?["\']?\s{0,3}[=:]\s{0,3}'
# Up to the closing quote; in a quoted text inside another one, a backslash precedes each quote.
_QUOTED = r"""(\\")(?:[^"\\]|\\(?!"))++|(\\')(?:[^'\\]|\\(?!'))++|(")(?:[^"\\]|\\.)++|(')(?:[^'\\]|\\.)++"""
_WORD = r'((?:bearer|basic)\s)?[^\s"\',;&}]+'
_IN_TEXT = re.compile(rf'((?:{WORDS}){_SET})(?:{_QUOTED}|{_WORD})', re.IGNORECASE | re.DOTALL)
# The value of a header contains blanks, commas and semicolons, so it ends with the line.
_HEADER = re.compile(
    r'((?:authorization|cookies?)\s{0,3}[=:]\s{0,3}(?:(?:bearer|basic)\s)?)[^\s"\'][^\r\n]*+', re.IGNORECASE
)
# A password may contain `@`; the last one ends it.
_IN_URL = re.compile(r'(://[^\s:/@]{0,256}:)[^\s/]{1,256}@')


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """Return a text without these secrets, and without values in the place of one. A secret '' hides any text."""
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
