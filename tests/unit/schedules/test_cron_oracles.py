"""Away from clock changes the triggers say what the libraries say: APScheduler for fields and dates, cronsim."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from cronsim import CronSim

from pytask.core.moments import in_ms, offset_at
from pytask.schedules.cron import LAST, Crontab, Fields
from pytask.schedules.triggers import Date

ZONES = ('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/Santiago')
EXPRESSIONS = 200
WEEKDAYS = ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')
MONTHS = ('jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec')


def ranged(rng, low, high):
    first = rng.randint(low, high)
    last = rng.randint(first, high)
    forms = [str(first), f'{first}-{last}', f'*/{rng.randint(1, (high - low) // 2)}', '*']
    if last - first > 2:
        forms.append(f'{first}-{last}/2')
    return rng.choice(forms)


def listed(rng, low, high):
    return ','.join(ranged(rng, low, high) for _ in range(rng.choice([1, 1, 1, 2])))


def day(rng):
    position = f'{rng.choice(["1st", "2nd", "3rd", "4th", "last"])} {rng.choice(WEEKDAYS)}'
    return rng.choice([listed(rng, 1, 31), listed(rng, 1, 28), position, f'{position},15', 'last'])


MAKERS = {
    'year': lambda rng: rng.choice(['*', '2026-2040', '*/2']),
    'month': lambda rng: rng.choice(
        [listed(rng, 1, 12), rng.choice(MONTHS), f'{MONTHS[2]}-{MONTHS[8]}', '6-8,11-12']
    ),
    'day': day,
    'week': lambda rng: rng.choice(['*', '1-53/2', f'{rng.randint(1, 26)}-{rng.randint(27, 52)}']),
    'day_of_week': lambda rng: rng.choice([rng.randrange(7), 'mon-fri', 'sat,sun', rng.choice(WEEKDAYS), '*']),
    'hour': lambda rng: rng.choice([listed(rng, 0, 23), rng.randrange(24)]),
    'minute': lambda rng: rng.choice([listed(rng, 0, 59), rng.randrange(60)]),
    'second': lambda rng: rng.choice([listed(rng, 0, 59), 0]),
}


def random_fields(rng):
    names = rng.sample(list(MAKERS), rng.randint(1, 4))
    return {name: MAKERS[name](rng) for name in names}


def random_moment(rng):
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(3 * 365 * 86_400))


def is_far_from_changes(since, until, tz):
    zone, day = ZoneInfo(tz), timedelta(days=1)
    offsets = {offset_at(since + day * n, zone) for n in range(-1, (until - since).days + 3)}
    return len(offsets) == 1


def test_fields_fire_when_apscheduler_says():
    seed = random.randrange(10**6)
    rng, compared = random.Random(seed), 0
    while compared < EXPRESSIONS:
        fields, tz, moment = random_fields(rng), rng.choice(ZONES), random_moment(rng)
        theirs = CronTrigger(**fields, timezone=tz, end_date=LAST)
        next_fire = theirs.get_next_fire_time(None, moment)
        if next_fire is None or not is_far_from_changes(moment, next_fire.astimezone(UTC), tz):
            continue
        compared += 1
        found = Fields(fields, tz=tz).next_after(moment - timedelta(microseconds=1))
        assert found == next_fire, f'{fields} in {tz} after {moment} (seed {seed})'


def test_crontab_text_fires_when_cronsim_says():
    seed = random.randrange(10**6)
    rng, compared = random.Random(seed), 0
    while compared < EXPRESSIONS:
        parts = [ranged(rng, *limits) for limits in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))]
        parts[2:] = rng.choice(
            [['*', '*', parts[4]], [parts[2], '*', '*'], parts[2:], ['L', '*', '*'], ['*', '*', '5#3']]
        )
        text, tz, moment = ' '.join(parts), rng.choice(ZONES), random_moment(rng)
        theirs = next(CronSim(text, moment.astimezone(ZoneInfo(tz))))
        if is_far_from_changes(moment, theirs.astimezone(UTC), tz):
            compared += 1
            found = Crontab(text, tz=tz).next_after(moment)
            assert found == theirs, f'{text} in {tz} after {moment} (seed {seed})'


@pytest.mark.parametrize('run_date', [
    date(2009, 11, 6), datetime(2009, 11, 6, 16, 30, 5), '2009-11-06', '2009-11-06 16:30:05', '2009-11-06T16:30:05',
    '2009-11-06T16:30:05Z', '2009-11-06 16:30:05+09:00',
    datetime(2009, 11, 6, 16, 30, 5, tzinfo=UTC),
], ids=str)  # fmt: skip
@pytest.mark.parametrize('tz', ['Europe/Berlin', 'Asia/Kolkata'])
def test_a_date_is_the_one_that_apscheduler_reads(run_date, tz):
    theirs = DateTrigger(run_date, tz).get_next_fire_time(None, None)
    assert Date(run_date, tz).first_ms(0) == in_ms(theirs)
