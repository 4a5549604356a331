"""One rule where clocks are changed: fixed hours fire once, open hours run through, what is skipped comes later."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from pytask.core.moments import change_in, moment_of
from pytask.schedules.cron import Crontab, Fields
from pytask.schedules.triggers import Date

BERLIN, NEW_YORK, KOLKATA = 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'
ADELAIDE, SYDNEY, LORD_HOWE = 'Australia/Adelaide', 'Australia/Sydney', 'Australia/Lord_Howe'
SANTIAGO, HAVANA, ST_JOHNS, CHATHAM, APIA = (
    'America/Santiago', 'America/Havana', 'America/St_Johns', 'Pacific/Chatham', 'Pacific/Apia',
)  # fmt: skip


def crontab(text):
    return lambda tz: Crontab(text, tz=tz)


def fields(**words):
    return lambda tz: Fields(words, tz=tz)


def firings(trigger, since, count=0, until=None):
    """Return firings after a moment, in the trigger's zone: so many, or those up to a moment."""
    found, moment = [], since
    while (moment := trigger.next_after(moment)) is not None and (until is None or moment <= until):
        found.append(moment)
        if len(found) == count:
            break
    return found


def shown(moments, tz):
    return [moment.astimezone(ZoneInfo(tz)).strftime('%d %H:%M %z') for moment in moments]


