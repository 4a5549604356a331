"""Steps and routines, of which flows are made, and the results of a flow.

A step is a task, a key for its result, and a friendly name. `as_step` reads the shapes it may be written in.
Keys may repeat: steps are addressed by position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from pytask.authoring.decorator import as_task_class
from pytask.core.fields import as_json
from pytask.errors import PytaskError

# The name of the message that submits data to a flow that waits.
SUBMIT = 'submit'
MAX_STEPS = 1000
LONGEST_NAME = 200
_SHAPES = "'task', ('task',), ('key', 'task'), ('key', 'task', 'name') or {'key', 'task', 'name'}"


class Step(NamedTuple):
    """One place in a routine."""

    key: str
    task: str
    name: str

    def to_json(self) -> dict[str, str]:
        return self._asdict()


@dataclass(frozen=True, slots=True)
class Routine:
    """Ordered steps under a name. Other steps under the same name are its next version; flows keep theirs.

    If another client has overwritten it with something unreadable, it has no steps.
    """

    name: str
    version: int
    steps: tuple[Step, ...]

    def step_at(self, position: int) -> Step:
        """Return the step at a position, from 0. Raises PytaskError if there is none."""
        return step_at(self.steps, position)

    def to_json(self) -> dict[str, Any]:
        return {'name': self.name, 'version': self.version, 'steps': [one.to_json() for one in self.steps]}


def step(key: Any = None, task: Any = None, name: str | None = None) -> Step:
    """Make a step. A missing key or name is the task's name; a missing task is the key.

    A task is a name, a Task class or a decorated function. Raises PytaskError for an empty step.
    """
    words = [_word(given) for given in (key, task, name)]
    if not (words[0] or words[1]):
        raise PytaskError(f'a step needs a task; write {_SHAPES}')
    task_name = words[1] or words[0]
    return Step(words[0] or task_name, task_name, words[2] or task_name)


def as_step(given: Any) -> Step:
    """Read a step in any of its shapes. Raises PytaskError."""
    if isinstance(given, Step):
        return step(*given)
    if isinstance(given, Mapping):
        unknown = given.keys() - {'key', 'task', 'script', 'name'}
        if unknown:
            raise PytaskError(f'unknown in a step: {", ".join(sorted(map(str, unknown)))}; write {_SHAPES}')
        return step(given.get('key'), given.get('task', given.get('script')), given.get('name'))
    if isinstance(given, tuple | list):
        if len(given) > len(Step._fields):
            raise PytaskError(f'a step has 1 to 3 parts, not {len(given)}; write {_SHAPES}')
        return step(*given)
    return step(task=given)


def as_steps(given: Any) -> tuple[Step, ...]:
    """Read a list of steps. Raises PytaskError naming the position of a bad one."""
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise PytaskError(f'steps must be a list, not {type(given).__name__}; write each as {_SHAPES}')
    if not 0 < len(given) <= MAX_STEPS:
        raise PytaskError(f'a routine has 1 to {MAX_STEPS:,} steps, not {len(given):,}')
    steps = []
    for position, one in enumerate(given):
        try:
            steps.append(as_step(one))
        except PytaskError as error:
            raise PytaskError(f'step {position}: {error}') from None
    return tuple(steps)


def step_at(steps: Sequence[Step], position: int) -> Step:
    """Return the step at a position, from 0. Raises PytaskError if there is none."""
    if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position < len(steps):
        raise PytaskError(f'no step {position!r}; steps are 0 to {len(steps) - 1}')
    return steps[position]


def read_steps(text: bytes | str) -> tuple[Step, ...]:
    """Read steps stored in Redis; other clients may have written anything. Raises PytaskError."""
    try:
        return as_steps(msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise PytaskError(f'its steps are not JSON: {error}') from None


def check_name(kind: str, name: Any) -> str:
    """Check a name and return it. Raises PytaskError."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise PytaskError(
            f'the name of a {kind} must be 1 to {LONGEST_NAME} printable characters, not {name!r:.80}'
        )
    return name


class Results(Mapping[Any, Any]):
    """The results of a flow's steps, by key or position: `results['page']`, `results[0]`.

    A key that repeats has the latest. Iterating yields keys.
    """

    def __init__(self, by_position: dict[int, tuple[str, Any]] | None = None) -> None:
        self.by_position = by_position or {}

    @classmethod
    def read(cls, fields: Mapping[str, bytes]) -> Results:
        """Read them from a flow's hash, where each field is `<position>:<key>`."""
        results = cls()
        for field, raw in fields.items():
            position, colon, key = field.partition(':')
            if colon and position.isdecimal():
                results.put(int(position), key, as_json(raw))
        return results

    def put(self, position: int, key: str, value: Any) -> None:
        """Store the result of the step at a position."""
        self.by_position[position] = (key, value)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int) and not isinstance(key, bool):
            return self.by_position[key][1]
        for position in sorted(self.by_position, reverse=True):
            if self.by_position[position][0] == key:
                return self.by_position[position][1]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self.by_position[position][0] for position in sorted(self.by_position)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f'Results({dict(self)!r})'

    def to_json(self) -> list[dict[str, Any]]:
        rows = sorted(self.by_position.items())
        return [{'position': position, 'key': key, 'value': value} for position, (key, value) in rows]


def _word(given: Any) -> str:
    if given is None:
        return ''
    task = as_task_class(given)
    text = given if task is None else task.NAME
    if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_NAME:
        raise PytaskError(f'{given!r:.80} cannot be part of a step; write {_SHAPES}')
    return text
