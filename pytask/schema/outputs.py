"""Outputs of a task: what its return annotation promises, compared with what it returned.

A value is checked strictly, as the JSON that it becomes: `"6"` is not an int here. Declared `outputs` convert it
instead. An annotation that is None or Any, or that msgspec cannot express, allows any value.
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.core.codec import encode
from pytask.errors import OutputError
from pytask.schema.annotations import hints_of
from pytask.schema.inputs import REFS
from pytask.schema.params import declared, has_run
from pytask.schema.problems import Misfit, problems, shown, step
from pytask.schema.value_types import ANYTHING, Kind, Typed, kind_of, schemas

if TYPE_CHECKING:
    from pytask.core.port import TaskClass
    from pytask.schema.params import Parameter
    from pytask.schema.problems import Problem


class Outputs:
    """What one task promises to return: one value, or the mapping of its declared `outputs`."""

    def __init__(self, task: str, kind: Kind = ANYTHING, declared: dict[str, Parameter] | None = None) -> None:
        self.task, self.kind, self.declared = task, kind, declared or {}
        self._decoder = msgspec.json.Decoder(kind.hint) if isinstance(kind, Typed) else None

    def fit(self, value: Any) -> Any:
        """Return what is recorded for a value. Raises OutputError, and TypeError for what is not JSON."""
        if self.declared:
            return self._mapping(msgspec.json.decode(encode(value)))
        if self._decoder is None:
            return value
        text = encode(value)
        try:
            self._decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            wrong = [('output' + path, what) for path, what in self._problems(text)] or [('output', str(error))]
            raise OutputError(self.task, wrong) from None
        return value

    def _problems(self, text: bytes) -> list[Problem]:
        try:
            return problems(msgspec.json.decode(text), self.kind.hint, is_strict=True)  # type: ignore[attr-defined]
        except RecursionError:
            return [('', 'is nested too deeply')]

    def schema(self, refs: str = REFS) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the output."""
        if self.declared:
            required = [name for name, parameter in self.declared.items() if parameter.required]
            properties = {name: parameter.schema() for name, parameter in self.declared.items()}
            return {'type': 'object', 'properties': properties, 'required': required, 'additionalProperties': False}
        written, defs = schemas({'output': self.kind}, refs)
        schema: dict[str, Any] = written['output']
        return schema | ({'$defs': defs} if defs else {})

    def _mapping(self, value: Any) -> dict[str, Any]:
        """Return the declared outputs by name; a single output may also be returned bare."""
        only, *others = self.declared
        if not others and not (isinstance(value, dict) and [*value] == [only]):
            is_left_out = value is None and not self.declared[only].required
            value = {} if is_left_out else {only: value}
        if not isinstance(value, dict):
            names = ', '.join(self.declared)
            raise OutputError(self.task, [('output', f'must be a dict with {names}, not {shown(value)}')])
        return self._converted(value)

    def _converted(self, value: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        wrong = [('output' + step(name), 'is not declared') for name in value if name not in self.declared]
        for name, parameter in self.declared.items():
            if name not in value:
                wrong += [('output' + step(name), 'is missing')] if parameter.required else []
                continue
            try:
                made[name] = parameter.convert(value[name])
            except Misfit as misfit:
                wrong += [(f'output{step(name)}{path}', what) for path, what in misfit.problems]
        if wrong:
            raise OutputError(self.task, wrong)
        return made


def outputs_of(task_class: type[TaskClass]) -> Outputs:
    """Read what a task promises. Raises ConfigError if `outputs` are not parameters."""
    source = getattr(task_class, 'pytask_function', getattr(task_class, 'start', None))
    if has_run(task_class):
        outputs = declared(task_class, 'outputs')
        if outputs:
            return Outputs(task_class.NAME, declared=outputs)
        source = task_class.run  # type: ignore[attr-defined]
    hint = hints_of(source).get('return', Any)
    return Outputs(task_class.NAME, ANYTHING if hint is NoneType else kind_of(hint))
