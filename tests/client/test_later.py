"""Runs that start later: `at` a time, after a `delay`."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from support import SOON_S, wait_until

from pytask import PytaskError, State
from pytask.client.starting import Launch, due_text

SOON_MS = 1_900_000_000_000


@pytest.fixture
def client(app):
    @app.task
    def hello():
        return 'hello'

    return app.client


def test_a_delayed_run_waits_and_then_runs(client, worker):
    worker()
    run = client.start('hello', delay=0.3)
    assert (run.state, run.refresh().attempt) == (State.WAIT, 0)
    assert run.at > run.created
    assert run.wait(timeout=SOON_S).output == 'hello'
    assert run.started >= run.at


def test_a_run_that_waits_for_its_time_holds_up_no_other(client, worker):
    worker()
    later, now = client.start('hello', delay=1000), client.start('hello')
    now.wait(timeout=SOON_S)
    assert later.refresh().state is State.WAIT
    assert later.stop() == 'applied'
    assert later.refresh().state is State.STOPPED


def test_a_time_that_is_past_is_now(client, worker):
    worker()
    assert client.start('hello', at=1_000_000_000).wait(timeout=SOON_S).at is None


def test_the_same_start_again_is_the_same_run(client, redis):
    first = client.start('hello', run_id='a', delay=1000)
    again = client.start('hello', run_id='a', delay=1)
    assert again.at == client.get('a').at
    assert (first.id, redis.zcard('due')) == ('a', 1)


def test_it_is_listed_with_its_time(client):
    client.start_many([Launch('hello', run_id='a', at=SOON_MS / 1000), Launch('hello', run_id='b')])
    found = {run.id: run.at for run in client.list(states=['WAIT'])}
    assert found == {'a': SOON_MS / 1000, 'b': None}
    assert client.get('a').to_json()['at'] == SOON_MS / 1000


def test_it_can_be_paused_and_resumed_before_its_time(client, worker, redis):
    worker()
    run = client.start('hello', delay=1000)
    assert run.pause() == 'applied'
    redis.zadd('due', {run.id: 1000})
    wait_until(lambda: redis.zscore('held', run.id), 'its time has come, and it is held')
    assert run.resume() == 'applied'
    assert run.wait(timeout=SOON_S).output == 'hello'


@pytest.mark.parametrize('at', [
    1_900_000_000, 1_900_000_000.0, datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC), '2030-03-17T17:46:40Z',
    '2030-03-17T19:46:40+02:00', datetime(2030, 3, 17, 12, 46, 40, tzinfo=timezone(timedelta(hours=-5))),
], ids=str)  # fmt: skip
def test_a_time_is_given_in_many_forms(at):
    assert due_text(at, None) == str(SOON_MS)


@pytest.mark.parametrize('at', ['2030-03-17T17:46:40', datetime(2030, 3, 17, 17, 46, 40)])
def test_a_time_without_a_zone_is_of_this_machine(at):
    local = datetime(2030, 3, 17, 17, 46, 40).astimezone()
    assert due_text(at, None) == str(round(local.timestamp() * 1000))


def test_a_day_is_its_midnight():
    assert due_text(date(2030, 3, 17), None) == due_text('2030-03-17T00:00', None) == due_text('2030-03-17', None)


def test_a_delay_is_milliseconds_from_the_now_of_redis():
    assert [due_text(None, delay) for delay in (30, 0.5, 0, None)] == ['+30000', '+500', '', '']


@pytest.mark.parametrize(('at', 'delay', 'why'), [
    ('tomorrow', None, "at 'tomorrow' is not a date; write ISO 8601"), (True, None, 'at True is not a date'),
    (1_900_000_000_000, None, 'is not a time in Unix seconds'), (-1, None, 'is not a time in Unix seconds'),
    ('0001-01-01T00:00', None, "at '0001-01-01T00:00' is out of range"),
    (float('nan'), None, 'is not a time in Unix seconds'), (None, -1, 'delay must be between .* seconds, not -1'),
    (None, '5', "delay must be between .* seconds, not '5'"),
    (None, True, 'delay must be between .* seconds, not True'),
    (1_900_000_000, 5, 'give `at` or `delay`, not both'),
])  # fmt: skip
def test_what_is_no_time_is_refused_and_nothing_starts(client, redis, at, delay, why):
    with pytest.raises(PytaskError, match=why):
        client.start('hello', at=at, delay=delay)
    assert redis.keys('*') == []
