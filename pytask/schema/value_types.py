"""Types of values: what an annotation says about a value, as a conversion and as JSON Schema.

msgspec converts, lax where that is safe (`"6"` for an int). An annotation that it cannot express allows any
value: it is the author's, and may be anything.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, get_args, get_origin

import msgspec

from pytask.schema.annotations import UNRESOLVED
from pytask.schema.problems import UNIONS, Misfit, problems


class Kind:
    """What an input or output may be: this one accepts anything."""

    takes_text = True  # whether text may be valid here

    def convert(self, value: Any) -> Any:
        """Return what the task receives for a value of the data. Raises Misfit."""
        return value

    def missing(self) -> str:
        """Say what is wrong when nothing was given."""
        return 'is missing'

    def schema(self) -> Any:
        """Return JSON Schema, or a type for which msgspec can write one."""
        return {}


ANYTHING = Kind()


class Typed(Kind):
    """A value that msgspec converts to what the annotation says."""

    takes_text = False

    def __init__(self, hint: Any) -> None:
        self.hint = hint
        self._has_moments = 'DateTimeType(' in repr(msgspec.inspect.type_info(hint))

    def convert(self, value: Any) -> Any:
        try:
            converted = msgspec.convert(value, self.hint, strict=False)
            wrong = problems(value, self.hint) if self._has_moments else ()
        except msgspec.ValidationError:
            wrong = problems(value, self.hint)
        except RecursionError:
            wrong = [('', 'is nested too deeply')]
        if wrong:
            raise Misfit(*wrong)
        return converted

    def schema(self) -> Any:
        return self.hint


def kind_of(hint: Any) -> Kind:
    """Return the kind that an annotation means."""
    if hint is Any:
        return ANYTHING
    try:
        msgspec.json.Decoder(hint)
        # A class msgspec does not know gets a decoder too, and fails on every value; so does what holds one.
        is_known = 'CustomType(' not in repr(msgspec.inspect.type_info(hint))
    except UNRESOLVED:  # such as a class with a field whose type exists for type checkers only
        return ANYTHING
    return Typed(hint) if is_known else ANYTHING


def schemas(kinds: dict[str, Kind], refs: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of each, and the definitions they refer to as `refs` says."""
    found = {name: kind.schema() for name, kind in kinds.items()}
    given = {name: schema if isinstance(schema, dict) else {} for name, schema in found.items()}
    hints = {name: _dated(hint) for name, hint in found.items() if not isinstance(hint, dict) and _has_schema(hint)}
    written, defs = msgspec.json.schema_components(hints.values(), ref_template=refs)
    return given | dict(zip(hints, written, strict=True)), defs


def _has_schema(hint: Any) -> bool:
    try:
        msgspec.json.schema(hint)
    except (TypeError, RecursionError):
        return False
    return True


def _dated(hint: Any) -> Any:
    """Mark every datetime as one: msgspec does so only for those that must have a time zone."""
    if hint is datetime:
        return Annotated[datetime, msgspec.Meta(extra_json_schema={'format': 'date-time'})]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated or (datetime not in args and not any(get_args(arg) for arg in args)):
        return hint
    inner = tuple(_dated(arg) for arg in args)
    return reduce(or_, inner) if origin in UNIONS else origin[inner]
