"""One frozen settings object, and where each value came from.

Precedence: a flag > `PYTASK_*` > `pytask.toml`, or `[tool.pytask]` in `pyproject.toml` > default. What is
given in code, `PyTask(…)`, comes first in the author's own processes, which have no flags. On the command
line it comes after `PYTASK_*`: a deployment overrides what the author wrote. A bad value is a ConfigError
that names its source.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from pytask.config.sources import Pairs, as_flag, environment, files, given, here, in_code
from pytask.core.limits import LONGEST_S
from pytask.core.names import bad_name
from pytask.errors import ConfigError
from pytask.net.addresses import split_address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOUR_S, DAY_S = 3600, 86_400


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. Names ending in `_s` are seconds; the key in files and flags drops the `_s`.

    `lease_s` is the same for all workers of a prefix: a worker with another value is refused.
    """

    redis: str | None = field(default=None, repr=False)
    prefix: str = ''
    # Which PyTask the command line uses, as `module:attribute`; '' for one of its own.
    app: str = ''
    # A folder of tasks; '' for none.
    tasks: str = 'tasks'
    queue: tuple[str, ...] = ('default',)
    concurrency: int = 1000
    lease_s: float = 15.0
    drain_s: float = 10.0
    name: str = ''
    # A worker whose event loop has been blocked for this long exits; 0 for never.
    max_hang_s: float = 600.0
    # A worker that needs a new process exits with 75 instead of restarting itself.
    no_restart: bool = False
    # A worker that uses this many MiB claims no more runs; 0 for what its cgroup and limits allow.
    max_memory: int = 0
    # The address of /live, /ready and /metrics; '' for none.
    health: str = ''
    # The address of the page and the API; '' for none.
    web: str = ''
    # The token that gives access to the web; '' for one that is generated at the start and printed.
    web_token: str = field(default='', repr=False)
    # Host names, besides those of this machine, under which the web is reached: example.org, or * for any.
    web_hosts: tuple[str, ...] = ()
    # The web shows runs, but cannot change anything.
    web_read_only: bool = False
    # Tasks that the web may start, besides those marked EXPOSE.
    expose: tuple[str, ...] = ()
    # How long runs that ended as SUCCESS are kept.
    keep_success_s: float = HOUR_S
    # How long other ended runs are kept; people look at those for longer.
    keep_ended_s: float = DAY_S
    # How many runs that ended as SUCCESS are kept; the oldest go first.
    max_success: int = 100_000
    # How many other ended runs are kept.
    max_ended: int = 1_000_000

    def __post_init__(self) -> None:
        for key, name in _FIELDS.items():
            problem = _problem(key, getattr(self, name))
            if problem:
                raise ConfigError(f'{key} = {_shown(key, getattr(self, name))}: {problem}')


# Separated by commas in the environment; a single text counts as a list.
LISTS = frozenset({'queue', 'web_hosts', 'expose'})
_WANTED = {float: 'a number', int: 'a whole number', bool: 'true or false'}

# What was chosen, and where: key → (value, source).
Chosen = dict[str, tuple[Any, str]]


