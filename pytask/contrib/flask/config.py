"""What Flask's config says of pytask: `PYTASK_*`, and `TASKER_*` for who comes from Flask-TaskX. Pure.

`PYTASK_<SETTING>` is a setting by its name in `pytask.toml`. Beside these there are the options of Flask-TaskX,
under both prefixes, of which `PYTASK_` wins. All are checked; those of its SQL queue change nothing: the queue is
Redis.
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
    """Return the settings for `PyTask(…)`. Raises ConfigError for an option that is none, or can not be so."""
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
    """Say where a setting stands, for messages."""
    return f"{OWN}{key.upper()} in Flask's config"


def is_verbose(config: Mapping[str, Any], *, is_debug: bool) -> bool:
    """Tell whether successes are logged: as `PYTASK_DEBUG` says, else `TASKER_DEBUG`, else Flask's debug mode."""
    return bool(config.get(f'{OWN}DEBUG', config.get(f'{ALIAS}DEBUG', is_debug)))


def _no_option(key: str) -> str:
    near = get_close_matches(key.removeprefix(ALIAS), _OPTIONS, n=1)
    names = _listed([ALIAS + name for name in _OPTIONS])
    return f"no option {key} in Flask's config; " + (
        f'did you mean {ALIAS}{near[0]}?' if near else f'there are {names}'
    )


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ', '.join(names)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and '://' in value


_INTERVAL = (_is_seconds, 'a number of seconds above 0')
_OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    'ENGINE': (lambda value: value in ENGINES, _listed(ENGINES)),
    'DRIVER': (lambda value: value in DRIVERS, f'one of {_listed(DRIVERS)}'),
    'LOOP_INTERVAL': _INTERVAL,
    'INTERVAL_TIME': _INTERVAL,
    'DEBUG': (lambda value: isinstance(value, bool), 'True or False'),
    'DATABASE_URI': (_is_address, 'an address, as sqlite:///tasks.db'),
}
