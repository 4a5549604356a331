"""Annotations of a function or class, resolved one by one if they cannot be resolved together.

An annotation that exists for type checkers only, behind `TYPE_CHECKING`, allows any value; the others count.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, ClassVar, Final, get_origin, get_type_hints

# For type checkers only, or no type at all.
UNRESOLVED = (NameError, TypeError, AttributeError, SyntaxError)
# Recognized by their text; what they hold need not be known.
_CONSTANT = re.compile(r'(\w+\.)*(ClassVar|Final)\b')


def hints_of(source: Any) -> dict[str, Any]:
    """Return the annotations of a function or class, by name; Any for one that cannot be resolved."""
    try:
        return get_type_hints(source, include_extras=True)
    except UNRESOLVED:
        return _of_class(source) if isinstance(source, type) else _of_function(source)


def is_constant(hint: Any) -> bool:
    """Tell whether an annotation marks a class attribute (ClassVar, Final), which is not an input."""
    return hint in (ClassVar, Final) or get_origin(hint) in (ClassVar, Final)


def _of_class(source: type) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(source.__mro__):
        module = vars(sys.modules.get(base.__module__, object))
        # As typing does: what the class itself names is looked up last.
        hints |= {name: _resolved(hint, dict(vars(base)), module) for name, hint in _written(base).items()}
    return hints


def _of_function(source: Any) -> dict[str, Any]:
    names = getattr(inspect.unwrap(source), '__globals__', {})
    return {name: _resolved(hint, names, names) for name, hint in _written(source).items()}


def _written(source: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(source, format=annotationlib.Format.FORWARDREF)
    try:
        return inspect.get_annotations(source)
    except TypeError:  # a callable object has none
        return {}


def _resolved(hint: Any, globalns: dict[str, Any], localns: Any) -> Any:
    alone = type('Alone', (), {'__annotations__': {'it': hint}})
    try:
        return get_type_hints(alone, globalns, localns, include_extras=True)['it']
    except UNRESOLVED:
        text = hint if isinstance(hint, str) else getattr(hint, '__forward_arg__', '')
        return ClassVar if is_constant(hint) or _CONSTANT.match(text) else Any
