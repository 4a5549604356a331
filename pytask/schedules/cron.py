"""Cron triggers: crontab text, read by cronsim, and fields, read by APScheduler.

Both libraries see wall times only, as if clocks never changed, so that one rule covers clock changes for both
grammars and every zone:

* Hours written `*` or `*/n` are open: it fires whenever the clock shows a matching time, even the second time.
* All other hours are fixed: it fires once for each matching time, when the clock first shows it. Times that the
  clock skips fire once, at the first time that exists after them.

Rejected: passing them the zone. cronsim then follows Debian, where minutes written `*` also change the rule, and
APScheduler fires a daily schedule twice when clocks go back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from pytask.core.moments import change_in, in_ms, moment_at, moment_of, offset_at, read_moment, wall_of, zone_of
from pytask.errors import ConfigError
from pytask.schedules.triggers import Trigger

FIELDS = ('year', 'month', 'day', 'week', 'day_of_week', 'hour', 'minute', 'second')
NICKNAMES = {
    '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *', '@monthly': '0 0 1 * *', '@weekly': '0 0 * * 0',
    '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@hourly': '0 * * * *',
}  # fmt: skip
# Both find the first match at or after a time; one tick less includes the time itself.
TICK = timedelta(microseconds=1)
# No two clock changes are closer than this, and none is larger than half of it.
SPAN = timedelta(days=2)
# A later year means that a field was misread.
LAST = datetime(2099, 12, 31, tzinfo=UTC)


class Cron(Trigger):
    """Fires by the clock of a zone, from `start_date` to `end_date`, each time up to `jitter` seconds late."""

    has_open_hours: bool

    def __init__(
        self, tz: Any = None, start_date: Any = None, end_date: Any = None, jitter: float | None = None
    ) -> None:
        self.zone = zone_of(tz)
        self.tz = self.zone.key
        self._start = None if start_date is None else read_moment(start_date, self.zone, 'start_date')
        self._end = None if end_date is None else read_moment(end_date, self.zone, 'end_date')
        if jitter is not None and not (_is_number(jitter) and 0 <= jitter < 86_400):
            raise ConfigError(f'jitter must be seconds, less than a day, not {jitter!r}')
        self.jitter_s = jitter or 0

    def wall_after(self, wall: datetime) -> datetime | None:
        """Return the first matching time after one, on a clock that never changes."""
        raise NotImplementedError

    def first_ms(self, now_ms: int) -> int | None:
        return self.next_ms(now_ms, now_ms)

    def next_ms(self, now_ms: int, at_ms: int) -> int | None:
        moment = self.next_after(moment_at(max(now_ms, at_ms)))
        return None if moment is None else in_ms(moment)

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first firing after a moment, both in UTC; None if there is none."""
        if self._start is not None:
            moment = max(moment, self._start - TICK)
        last = min(self._end or LAST, LAST)
        if moment >= last:  # not searched: dates near the last one overflow
            return None
        found = self._shown_after(moment) if self.has_open_hours else self._fixed_after(moment)
        return None if found is None or found > last else found

    def _fixed_after(self, moment: datetime) -> datetime | None:
        wall = wall_of(moment, self.zone)
        while (match := self.wall_after(wall)) is not None:
            found = moment_of(match, self.zone)
            if found > moment:  # otherwise the clock shows it a second time
                return found
            wall = match
        return None

    def _shown_after(self, moment: datetime) -> datetime | None:
        wall = wall_of(moment, self.zone)
        while (match := self.wall_after(wall)) is not None:
            offset = offset_at(moment, self.zone)
            found = match.replace(tzinfo=UTC) - offset
            near = min(found, moment + SPAN)
            if offset_at(near, self.zone) != offset:  # the clock changes first: continue from what it shows then
                moment = change_in(moment, near, self.zone)
                wall = wall_of(moment, self.zone) - TICK
            elif near == found:
                return found
            else:
                moment = found - SPAN
                wall = wall_of(moment, self.zone)
        return None

    def _options(self) -> dict[str, Any]:
        dates = {'start_date': self._start, 'end_date': self._end}
        shown = {name: at.astimezone(self.zone).isoformat() for name, at in dates.items() if at is not None}
        return {'tz': self.tz, **shown, **({'jitter': self.jitter_s} if self.jitter_s else {})}

    def _refuse_never(self) -> None:
        if self.next_after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise ConfigError(f'cron {self} never fires: no date matches')


class Crontab(Cron):
    """Crontab text: minute, hour, day, month, weekday, where 0 is Sunday; a sixth field, in front, is seconds."""

    def __init__(self, text: str, **options: Any) -> None:
        super().__init__(**options)
        from cronsim import CronSim, CronSimError

        self.text = ' '.join(str(text).split())
        self._read = NICKNAMES.get(self.text, self.text)
        try:
            CronSim(self._read, datetime(2000, 1, 1))  # noqa: DTZ001 - a wall time
        except CronSimError as error:
            names = 'minute hour day month weekday'
            why = str(error)[:1].lower() + str(error)[1:]
            raise ConfigError(
                f'{text!r} is not crontab text: {why}; write {names}, such as "*/5 9-17 * * mon-fri"'
            ) from None
        self.has_open_hours = _is_open(self._read.split()[-4])
        self._refuse_never()

    def wall_after(self, wall: datetime) -> datetime | None:
        from cronsim import CronSim

        return next(CronSim(self._read, wall), None)

    def to_json(self) -> dict[str, Any]:
        return {'cron': self.text, **self._options()}

    def __str__(self) -> str:
        return self.text


class Fields(Cron):
    """Fields by name, as APScheduler has them: all must match, and `day_of_week` 0 is Monday."""

    def __init__(self, fields: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        for name in fields:
            if name not in FIELDS:
                near = get_close_matches(name, FIELDS, n=1)
                raise ConfigError(
                    f'cron has no field {name!r}; '
                    + (f'did you mean {near[0]}?' if near else f'it has {", ".join(FIELDS)}')
                )
        self.fields = {name: str(fields[name]) for name in FIELDS if fields.get(name) is not None}
        if not self.fields:
            raise ConfigError("cron needs crontab text, such as '*/5 * * * *', or fields, such as hour='0-3'")
        hour = next(field for field in self._trigger.fields if field.name == 'hour')
        self.has_open_hours = _is_open(str(hour))
        self._refuse_never()

    @cached_property
    def _trigger(self) -> Any:
        try:
            from apscheduler.triggers.cron import CronTrigger
        except ImportError:
            raise ConfigError(
                f"cron({self}) needs APScheduler: pip install 'pytaskd[cron]'; crontab text works without it"
            ) from None
        try:
            return CronTrigger(**self.fields, timezone=UTC, end_date=LAST)
        except ValueError as error:
            raise ConfigError(f'cron({self}): {error}') from None

    def wall_after(self, wall: datetime) -> datetime | None:
        found: datetime | None = self._trigger.get_next_fire_time(None, wall.replace(tzinfo=UTC) + TICK)
        return None if found is None else found.replace(tzinfo=None)

    def to_json(self) -> dict[str, Any]:
        return {'fields': self.fields, **self._options()}

    def __str__(self) -> str:
        return ', '.join(f'{name}={text!r}' for name, text in self.fields.items())


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _is_open(hours: str) -> bool:
    return any(part.startswith('*') for part in hours.split(','))
