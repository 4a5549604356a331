"""Triggers answer "when next?", and nothing else. Crontab text and fields are in `cron`.

Pure: times come in and go out as Unix milliseconds, and the caller takes them from Redis. A trigger is stored as
a JSON object, from which any worker can rebuild it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pytask.core.limits import LONGEST_S
from pytask.core.moments import in_ms, read_moment, zone_of
from pytask.errors import ConfigError

SHORTEST_S = 0.1


class Trigger:
    """When a schedule fires. Each firing may be up to `jitter_s` seconds late."""

    is_once: ClassVar[bool] = False
    jitter_s: float = 0
    tz: str = ''

    def first_ms(self, now_ms: int) -> int | None:
        """Return when a schedule declared now fires first; None for never."""
        raise NotImplementedError

    def next_ms(self, now_ms: int, at_ms: int) -> int | None:
        """Return when it fires next, after the firing due at `at_ms`; missed firings are skipped."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the JSON from which `read_trigger` rebuilds it."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError


class Every(Trigger):
    """Every `seconds`, counted from its declaration."""

    def __init__(self, seconds: float) -> None:
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not is_number or not SHORTEST_S <= seconds <= LONGEST_S:
            raise ConfigError(f'every {seconds!r}: use {SHORTEST_S} to {LONGEST_S:,} seconds')
        self.seconds = seconds
        self._ms = round(seconds * 1000)

    def first_ms(self, now_ms: int) -> int:
        return now_ms + self._ms

    def next_ms(self, now_ms: int, at_ms: int) -> int:
        return at_ms + (max(0, now_ms - at_ms) // self._ms + 1) * self._ms

    def to_json(self) -> dict[str, Any]:
        return {'every': self.seconds}

    def __str__(self) -> str:
        return f'every {self.seconds:g} s'


class Date(Trigger):
    """Once, at a date; without a date, when it is declared."""

    is_once = True

    def __init__(self, run_date: Any = None, tz: Any = None) -> None:
        zone = zone_of(tz)
        self.tz = zone.key
        self._at = None if run_date is None else read_moment(run_date, zone, 'run_date')
        self._text = '' if self._at is None else self._at.astimezone(zone).isoformat()

    def first_ms(self, now_ms: int) -> int | None:
        """Return its date; None if that is past: it never runs."""
        at_ms = now_ms if self._at is None else in_ms(self._at)
        return at_ms if at_ms >= now_ms else None

    def next_ms(self, now_ms: int, at_ms: int) -> None:  # noqa: ARG002 - it fires once
        return None

    def to_json(self) -> dict[str, Any]:
        return {'date': self._text or None, 'tz': self.tz}

    def __str__(self) -> str:
        return self._text or 'once'
