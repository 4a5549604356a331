"""One frozen settings object, and where each value came from.

Precedence: given in code or as a flag > `PYTASK_*` > `pytask.toml`, or `[tool.pytask]` in
`pyproject.toml` > default. A bad value is a ConfigError that names its source.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOUR_S, DAY_S = 3600, 86_400


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. Names ending in `_s` are seconds; the key in files and flags drops the `_s`.

    `lease_s` is one value per prefix: a worker with another one is refused.
    """

    redis: str | None = field(default=None, repr=False)
    prefix: str = ''
    tasks: str = 'tasks'
    queue: tuple[str, ...] = ('default',)
    concurrency: int = 1000
    lease_s: float = 15.0
    drain_s: float = 10.0
    name: str = ''
    # How long ended runs are kept: by age, and by number. What did not succeed is looked at longer.
    keep_success_s: float = HOUR_S
    keep_ended_s: float = DAY_S
    max_success: int = 100_000
    max_ended: int = 1_000_000

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ConfigError(problem)


def load(given: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Settings:
    """Gather the settings for this process; `given` wins, None values in it count as not given."""
    values: dict[str, Any] = {}
    for source, pairs in _files(folder or Path.cwd()):
        for key, value in pairs.items():
            values[key] = _checked(key, value, source)
    for key, value in _environment().items():
        values[key] = _checked(key, value, f'PYTASK_{key.upper()}')
    for key, value in (given or {}).items():
        if value is not None and value != ():
            values[key] = _checked(key, value, f'--{key}')
    return Settings(**{_FIELDS[key]: value for key, value in values.items()})


def redacted(url: str) -> str:
    """Hide the password of a Redis URL: for logs, messages and process lists."""
    return re.sub(r'(//[^:/@]*):[^@]*@', r'\1:***@', url)


_FIELDS = {f.name.removesuffix('_s'): f.name for f in dataclasses.fields(Settings)}
_TYPES = {key: get_type_hints(Settings)[name] for key, name in _FIELDS.items()}


def _files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    own, shared = folder / 'pytask.toml', folder / 'pyproject.toml'
    if own.is_file():
        yield 'pytask.toml', _read(own)
    elif shared.is_file():
        table = _read(shared).get('tool', {}).get('pytask', {})
        # The data-analysis project of the same name keeps its settings in this key.
        yield 'pyproject.toml', {key: value for key, value in table.items() if key != 'ini_options'}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path.name} is not TOML: {error}') from error


def _environment() -> dict[str, Any]:
    found = {key: os.environ.get(f'PYTASK_{key.upper()}') for key in _FIELDS}
    texts = {key: value for key, value in found.items() if value}
    return {key: value.split(',') if key == 'queue' else value for key, value in texts.items()}


def _checked(key: str, value: Any, source: str) -> Any:
    if key not in _FIELDS:
        near = get_close_matches(key, _FIELDS, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else f'; there are {", ".join(sorted(_FIELDS))}'
        raise ConfigError(f'{source}: no setting {key!r}{hint}')
    try:
        return msgspec.convert(
            [value] if key == 'queue' and isinstance(value, str) else value, _TYPES[key], strict=False
        )
    except msgspec.ValidationError as error:
        raise ConfigError(f'{source}: {key} = {value!r}: {str(error).replace("`", "")}') from error


def _problems(settings: Settings) -> Iterator[str]:
    if set(settings.prefix) & set('*?[]\\') or not settings.prefix.isprintable():
        yield f'prefix {settings.prefix!r} must be printable and without * ? [ ] \\'
    if not 1 <= settings.concurrency <= 100_000:
        yield f'concurrency is {settings.concurrency}; it must be 1 to 100000'
    if not 0.2 <= settings.lease_s <= DAY_S:
        yield f'lease is {settings.lease_s:g} s; it must be 0.2 s to a day'
    if settings.drain_s < 0:
        yield f'drain is {settings.drain_s:g} s; it can not be negative'
    yield from _bad_names(settings)


def _bad_names(settings: Settings) -> Iterator[str]:
    if not 1 <= len(set(settings.queue)) <= 16:
        yield f'{len(set(settings.queue))} queues; a worker serves 1 to 16'
    # A worker's name stands in every token, and tokens are short so that hashes stay compact in Redis.
    for name, longest in (*((queue, 64) for queue in settings.queue), (settings.name or 'x', 32)):
        if not re.fullmatch(r'[\w.:/@-]+', name, re.ASCII) or len(name) > longest:
            yield f'{name!r} can not name a queue or a worker: 1 to {longest} letters, digits or . : / @ _ -'
