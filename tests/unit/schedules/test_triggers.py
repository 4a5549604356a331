import sys
import time
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from pytask.core.moments import in_ms, local_zone, moment_ms, zone_of
from pytask.errors import ConfigError
from pytask.schedules.cron import Crontab, Fields
from pytask.schedules.schedule import check_name, id_of_firing, read_trigger
from pytask.schedules.triggers import Date, Every

NOW_MS = in_ms(datetime(2026, 6, 1, 12, tzinfo=UTC))
HOUR_MS = 3_600_000


# Every


def test_every_fires_an_interval_after_it_was_declared():
    assert Every(30).first_ms(1000) == 31_000


def test_every_keeps_its_beat():
    assert Every(30).next_ms(31_400, 31_000) == 61_000


@pytest.mark.parametrize(('now_ms', 'next_ms'), [
    (31_000, 61_000), (60_999, 61_000), (61_000, 91_000), (1_000_000, 1_021_000),
])  # fmt: skip
def test_every_passes_over_what_was_missed(now_ms, next_ms):
    assert Every(30).next_ms(now_ms, 31_000) == next_ms


@pytest.mark.parametrize('seconds', [0, -1, 0.01, float('inf'), float('nan'), 10**12, '30', None, True])
def test_what_is_no_interval_is_refused(seconds):
    with pytest.raises(ConfigError, match=r'use 0.1 to'):
        Every(seconds)


# Date


def test_a_date_fires_once():
    trigger = Date('2026-06-01T13:00', 'UTC')
    assert trigger.first_ms(NOW_MS) == NOW_MS + HOUR_MS
    assert trigger.next_ms(NOW_MS + HOUR_MS, NOW_MS + HOUR_MS) is None


def test_a_date_that_is_past_never_fires():
    assert Date('2026-06-01T11:59', 'UTC').first_ms(NOW_MS) is None


def test_no_date_is_now():
    assert Date().first_ms(NOW_MS) == NOW_MS


def test_a_day_is_its_midnight_in_the_zone():
    assert Date(date(2026, 6, 2), 'Europe/Berlin').first_ms(NOW_MS) == NOW_MS + 10 * HOUR_MS


@pytest.mark.parametrize('run_date', ['6.11.2026', 'tomorrow', '', 5, 1.5, [], '2026-02-30'])
def test_what_is_no_date_is_refused(run_date):
    with pytest.raises(ConfigError, match=r'is not a date; write ISO 8601, such as 2026-11-30T08:00'):
        Date(run_date, 'UTC')


EDGES = ['0001-01-01T00:00', '0001-01-01T00:00Z', '9999-12-31T23:59:59-12:00', datetime(1, 1, 1), date.min]


@pytest.mark.parametrize('tz', ['Asia/Tokyo', 'America/New_York', 'UTC'])
@pytest.mark.parametrize('edge', EDGES, ids=str)
def test_a_date_at_the_edge_of_time_is_refused(edge, tz):
    for make in (Date, lambda at, tz: Crontab('@daily', tz=tz, end_date=at)):
        with pytest.raises(ConfigError, match=r'date .*1.* is out of range; use years 2 to 9999'):
            make(edge, tz)


@pytest.mark.parametrize('edge', ['9999-12-31T23:59', datetime(9999, 12, 31, 23), '9999-12-31T23:59:59Z'], ids=str)
def test_a_date_need_be_one_in_its_zone_and_in_utc(edge):
    Date(edge, 'UTC').to_json()
    with pytest.raises(ConfigError, match=r'run_date .* is out of range'):
        Date(edge, 'Asia/Tokyo' if str(edge).endswith('Z') else 'America/New_York')


@pytest.mark.parametrize('tz', ['Asia/Tokyo', 'America/New_York', 'UTC'])
def test_an_end_may_stand_for_never(tz):
    trigger = Crontab('@daily', tz=tz, start_date='0002-01-02', end_date='9999-12-31')
    assert trigger.first_ms(NOW_MS) < NOW_MS + 24 * HOUR_MS + 1
    assert trigger.to_json()['end_date'].startswith('9999-12-31T00:00:00')


@pytest.mark.parametrize('text', ['0 0 29 2 *', '* * * * *'])
@pytest.mark.parametrize('start', ['9998-12-31', '9999-12-31'])
def test_what_begins_at_the_end_of_time_never_fires(text, start):
    with pytest.raises(ConfigError, match='never fires'):
        Crontab(text, tz='UTC', start_date=start, end_date='9999-12-31')


