"""Where settings come from: flags, code, the environment and files, each value with the name of its source."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytask.errors import ConfigError

# Key, value, source.
Pairs = Iterable[tuple[str, Any, str]]


def given(pairs: Mapping[str, Any], source: Callable[[str], str]) -> Pairs:
    """Return the pairs that have a value, each with its source."""
    return [(key, value, source(key)) for key, value in pairs.items() if value is not None and value != ()]


def as_flag(key: str) -> str:
    """Return the flag of a setting."""
    return '-A' if key == 'app' else f'--{key.replace("_", "-")}'


def in_code(key: str) -> str:
    return f'PyTask({key}=...)'


def here() -> Path:
    """Return the current directory. Raises ConfigError if it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError('the current directory no longer exists; cd to one that does') from None


def files(folder: Path) -> Iterator[tuple[str, Any, str]]:
    """Read `pytask.toml`, or else `[tool.pytask]` in `pyproject.toml`. Raises ConfigError if it cannot be read."""
    own, shared = folder / 'pytask.toml', folder / 'pyproject.toml'
    if (table := _read(own)) is not None:
        yield from ((key, value, own.name) for key, value in table.items())
    elif (table := _read(shared)) is not None:
        table = _table(table, 'tool', 'pytask')
        # The data-analysis project of the same name keeps its settings in this key.
        yield from ((key, value, shared.name) for key, value in table.items() if key != 'ini_options')


def _table(inside: Any, *names: str) -> dict[str, Any]:
    for depth, name in enumerate(names):
        inside = inside.get(name, {})
        if not isinstance(inside, dict):
            raise ConfigError(f'pyproject.toml: {".".join(names[: depth + 1])} must be a table')
    return dict(inside)


def _read(path: Path) -> dict[str, Any] | None:
    """Return what a TOML file says; None if the file does not exist."""
    try:
        data = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise ConfigError(
            f'{path.name} cannot be read: {error.strerror}; check its permissions with `ls -l {path}`'
        ) from error
    import tomllib

    try:
        return None if data is None else tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b'\n') + 1
        raise ConfigError(f'{path.name} is not TOML: line {line} is not UTF-8') from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f'{path.name} is not TOML: {error}') from error


def environment(keys: Iterable[str], lists: Container[str]) -> Pairs:
    """Read `PYTASK_*`. Raises ConfigError for a misspelled variable."""
    variables = {f'PYTASK_{key.upper()}': key for key in keys}
    for name in os.environ:
        if name.startswith('PYTASK_') and name not in variables:
            _check_variable(name, variables)
    texts = [(key, os.environ.get(name), name) for name, key in variables.items()]
    return [(key, text.split(',') if key in lists else text, name) for key, text, name in texts if text]


# Read by pytask, but not settings.
_NO_SETTINGS = frozenset({'PYTASK_REDIS_SERVER', 'PYTASK_COMMAND', 'PYTASK_EXECUTED', 'PYTASK_RESTARTED'})
# Kubernetes sets such variables for each service: also for one named `pytask`.
_OF_KUBERNETES = re.compile(r'_SERVICE_(HOST|PORT)|_PORT(_|$)')
_MEANT = {'PYTASK_REDIS_URL': 'PYTASK_REDIS', 'PYTASK_URL': 'PYTASK_REDIS'}


def _check_variable(name: str, known: Iterable[str]) -> None:
    # Other variables may belong to other programs.
    if name in _NO_SETTINGS or _OF_KUBERNETES.search(name):
        return
    near = _MEANT.get(name) or next(iter(get_close_matches(name, list(known), n=1, cutoff=0.85)), '')
    if near:
        raise ConfigError(f'{name}: no such setting; did you mean {near}?')