# zone, local midnight before, trigger, the first firings after it
TABLE = [
    # Spring, Berlin, 29 March 2026: 02:00 +0100 is 03:00 +0200.
    (BERLIN, '2026-03-28', crontab('30 1 * * *'), ['28 01:30 +0100', '29 01:30 +0100', '30 01:30 +0200']),
    (BERLIN, '2026-03-28', crontab('30 2 * * *'), ['28 02:30 +0100', '29 03:00 +0200', '30 02:30 +0200']),
    (BERLIN, '2026-03-28', fields(hour=2, minute=30), ['28 02:30 +0100', '29 03:00 +0200', '30 02:30 +0200']),
    (BERLIN, '2026-03-29', crontab('0,30 2 * * *'), ['29 03:00 +0200', '30 02:00 +0200', '30 02:30 +0200']),
    (BERLIN, '2026-03-29', crontab('0 2,3 * * *'), ['29 03:00 +0200', '30 02:00 +0200']),
    (BERLIN, '2026-03-29', crontab('*/20 2 * * *'), ['29 03:00 +0200', '30 02:00 +0200']),
    (BERLIN, '2026-03-29', crontab('30 * * * *'), ['29 00:30 +0100', '29 01:30 +0100', '29 03:30 +0200']),
    (BERLIN, '2026-03-29', crontab('0 */2 * * *'), ['29 04:00 +0200', '29 06:00 +0200']),
    (BERLIN, '2026-03-29', fields(hour='*', minute=30), ['29 00:30 +0100', '29 01:30 +0100', '29 03:30 +0200']),
    (BERLIN, '2026-03-29', fields(hour='0-3', minute=0), ['29 01:00 +0100', '29 03:00 +0200', '30 00:00 +0200']),
    (BERLIN, '2026-03-01', fields(day='last sun', hour=2), ['29 03:00 +0200', '26 02:00 +0200']),
    # Autumn, Berlin, 25 October 2026: 03:00 +0200 is 02:00 +0100.
    (BERLIN, '2026-10-24', crontab('30 2 * * *'), ['24 02:30 +0200', '25 02:30 +0200', '26 02:30 +0100']),
    (BERLIN, '2026-10-24', fields(hour=2, minute=30), ['24 02:30 +0200', '25 02:30 +0200', '26 02:30 +0100']),
    (BERLIN, '2026-10-25', crontab('*/30 2 * * *'), ['25 02:00 +0200', '25 02:30 +0200', '26 02:00 +0100']),
    (BERLIN, '2026-10-25', crontab('0 3 * * *'), ['25 03:00 +0100', '26 03:00 +0100']),
    (BERLIN, '2026-10-25', crontab('30 * * * *'),
     ['25 00:30 +0200', '25 01:30 +0200', '25 02:30 +0200', '25 02:30 +0100', '25 03:30 +0100']),
    (BERLIN, '2026-10-25', fields(minute=30),
     ['25 00:30 +0200', '25 01:30 +0200', '25 02:30 +0200', '25 02:30 +0100', '25 03:30 +0100']),
    (BERLIN, '2026-10-25', crontab('0 */2 * * *'), ['25 02:00 +0200', '25 02:00 +0100', '25 04:00 +0100']),
    # New York, 8 March and 1 November 2026.
    (NEW_YORK, '2026-03-08', crontab('30 2 * * *'), ['08 03:00 -0400', '09 02:30 -0400']),
    (NEW_YORK, '2026-11-01', crontab('30 1 * * *'), ['01 01:30 -0400', '02 01:30 -0500']),
    (NEW_YORK, '2026-11-01', crontab('30 * * * *'), ['01 00:30 -0400', '01 01:30 -0400', '01 01:30 -0500']),
    # Newfoundland is three and a half hours behind.
    (ST_JOHNS, '2026-03-08', crontab('15 2 * * *'), ['08 03:00 -0230', '09 02:15 -0230']),
    (ST_JOHNS, '2026-11-01', crontab('15 1 * * *'), ['01 01:15 -0230', '02 01:15 -0330']),
    # The southern hemisphere: back in April, forward in September and October.
    (SYDNEY, '2026-04-05', crontab('30 2 * * *'), ['05 02:30 +1100', '06 02:30 +1000']),
    (SYDNEY, '2026-10-04', crontab('30 2 * * *'), ['04 03:00 +1100', '05 02:30 +1100']),
    (ADELAIDE, '2026-04-05', crontab('30 * * * *'),
     ['05 00:30 +1030', '05 01:30 +1030', '05 02:30 +1030', '05 02:30 +0930', '05 03:30 +0930']),
    (ADELAIDE, '2026-10-04', fields(hour=2, minute=15), ['04 03:00 +1030', '05 02:15 +1030']),
    # Chile changes at midnight: that of 6 September 2026 does not exist.
    (SANTIAGO, '2026-09-05', crontab('0 0 * * *'), ['06 01:00 -0300', '07 00:00 -0300']),
    (SANTIAGO, '2026-04-04', crontab('30 23 * * *'), ['04 23:30 -0300', '05 23:30 -0400']),
    # Cuba did too, until 2026; its clock showed 00:30 twice.
    (HAVANA, '2025-11-01', crontab('30 * 1,2 * *'), ['01 00:30 -0400']),
    (HAVANA, '2025-11-02', crontab('30 * 2 11 *'), ['02 00:30 -0400', '02 00:30 -0500', '02 01:30 -0500']),
    # Lord Howe Island changes by half an hour.
    (LORD_HOWE, '2026-10-04', crontab('15 2 * * *'), ['04 02:30 +1100', '05 02:15 +1100']),
    (LORD_HOWE, '2026-10-04', crontab('45 2 * * *'), ['04 02:45 +1100', '05 02:45 +1100']),
    (LORD_HOWE, '2026-10-04', crontab('15 * * * *'), ['04 00:15 +1030', '04 01:15 +1030', '04 03:15 +1100']),
    (LORD_HOWE, '2026-04-05', crontab('45 1 * * *'), ['05 01:45 +1100', '06 01:45 +1030']),
    (LORD_HOWE, '2026-04-05', crontab('45 * * * *'),
     ['05 00:45 +1100', '05 01:45 +1100', '05 01:45 +1030', '05 02:45 +1030']),
    # The Chatham Islands are 12:45 ahead, and change at 02:45.
    (CHATHAM, '2026-09-27', crontab('0 3 * * *'), ['27 03:45 +1345', '28 03:00 +1345']),
    # India changes nothing.
    (KOLKATA, '2026-03-29', crontab('30 2 * * *'), ['29 02:30 +0530', '30 02:30 +0530']),
    # Samoa had no 30 December 2011.
    (APIA, '2011-12-29', crontab('0 12 * * *'), ['29 12:00 -1000', '31 00:00 +1400', '31 12:00 +1400']),
    (APIA, '2011-12-29', crontab('0 */12 * * *'), ['29 12:00 -1000', '31 00:00 +1400', '31 12:00 +1400']),
]  # fmt: skip


