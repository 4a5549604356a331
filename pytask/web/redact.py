"""Secrets are not shown: one place through which all passes that leaves by HTTP, answers and events.

What is a secret is told by its name, anywhere in data (`password`, `api_key`, …, and what a task lists in REDACT),
by its place in a text (`token=…`, `https://user:…@`), and by its value: a secret of a run's data is hidden wherever
else it comes up, as in the text of an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytask.registry import Registry

HIDDEN = '***'
_WORDS = r'password|passwd|secret|token|authorization|cookie|api[_-]?key|private|credential'
_NAME = re.compile(_WORDS, re.IGNORECASE)
# Bounded everywhere: whoever writes the text must not be able to make this slow.
_IN_TEXT = re.compile(
    rf'((?:{_WORDS})[\w-]{{0,32}}["\']?\s{{0,3}}[=:]\s{{0,3}}(?:(?:bearer|basic)\s)?["\']?)[^\s"\',;&}}]+',
    re.IGNORECASE,
)
_IN_URL = re.compile(r'(://[^\s:/@]{0,256}:)[^\s/@]{1,256}@')
# Shorter ones are words like any other.
SHORTEST = 4
MOST_SECRETS = 50


class Redactor:
    """Hides the secrets in what is shown. It never changes what is kept."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._names: frozenset[str] = frozenset()
        self._known = -1

    def clean(self, value: Any, secrets: Sequence[str] = ()) -> Any:
        """Return JSON without its secrets, and without these."""
        if isinstance(value, str):
            return _clean_text(value, secrets)
        if isinstance(value, dict):
            return {
                _clean_text(str(name), secrets): HIDDEN
                if self._is_secret(str(name), inner)
                else self.clean(inner, secrets)
                for name, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.clean(inner, secrets) for inner in value]
        return value

    def secrets_of(self, data: Any) -> list[str]:
        """Return the values in a run's data that are secrets."""
        found = {text for text in self._below(data, is_secret=False) if len(text) >= SHORTEST}
        return sorted(found, key=len, reverse=True)[:MOST_SECRETS]

    def _below(self, value: Any, *, is_secret: bool) -> Iterable[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from self._below(inner, is_secret=is_secret or self._is_secret(str(name), inner))
        elif isinstance(value, list | tuple):
            for inner in value:
                yield from self._below(inner, is_secret=is_secret)
        elif is_secret and isinstance(value, str):
            yield value

    def _is_secret(self, name: str, value: Any) -> bool:
        if value is None or isinstance(value, bool):
            return False
        return name in self._own_names() or _NAME.search(name) is not None

    def _own_names(self) -> frozenset[str]:
        count = len(self._registry.names())
        if count != self._known:  # tasks may be added at any time
            self._names = frozenset(name for task in self._registry for name in task.REDACT)
            self._known = count
        return self._names


def _clean_text(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if '=' in text or ':' in text:
        text = _IN_TEXT.sub(rf'\1{HIDDEN}', text)
        if '://' in text:
            text = _IN_URL.sub(rf'\1{HIDDEN}@', text)
    return text