@pytest.mark.parametrize('edge', EDGES, ids=str)
@pytest.mark.parametrize('tz', ['Asia/Tokyo', 'America/New_York', 'UTC'])
def test_a_moment_at_the_edge_of_time_is_refused(monkeypatch, edge, tz):
    monkeypatch.setenv('TZ', tz)
    time.tzset()
    try:
        with pytest.raises(ConfigError, match=r'at .* is out of range'):
            moment_ms(edge, 'at')
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize('past', ['1969-12-31T00:00Z', datetime(1900, 1, 1), date(1500, 1, 1), '0002-01-02'])
def test_a_moment_before_unix_time_is_its_beginning(past):
    assert moment_ms(past, 'at') == 0


# Cron


def test_in_crontab_text_0_is_sunday_and_in_fields_monday():
    sunday, monday = datetime(2026, 6, 7, tzinfo=UTC), datetime(2026, 6, 8, tzinfo=UTC)
    assert Crontab('0 0 * * 0', tz='UTC').first_ms(NOW_MS) == in_ms(sunday)
    assert Fields({'day_of_week': 0}, tz='UTC').first_ms(NOW_MS) == in_ms(monday)


def test_in_crontab_text_one_of_both_days_matches_and_in_fields_both():
    friday, friday_13th = datetime(2026, 6, 5, tzinfo=UTC), datetime(2026, 11, 13, tzinfo=UTC)
    assert Crontab('0 0 13 * fri', tz='UTC').first_ms(NOW_MS) == in_ms(friday)
    assert Fields({'day': 13, 'day_of_week': 'fri'}, tz='UTC').first_ms(NOW_MS) == in_ms(friday_13th)


def test_fields_below_the_last_one_that_is_given_are_their_least():
    assert Fields({'day': '3rd fri'}, tz='UTC').first_ms(NOW_MS) == in_ms(datetime(2026, 6, 19, tzinfo=UTC))


def test_it_fires_after_now_also_when_it_is_on_time():
    trigger = Crontab('0 * * * *', tz='UTC')
    assert trigger.first_ms(NOW_MS) == NOW_MS + HOUR_MS
    assert trigger.first_ms(NOW_MS - 1) == NOW_MS
    assert trigger.next_ms(NOW_MS, NOW_MS) == NOW_MS + HOUR_MS
    assert trigger.next_ms(NOW_MS + 1, NOW_MS) == NOW_MS + HOUR_MS


def test_what_was_missed_is_passed_over():
    assert Crontab('0 * * * *', tz='UTC').next_ms(NOW_MS + 5 * HOUR_MS + 1, NOW_MS) == NOW_MS + 6 * HOUR_MS


def test_six_parts_begin_with_seconds():
    assert Crontab('*/20 * * * * *', tz='UTC').first_ms(NOW_MS) == NOW_MS + 20_000


@pytest.mark.parametrize(('nickname', 'first'), [
    ('@hourly', datetime(2026, 6, 1, 13)), ('@daily', datetime(2026, 6, 2)), ('@weekly', datetime(2026, 6, 7)),
    ('@monthly', datetime(2026, 7, 1)), ('@yearly', datetime(2027, 1, 1)),
])  # fmt: skip
def test_crontab_text_has_nicknames(nickname, first):
    assert Crontab(nickname, tz='UTC').first_ms(NOW_MS) == in_ms(first.replace(tzinfo=UTC))


def test_it_fires_from_its_start_to_its_end():
    trigger = Crontab('0 12 * * *', tz='UTC', start_date='2026-06-10T12:00', end_date=datetime(2026, 6, 11, 12))
    first, second = (in_ms(datetime(2026, 6, day, 12, tzinfo=UTC)) for day in (10, 11))
    assert trigger.first_ms(NOW_MS) == first
    assert trigger.next_ms(first, first) == second
    assert trigger.next_ms(second, second) is None


@pytest.mark.parametrize(('text', 'why'), [
    ('* * *', 'wrong number of fields'), ('61 * * * *', 'bad minute'), ('* * * * fry', 'bad day-of-week'),
    ('@sometimes', 'wrong number of fields'), ('', 'wrong number of fields'), ('0 0 31 2 *', 'bad day-of-month'),
    ('*/0 * * * *', 'bad minute'), (5, 'wrong number of fields'),
])  # fmt: skip
def test_what_is_no_crontab_text_is_refused(text, why):
    with pytest.raises(ConfigError, match=rf'is not crontab text: {why}; write minute hour day month weekday'):
        Crontab(text, tz='UTC')


@pytest.mark.parametrize(('fields', 'why'), [
    ({}, 'cron needs crontab text, such as'), ({'hours': 3}, "no field 'hours'; did you mean hour?"),
    ({'zzz': 3}, 'it has year, month, day, week'), ({'hour': 25}, r"cron\(hour='25'\): .*higher than the maximum"),
    ({'day': '6th fri'}, 'Unrecognized expression'), ({'day': 31, 'month': 2}, 'never fires'),
    ({'year': 1999}, 'never fires'),
])  # fmt: skip
def test_fields_that_make_no_sense_are_refused(fields, why):
    with pytest.raises(ConfigError, match=why):
        Fields(fields, tz='UTC')


