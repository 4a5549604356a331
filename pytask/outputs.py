"""Outputs of a task: what its return annotation promises, held against what it has left behind.

A value is checked as the JSON that it becomes, strictly: `"6"` is no int here. Where msgspec can not express the
annotation, or it says None or Any, nothing is promised and any JSON will do.
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.errors import OutputError
from pytask.inputs import REFS
from pytask.kinds import ANYTHING, Kind, Typed, kind_of, schemas
from pytask.messages import encode
from pytask.misfits import hints_of, problems

if TYPE_CHECKING:
    from pytask.definition import Task


class Signal:
    """What a step returns to steer its flow, and no output: no annotation speaks of it."""


class Outputs:
    """What one task promises to leave behind."""

    def __init__(self, task: str, kind: Kind = ANYTHING) -> None:
        self.task, self.kind = task, kind
        self._decoder = msgspec.json.Decoder(kind.hint) if isinstance(kind, Typed) else None

    def fit(self, value: Any) -> Any:
        """Return what is recorded for a value. Raises OutputError, and TypeError for what is not JSON."""
        if self._decoder is None or isinstance(value, Signal):
            return value
        text = encode(value)
        try:
            self._decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            found = problems(msgspec.json.decode(text), self.kind.hint, is_strict=True)  # type: ignore[attr-defined]
            wrong = [('output' + path, what) for path, what in found] or [('output', str(error))]
            raise OutputError(self.task, wrong) from None
        return value

    def schema(self, refs: str = REFS) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the output."""
        written, defs = schemas({'output': self.kind}, refs)
        schema: dict[str, Any] = written['output']
        return schema | ({'$defs': defs} if defs else {})


def outputs_of(task_class: type[Task]) -> Outputs:
    """Read what a task promises."""
    source = getattr(task_class, 'pytask_function', getattr(task_class, 'start', None))
    hint = hints_of(source).get('return', Any)
    return Outputs(task_class.NAME, ANYTHING if hint is NoneType else kind_of(hint))
