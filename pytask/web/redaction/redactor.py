"""Hide secrets: every answer and event passes through here before it leaves by HTTP.

A value is a secret by its name, anywhere in data (`password`, `api_key`, … and the names in a task's REDACT), by
its place in a text (`texts`), or by itself: a secret in a run's data is hidden wherever else it appears, such as in
an error's text. Names are checked in data from outside; the fields of our own answers are never secret.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pytask.web.redaction.texts import HIDDEN, WORDS, without_secrets
from pytask.web.request import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytask.authoring.registry import Registry

_NAME = re.compile(WORDS, re.IGNORECASE)
# Fields of our answers that hold data from outside.
PARTS = frozenset({'data', 'inputs', 'output', 'outputs', 'value', 'saved', 'error'})
# Fields whose texts a task may have written.
SAID = frozenset({'text', 'messages', 'message', 'reason', 'detail', 'traceback'})
_EXCEPTION = frozenset({'type', 'message', 'traceback'})
# Shown instead of anything nested deeper than MAX_DEPTH.
TOO_DEEP = '…'
# Shorter secrets would hide ordinary words.
SHORTEST = 4
MOST_SECRETS = 50
# Stands for too many secrets to look for: then every text is hidden.
ANY_TEXT = ''


class Redactor:
    """Hides the secrets in what is shown; what Redis keeps is not changed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._names: frozenset[str] = frozenset()
        self._known = -1

    def clean_answer(self, value: Any, secrets: Sequence[str] = (), *, is_said: bool = False) -> Any:
        """Return an answer of ours without secrets: data from outside is cleaned by name, texts by value."""
        if isinstance(value, str):
            return value if not is_said and ANY_TEXT in secrets else without_secrets(value, secrets)
        if isinstance(value, list | tuple):
            return [self.clean_answer(inner, secrets, is_said=is_said) for inner in value]
        if not isinstance(value, dict):
            return value
        return {
            name: self.clean(inner, secrets)
            if name in PARTS
            else self.clean_answer(inner, secrets, is_said=name in SAID)
            for name, inner in value.items()
        }

    def clean(self, value: Any, secrets: Sequence[str] = (), depth: int = 0) -> Any:
        """Return data from outside without its own secrets, and without these."""
        if isinstance(value, str):
            return without_secrets(value, secrets)
        if isinstance(value, dict | list | tuple):
            return TOO_DEEP if depth > MAX_DEPTH else self._cleaned(value, secrets, depth)
        return HIDDEN if secrets and _number(value) in secrets else value

    def _cleaned(self, value: Any, secrets: Sequence[str], depth: int) -> Any:
        if not isinstance(value, dict):
            return [self.clean(inner, secrets, depth + 1) for inner in value]
        is_ours = depth == 0 and value.keys() == _EXCEPTION
        by_value = () if ANY_TEXT in secrets else secrets  # an empty text would match every name
        return {
            without_secrets(str(name), by_value): HIDDEN
            if not is_ours and self._is_secret(str(name), inner)
            else self.clean(inner, secrets, depth + 1)
            for name, inner in value.items()
        }

    def secrets_of(self, *parts: Any) -> list[str]:
        """Return the secrets in data, in every spelling used in texts, longest first; [ANY_TEXT] if too many."""
        found = {text for part in parts for text in self._below(part, is_secret=False) if len(text) >= SHORTEST}
        return [ANY_TEXT] if len(found) > MOST_SECRETS else sorted(_forms(found), key=len, reverse=True)

    def without_defaults(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a task's inputs without defaults that are secrets."""
        fields = {
            name: {key: value for key, value in field.items() if key != 'default'}
            if self._is_secret(name, field.get('default'))
            else field
            for name, field in schema['properties'].items()
        }
        return schema | {'properties': fields}

    def _below(self, value: Any, *, is_secret: bool, depth: int = 0) -> Iterable[str]:
        if depth > MAX_DEPTH:
            return
        if isinstance(value, dict):
            for name, inner in value.items():
                is_one = is_secret or self._is_secret(str(name), inner)
                yield from self._below(inner, is_secret=is_one, depth=depth + 1)
        elif isinstance(value, list | tuple):
            for inner in value:
                yield from self._below(inner, is_secret=is_secret, depth=depth + 1)
        elif is_secret:
            yield value if isinstance(value, str) else _number(value)

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


def _number(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return str(value) if is_number else ' '
    except ValueError:  # more digits than Python converts
        return ' '


def _forms(secrets: Iterable[str]) -> set[str]:
    """Return secrets as they are, and as Python and JSON spell them."""
    found = set()
    for secret in secrets:
        found |= {
            secret,
            repr(secret)[1:-1],
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
        }
    return found
