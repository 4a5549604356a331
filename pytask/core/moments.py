"""Time zones: which moment a wall-clock time means, and when clocks change.

A wall time is a datetime without a zone, a moment one in UTC. Zones have names, since a name is what can be stored
and what follows clock changes. The rules of the zones are the system's, else those of the package `tzdata`.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from pytask.errors import ConfigError

FIRST_YEAR = 2  # times near it are still datetimes in every zone
LATEST_S = 253_402_300_800  # the year 10000: a larger number is probably in milliseconds
_LOCALTIME, _FOLDER = '/etc/localtime', 'zoneinfo/'


def zone_of(given: Any) -> ZoneInfo:
    """Return the zone of this name, or of a tzinfo that has one; None is the local zone. Raises ConfigError."""
    name = given or local_zone()
    if isinstance(given, tzinfo):
        name = 'UTC' if given is UTC else getattr(given, 'key', None) or getattr(given, 'zone', None)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, TypeError, LookupError):
        raise ConfigError(
            f'no time zone {given if name is None else name!r}; write a name such as Europe/Berlin or UTC'
            ' (if the system has no time zones: pip install tzdata)'
        ) from None


def local_zone() -> str:
    """Return the name of this machine's zone: TZ, else the target of /etc/localtime, else UTC."""
    named = os.environ.get('TZ', '').removeprefix(':')
    if named and not named.startswith('/'):
        return named
    return os.path.realpath(named or _LOCALTIME).partition(_FOLDER)[2] or 'UTC'


def wall_of(moment: datetime, zone: tzinfo) -> datetime:
    """Return the wall-clock time at a moment."""
    return moment.astimezone(zone).replace(tzinfo=None)


def offset_at(moment: datetime, zone: tzinfo) -> timedelta:
    """Return how far the clock is ahead of UTC."""
    return moment.astimezone(zone).utcoffset() or timedelta()


def moment_of(wall: datetime, zone: tzinfo) -> datetime:
    """Return when a clock first shows a time; for a time it skips, the moment when it is put forward."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_of(moment, zone) == wall:
        return moment
    return change_in(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment, zone)


def change_in(since: datetime, until: datetime, zone: tzinfo) -> datetime:
    """Return the moment, to the second, when the offset changes; the ends of the span must differ."""
    before = offset_at(since, zone)
    low, high = int(since.timestamp()), -int(-until.timestamp() // 1)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(datetime.fromtimestamp(middle, UTC), zone) == before:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def read_moment(given: Any, zone: tzinfo | None, what: str) -> datetime:
    """Read a moment: a date (its midnight), a datetime, or ISO 8601 text of one. Raises ConfigError.

    A time without a zone is read in `zone`, or in this machine's zone.
    """
    try:
        read = datetime.fromisoformat(given.strip()) if isinstance(given, str) else given
    except ValueError:
        read = None
    if isinstance(read, date) and not isinstance(read, datetime):
        read = datetime(read.year, read.month, read.day)  # noqa: DTZ001 - a wall time
    if not isinstance(read, datetime):
        raise ConfigError(f'{what} {given!r} is not a date; write ISO 8601, such as 2026-11-30T08:00 or 2026-11-30')
    moment = _moment(read, zone)
    if moment is None or moment.year < FIRST_YEAR:
        raise ConfigError(f'{what} {given!r} is out of range; use years {FIRST_YEAR} to 9999 in UTC')
    return moment


def _moment(read: datetime, zone: tzinfo | None) -> datetime | None:
    """Return the moment of a datetime; None if it is out of range, in UTC or in its zone."""
    try:
        moment = moment_of(read, zone) if zone is not None and read.tzinfo is None else read.astimezone(UTC)
        wall_of(moment, zone or UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment


def moment_ms(given: Any, what: str) -> int:
    """Read Unix seconds or what `read_moment` reads, as Unix milliseconds, 0 before 1970. Raises ConfigError."""
    if not isinstance(given, int | float) or isinstance(given, bool):
        return max(0, in_ms(read_moment(given, None, what)))
    if not 0 <= given < LATEST_S:
        raise ConfigError(f'{what} {given!r} is not a time in Unix seconds; 2026 begins at 1767225600')
    return round(given * 1000)


def in_ms(moment: datetime) -> int:
    """Return a moment as Unix milliseconds."""
    return round(moment.timestamp() * 1000)


def moment_at(milliseconds: float) -> datetime:
    """Return the moment of Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
