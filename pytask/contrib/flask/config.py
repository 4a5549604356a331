"""pytask's settings in Flask's config: `PYTASK_*`, and `TASKER_*` as in Flask-TaskX. Pure.

`PYTASK_<SETTING>` is the setting of that name in `pytask.toml`. The options of Flask-TaskX are accepted with both
prefixes; `PYTASK_` wins. All are checked, but those of its SQL queue have no effect, as the queue is Redis.
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pytask.config.settings import redacted, shown_address
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OWN, ALIAS = 'PYTASK_', 'TASKER_'
ENGINES = ('sqlalchemy',)
DRIVERS = ('sqlite', 'postgres', 'mysql')


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for `PyTask(…)`. Raises ConfigError for an unknown option or a bad value."""
    options = {key: value for key, value in config.items() if key.startswith((OWN, ALIAS))}
    for key, value in options.items():
        name = key.removeprefix(OWN).removeprefix(ALIAS)
        if name in _OPTIONS:
            is_fit, wanted = _OPTIONS[name]
            if not is_fit(value):
                shown = shown_address(value) if name == 'DATABASE_URI' else redacted(repr(value))
                raise ConfigError(f"{key} = {shown} in Flask's config: must be {wanted}")
        elif key.startswith(ALIAS):
            raise ConfigError(_no_option(key))
    return {
        key.removeprefix(OWN).lower(): value
        for key, value in options.items()
        if key.startswith(OWN) and key.removeprefix(OWN) not in _OPTIONS
    }


def source(key: str) -> str:
    """Name the place of a setting, for messages."""
    return f"{OWN}{key.upper()} in Flask's config"


def is_verbose(config: Mapping[str, Any], *, is_debug: bool) -> bool:
    """Tell whether successes are logged: `PYTASK_DEBUG`, else `TASKER_DEBUG`, else Flask's debug mode."""
    return bool(config.get(f'{OWN}DEBUG', config.get(f'{ALIAS}DEBUG', is_debug)))


def _no_option(key: str) -> str:
    near = get_close_matches(key.removeprefix(ALIAS), _OPTIONS, n=1)
    names = ', '.join(ALIAS + name for name in _OPTIONS)
    hint = f'did you mean {ALIAS}{near[0]}?' if near else f'valid options: {names}'
    return f"unknown option {key} in Flask's config; {hint}"


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and '://' in value


_INTERVAL = (_is_seconds, 'a number of seconds greater than 0')
_OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'ENGINE': (lambda value: value in ENGINES, ', '.join(ENGINES)),
    'DRIVER': (lambda value: value in DRIVERS, f'one of {", ".join(DRIVERS)}'),
    'LOOP_INTERVAL': _INTERVAL,
    'INTERVAL_TIME': _INTERVAL,
    'DEBUG': (lambda value: isinstance(value, bool), 'True or False'),
    'DATABASE_URI': (_is_address, 'a URL such as sqlite:///tasks.db'),
}