def load(flags: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Settings:
    """Gather the settings of a command; None values in `flags` count as not given."""
    return settled(chosen(flags, folder=folder))


def chosen(
    flags: Mapping[str, Any] | None = None,
    *,
    code: Mapping[str, Any] | None = None,
    named: Callable[[str], str] = in_code,
    folder: Path | None = None,
) -> Chosen:
    """Gather what is set for a command, with the source of each value. Raises ConfigError.

    `named` returns the source of a value in `code`.
    """
    return _gathered(
        files(folder or here()),
        given(code or {}, named),
        environment(_FIELDS, LISTS),
        given(flags or {}, as_flag),
    )


def chosen_in_code(code: Mapping[str, Any], named: Callable[[str], str] = in_code) -> Chosen:
    """Gather what is set for `PyTask(…)`, with the source of each value. Raises ConfigError."""
    return _gathered(files(here()), environment(_FIELDS, LISTS), given(code, named))


def settled(what: Chosen) -> Settings:
    """Make the settings of what was chosen; the rest are defaults."""
    return Settings(**{_FIELDS[key]: value for key, (value, _) in what.items()})


def redacted(url: str) -> str:
    """Hide the password of a Redis URL: for logs, messages and process lists."""
    hidden = re.sub(r'(//[^:/@]*):.*@', r'\1:***@', url)
    return re.sub(r'([?&]password=)[^&#]*', r'\1***', hidden)


def shown_address(value: Any) -> str:
    """Show an invalid address in messages: in full only if it cannot contain a password."""
    is_plain = value is None or isinstance(value, int | float)
    if is_plain or (isinstance(value, str) and not set('@:=') & set(value)):
        return repr(value)
    return f'*** ({type(value).__name__})'


_RANGES: dict[str, tuple[float, float, str]] = {
    'concurrency': (1, 100_000, ''),
    'lease': (0.2, DAY_S, ' seconds'),
    'drain': (0, LONGEST_S, ' seconds'),
    'max_hang': (0, LONGEST_S, ' seconds'),
    'max_memory': (0, 1_000_000_000, ' MiB'),
    'keep_success': (0, LONGEST_S, ' seconds'),
    'keep_ended': (0, LONGEST_S, ' seconds'),
    'max_success': (0, 1_000_000_000, ''),
    'max_ended': (0, 1_000_000_000, ''),
}
_FIELDS = {f.name.removesuffix('_s'): f.name for f in dataclasses.fields(Settings)}
_TYPES = {key: get_type_hints(Settings)[name] for key, name in _FIELDS.items()}


def _gathered(*layers: Pairs) -> Chosen:
    return {key: (_checked(key, value, source), source) for pairs in layers for key, value, source in pairs}


def _checked(key: str, value: Any, source: str) -> Any:
    if key not in _FIELDS:
        near = get_close_matches(key.replace('-', '_').lower(), _FIELDS, n=1)
        hint = f'; did you mean {near[0]!r}?' if near else f'; the settings are {", ".join(sorted(_FIELDS))}'
        raise ConfigError(f'{source}: no setting {key!r}{hint}')
    listed = [value] if key in LISTS and isinstance(value, str) else value
    if key in ('health', 'web') and type(value) is int:
        listed = str(value)
    shown = _shown(key, value)
    try:
        converted = msgspec.convert(listed, _TYPES[key], strict=False)
    except msgspec.ValidationError as error:
        wanted = _WANTED.get(_TYPES[key], 'text') if key not in LISTS else 'a list of texts'
        raise ConfigError(f'{source}: {key} = {shown}: must be {wanted}') from error
    problem = _problem(key, converted)
    if problem:
        raise ConfigError(f'{source}: {key} = {shown}: {problem}')
    return converted


def _shown(key: str, value: Any) -> str:
    if key == 'web_token':
        return '***'
    return shown_address(value) if key == 'redis' else redacted(repr(value))


def _problem(key: str, value: Any) -> str:
    """Say what is wrong with a value of the right type; '' if nothing is."""
    if key in _RANGES:
        lowest, highest, unit = _RANGES[key]
        return '' if lowest <= value <= highest else f'must be {lowest:g} to {highest:g}{unit}'
    if key == 'prefix' and (set(value) & set('*?[]\\') or not value.isprintable()):
        return 'must be printable and without * ? [ ] \\'
    if key == 'queue':
        if not 1 <= len(set(value)) <= 16:
            return 'must be 1 to 16 queues'
        return next((bad for name in value if (bad := bad_name(name, 64))), '')
    if key in _CHECKS:
        return _CHECKS[key](value) if value else ''
    return ''


def _bad_address(text: str) -> str:
    try:
        split_address(text)
    except ValueError as error:
        return str(error)
    return ''


def _bad_app(text: str) -> str:
    if re.fullmatch(r'[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?', text) and '.py:' not in text + ':':
        return ''
    module, _, attribute = text.partition(':')
    as_module = module.removeprefix('./').removesuffix('.py').replace('/', '.')
    near = f'; did you mean {as_module}:{attribute or "app"}?' if as_module != module else ', as web:app'
    return f'must be module:attribute{near}'


def bad_token(text: str) -> str:
    """Say what is wrong with a token for the web; '' if nothing is."""
    is_good = len(text) >= 16 and text.isascii() and text.isprintable() and ' ' not in text
    return '' if is_good else 'must be at least 16 printable ASCII characters, without spaces'


_CHECKS: dict[str, Callable[[Any], str]] = {
    'app': _bad_app,
    'health': _bad_address,
    'web': _bad_address,
    'web_token': bad_token,
    # A worker's name is part of every token, and tokens are short so that hashes stay compact in Redis.
    'name': lambda name: bad_name(name, 32),
}