@pytest.mark.parametrize('jitter', [-1, 10**6, '5', True, [], float('nan')])
def test_jitter_is_less_than_a_day(jitter):
    with pytest.raises(ConfigError, match='must be seconds, less than a day'):
        Crontab('* * * * *', tz='UTC', jitter=jitter)


def test_fields_without_apscheduler_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'apscheduler.triggers.cron', None)
    with pytest.raises(ConfigError, match=r"^cron\(hour='3'\) needs APScheduler: pip install 'pytaskd\[cron\]'"):
        Fields({'hour': 3}, tz='UTC')


def test_text_dates_and_intervals_need_no_apscheduler(monkeypatch):
    monkeypatch.setitem(sys.modules, 'apscheduler', None)
    assert Crontab('@daily').first_ms(0)
    assert Date('2026-06-01').first_ms(0)
    assert Every(1).first_ms(0)


# Zones


@pytest.mark.parametrize(('given', 'name'), [
    ('Europe/Berlin', 'Europe/Berlin'), (ZoneInfo('Asia/Kolkata'), 'Asia/Kolkata'), (UTC, 'UTC'), ('UTC', 'UTC'),
])  # fmt: skip
def test_a_zone_is_its_name(given, name):
    assert zone_of(given).key == name


@pytest.mark.parametrize(
    'given', ['Europe/Berln', '../etc/passwd', '/etc/localtime', 5, timezone(timedelta(hours=1))]
)
def test_what_is_no_zone_is_refused(given):
    with pytest.raises(ConfigError, match=r'no time zone .*; write a name such as Europe/Berlin or UTC'):
        zone_of(given)


@pytest.mark.parametrize(('value', 'name'), [
    ('Asia/Tokyo', 'Asia/Tokyo'), (':Asia/Tokyo', 'Asia/Tokyo'),
    ('/usr/share/zoneinfo/Asia/Tokyo', 'Asia/Tokyo'), ('/nowhere', 'UTC'),
])  # fmt: skip
def test_the_local_zone_is_that_of_the_environment(monkeypatch, value, name):
    monkeypatch.setenv('TZ', value)
    assert local_zone() == name


def test_the_local_zone_is_else_that_of_the_machine(monkeypatch):
    monkeypatch.delenv('TZ', raising=False)
    assert ZoneInfo(local_zone()).key == zone_of(None).key


# As they are stored


@pytest.mark.parametrize('trigger', [
    Every(30), Every(0.5), Date('2026-06-01T13:00', 'Europe/Berlin'), Date(None, 'UTC'),
    Crontab('*/5 * * * *', tz='UTC'),
    Crontab('@daily', tz='Asia/Tokyo', start_date='2026-07-01', jitter=3),
    Fields({'month': '6-8,11-12', 'day': '3rd fri', 'hour': '0-3'}, tz='UTC', end_date=date(2030, 1, 1)),
], ids=str)  # fmt: skip
def test_a_trigger_is_read_again_as_it_was(trigger):
    import msgspec

    again = read_trigger(msgspec.json.encode(trigger.to_json()))
    assert again.to_json() == trigger.to_json()
    assert (str(again), again.tz, again.jitter_s) == (str(trigger), trigger.tz, trigger.jitter_s)
    assert again.first_ms(NOW_MS) == trigger.first_ms(NOW_MS)


@pytest.mark.parametrize('text', [
    b'', b'junk', b'[]', b'{}', b'{"cron": 5, "what": 1}', b'\xff', b'{"every": "x"}', b'{"lunar": 1}', b'[[1, 2]]',
    b'{"cron": "* * * * *", "tz": "Nowhere/City"}', b'null', b'5', '{"cron": "* * * * *", "tz": 5}',
])  # fmt: skip
def test_junk_is_no_trigger(text):
    with pytest.raises(ConfigError):
        read_trigger(text)


def test_a_firing_names_its_run():
    assert id_of_firing('nightly', NOW_MS) == 'nightly@2026-06-01T12:00:00Z'
    assert id_of_firing('a/b', NOW_MS + 250) == 'a/b@2026-06-01T12:00:00.250Z'


@pytest.mark.parametrize('name', ['', 'two words', 'x' * 201, 'a\nb', None, 5])
def test_what_can_not_name_a_schedule(name):
    assert 'the name of a schedule must be 1 to 200 printable bytes without spaces' in check_name(name)


def test_what_can_name_a_schedule():
    assert not check_name('site/crawl-ü')