@pytest.mark.parametrize(
    ('tz', 'midnight', 'trigger', 'expected'), TABLE, ids=[f'{row[0]} {row[1]} {row[2](row[0])}' for row in TABLE]
)
def test_where_clocks_are_changed(tz, midnight, trigger, expected):
    since = moment_of(datetime.fromisoformat(midnight), ZoneInfo(tz))
    assert shown(firings(trigger(tz), since, len(expected)), tz) == expected


@pytest.mark.parametrize(('run_date', 'tz', 'expected'), [
    ('2026-03-29T02:30', BERLIN, '29 03:00 +0200'),
    ('2026-10-25T02:30', BERLIN, '25 02:30 +0200'),
    ('2026-09-06', SANTIAGO, '06 01:00 -0300'),
    ('2026-10-04T02:15', LORD_HOWE, '04 02:30 +1100'),
])  # fmt: skip
def test_a_date_keeps_the_same_rule(run_date, tz, expected):
    at_ms = Date(run_date, tz).first_ms(0)
    assert shown([datetime.fromtimestamp(at_ms / 1000, UTC)], tz) == [expected]


def test_a_change_is_found_to_the_second():
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    for before, after in ((1, 1), (3600, 7200), (0.5, 86_400)):
        since, until = change - timedelta(seconds=before), change + timedelta(seconds=after)
        assert change_in(since, until, ZoneInfo(BERLIN)) == change


# What the rule says, word by word and slowly: every minute of some days is looked at.

CHANGES = [
    (BERLIN, 2026, 3, 28), (BERLIN, 2026, 10, 24), (NEW_YORK, 2026, 3, 7), (NEW_YORK, 2026, 10, 31),
    (LORD_HOWE, 2026, 4, 4), (LORD_HOWE, 2026, 10, 3), (ADELAIDE, 2026, 4, 4), (SANTIAGO, 2026, 9, 5),
    (SANTIAGO, 2026, 4, 4), (HAVANA, 2026, 3, 7), (HAVANA, 2026, 10, 31), (CHATHAM, 2026, 9, 26),
    (CHATHAM, 2026, 4, 4), (KOLKATA, 2026, 3, 28), (APIA, 2011, 12, 29),
]  # fmt: skip
MINUTE = timedelta(minutes=1)


def expected_of(text, tz, since, until):
    """Return the firings in (since, until] by looking at every minute."""
    zone = ZoneInfo(tz)
    minutes = [since + MINUTE * n for n in range(int((until - since) / MINUTE) + 1)]
    walls = [minute.astimezone(zone).replace(tzinfo=None) for minute in minutes]
    if text.split()[1].startswith('*'):
        return [at for at, wall in zip(minutes[1:], walls[1:], strict=True) if matches(text, wall)]
    found, wall = set(), walls[0] + MINUTE
    while wall <= walls[-1]:
        if matches(text, wall):  # the first minute that shows it, or else a later time
            found.add(next(at for at, here in zip(minutes, walls, strict=True) if here >= wall))
        wall += MINUTE
    return sorted(found - {since})


def matches(text, wall):
    return next(CronSim(text, wall - MINUTE)) == wall


def random_text(rng):
    minute = rng.choice(
        ['*', '*/7', '*/30', str(rng.randrange(60)), f'{rng.randrange(30)},{rng.randrange(30, 60)}']
    )
    first = rng.randrange(4)
    hour = rng.choice(['*', '*/2', '*/3', str(first), f'{first}-{rng.randrange(first, 6)}', '0,2,23'])
    return f'{minute} {hour} * * {rng.choice(["*", "*", "sat,sun"])}'


@pytest.mark.parametrize(('tz', 'year', 'month', 'day'), CHANGES)
def test_random_schedules_fire_as_the_rule_says(tz, year, month, day):
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    since = moment_of(datetime(year, month, day), ZoneInfo(tz))
    until = since + timedelta(days=2)
    for _ in range(2):
        text = random_text(rng)
        found = firings(Crontab(text, tz=tz), since, until=until)
        assert found == expected_of(text, tz, since, until), f'{text} (seed {seed})'
