"""Schedules in a worker: declared, fired, made up for, forgotten. Times are set in Redis, not waited for."""

import time

import pytest
from support import SOON_S, wait_until

from pytask import NotFound, PyTask, State
from pytask.schedules.schedule import Declared
from pytask.schedules.triggers import Date, Every

PAST_MS = 1_000_000_000_000  # 2001-09-09T01:46:40Z


@pytest.fixture
def client(app):
    return app.client


def hello(name='world'):
    return f'hello {name}'


def declared_by(client, name):
    return wait_until(
        lambda: next((one for one in client.schedules() if one.name == name), None), f'{name} is declared'
    )


def come_due(redis, name, at_ms=PAST_MS):
    assert redis.zadd('schedules', {name: at_ms}, xx=True, ch=True) == 1


def runs_of(client, task='hello'):
    return client.list(task=task)


def fired(client, name, run_id):
    return wait_until(
        lambda: client.schedule(name).last_run == run_id and client.schedule(name), f'{run_id} is started'
    )


def test_a_worker_writes_down_what_its_code_declares(app, worker, client):
    app.cron('0 5 * * *', tz='Europe/Berlin', data={'name': 'you'}, name='nightly')(hello)
    worker()
    found = declared_by(client, 'nightly')
    assert found.next_at > client.store.schedules.now_ms() / 1000
    assert found.to_json() == {
        'name': 'nightly', 'task': 'hello', 'data': {'name': 'you'}, 'queue': 'default', 'trigger': '0 5 * * *',
        'tz': 'Europe/Berlin', 'next_at': found.next_at, 'last_at': None, 'last_run': '', 'is_paused': False,
        'missed': False, 'is_declared': True,
    }  # fmt: skip
    assert runs_of(client) == []


def test_what_is_due_starts_a_run_with_its_data(app, worker, client):
    app.every(0.3, data={'name': 'you'})(hello)
    worker()
    wait_until(lambda: len(runs_of(client)) >= 3, 'it has fired three times')
    for run in runs_of(client):
        assert run.id.startswith('hello@20')
        assert run.wait(timeout=SOON_S).output == 'hello you'


def test_what_is_late_fires_once_for_all_that_was_missed(app, worker, redis, client, caplog):
    app.cron('*/5 * * * *', tz='UTC')(hello)
    worker()
    declared_by(client, 'hello')
    come_due(redis, 'hello')
    found = fired(client, 'hello', 'hello@2001-09-09T01:46:40Z')
    assert client.get(found.last_run).wait(timeout=SOON_S).state is State.SUCCESS
    assert (found.last_at, found.next_at % 300) == (PAST_MS / 1000, 0)
    assert found.next_at > client.store.schedules.now_ms() / 1000 - 1
    assert len(runs_of(client)) == 1
    assert 'schedule hello fired' in caplog.text
    assert 's late: no worker was running' in caplog.text


def test_a_date_fires_once_and_no_restart_repeats_it(app, worker, client):
    app.date()(hello)
    first = worker()
    wait_until(lambda: runs_of(client), 'it has fired')
    first.shut_down('once is enough')
    worker()
    found = declared_by(client, 'hello')
    assert (found.next_at, found.missed) == (None, False)
    assert found.last_run == runs_of(client)[0].id
    assert len(runs_of(client)) == 1


def test_a_date_that_is_past_is_missed(app, worker, client, caplog):
    app.date('2009-11-06', tz='UTC', args=['you'])(hello)
    worker()
    found = declared_by(client, 'hello')
    assert (found.missed, found.next_at, found.data) == (True, None, {'name': 'you'})
    assert 'schedule hello will never fire: 2009-11-06T00:00:00+00:00 is past' in caplog.text
    assert runs_of(client) == []


def test_a_date_that_passed_while_no_worker_was_there_is_made_up_for(app, worker, client):
    date = Date('2009-11-06', 'UTC')
    client.store.schedules.declare(Declared('hello', 'hello', 'default', b'{}', date), 1_257_465_600_000)
    app.add_schedule(app.task(hello), date)
    worker()
    assert fired(client, 'hello', 'hello@2009-11-06T00:00:00Z').missed is False


def test_a_date_that_has_fired_is_not_missed_when_its_data_changes(app, worker, client, caplog):
    date = Date('2009-11-06', 'UTC')
    client.store.schedules.declare(Declared('hello', 'hello', 'default', b'{}', date), 1_257_465_600_000)
    client.store.schedules.fire('hello', 1_257_465_600_000, None, 'hello@1')
    app.add_schedule(app.task(hello), date, data={'name': 'you'})
    worker()
    wait_until(lambda: client.schedule('hello').data == {'name': 'you'}, 'it is declared')
    app.every(1000, name='next')(app.registry.get('hello'))
    declared_by(client, 'next')  # all is told of the one before
    assert 'is missed' not in caplog.text


def test_what_the_code_changes_is_changed(app, worker, client, server):
    app.every(1000)(hello)
    worker()
    before = declared_by(client, 'hello')
    other = PyTask(server.url, lease=15)
    other.every(5000, data={'name': 'you'})(hello)
    worker(other)
    found = wait_until(lambda: (s := client.schedule('hello')).trigger == 'every 5000 s' and s, 'it has changed')
    assert found.data == {'name': 'you'}
    assert found.next_at > before.next_at + 3000
    other.client.close()


def test_what_nobody_has_in_code_does_not_fire_and_may_be_forgotten(app, worker, client, redis):
    gone = Declared('gone', 'hello', 'default', b'{}', Every(1))
    client.store.schedules.declare(gone, PAST_MS)
    app.every(0.2)(hello)
    worker()
    wait_until(lambda: len(runs_of(client)) >= 2, 'others have fired')
    assert (client.schedule('gone').is_declared, client.schedule('gone').last_run) == (False, '')
    assert client.remove_schedule('hello') == 'refused'
    assert client.remove_schedule('gone') == 'applied'
    with pytest.raises(NotFound, match="no schedule 'gone'"):
        client.schedule('gone')


def test_what_redis_has_forgotten_is_declared_again(app, worker, client, redis):
    app.every(1000)(hello)
    worker()
    declared_by(client, 'hello')
    redis.delete('schedules', 'schedule-hello')
    declared_by(client, 'hello')


def test_what_is_added_while_a_worker_runs_is_declared(app, worker, client):
    worker()
    app.every(1000)(hello)
    declared_by(client, 'hello')


def test_what_foreign_hands_have_spoilt_is_named_once_and_harms_no_other(app, worker, client, redis, caplog):
    made = app.every(1000)(hello)
    app.every(1000, name='other')(made)
    app.every(1000, name='taken')(made)
    redis.set('schedule-taken', 'mine')
    worker()
    declared_by(client, 'other')
    redis.hset('schedule-hello', 'trigger', '{"lunar": 1}')
    come_due(redis, 'hello')
    come_due(redis, 'other')
    fired(client, 'other', 'other@2001-09-09T01:46:40Z')
    come_due(redis, 'other', PAST_MS + 1000)
    fired(client, 'other', 'other@2001-09-09T01:46:41Z')
    assert caplog.text.count('schedule hello does not fire: not a trigger') == 1
    assert caplog.text.count('schedule taken does not fire: its key in Redis holds something else') == 1
    redis.delete('schedule-taken')


def test_a_queue_that_is_no_list_is_named(app, worker, client, redis, caplog):
    redis.set('new-task-odd', 'mine')
    app.task(queue='odd')(hello)
    app.every(1000)(app.registry.get('hello'))
    worker()
    declared_by(client, 'hello')
    come_due(redis, 'hello')
    wait_until(
        lambda: 'schedule hello does not fire: the key of its queue is not a list' in caplog.text, 'it is told'
    )
    redis.delete('new-task-odd')
    assert client.stop(fired(client, 'hello', 'hello@2001-09-09T01:46:40Z').last_run) == 'applied'


def test_jitter_is_added_to_each_time(app, worker, client, redis):
    app.cron('0 0 1 1 *', tz='UTC', jitter=3600)(hello)
    worker()
    first = declared_by(client, 'hello').next_at
    assert 0 < first % 86_400 < 3600
    come_due(redis, 'hello')
    found = fired(client, 'hello', 'hello@2001-09-09T01:46:40Z')
    assert 0 < found.next_at % 86_400 < 3600
    assert found.next_at != first


# Told by a client


def test_a_schedule_is_run_by_hand(app, worker, client):
    app.every(1000, data={'name': 'you'}, name='often')(hello)
    worker()
    before = declared_by(client, 'often')
    run = client.run_schedule('often')
    assert run.id.startswith('often@20')
    assert run.wait(timeout=SOON_S).output == 'hello you'
    assert client.schedule('often') == before


def test_a_paused_schedule_fires_no_more_until_it_is_resumed(app, worker, client):
    app.every(0.1)(hello)
    worker()
    wait_until(lambda: runs_of(client), 'it fires')
    assert client.pause_schedule('hello') == 'applied'
    found = client.schedule('hello')
    assert (found.is_paused, found.next_at) == (True, None)
    count = len(runs_of(client))
    other = app.every(0.1, name='other')(app.registry.get('hello'))
    wait_until(lambda: client.schedule('other').last_run if declared_by(client, 'other') else None, 'others fire')
    client.pause_schedule('other')
    assert other is app.registry.get('hello')
    assert client.schedule('hello').last_run == found.last_run
    assert len([run for run in runs_of(client) if run.id.startswith('hello@')]) == count
    assert client.resume_schedule('hello') == 'applied'
    wait_until(lambda: client.schedule('hello').last_run != found.last_run, 'it fires again')


def test_resuming_passes_over_what_was_missed(app, client):
    store = client.store.schedules
    store.declare(Declared('a', 'hello', 'default', b'{}', Every(60)), PAST_MS)
    client.pause_schedule('a')
    before = store.now_ms()
    assert client.resume_schedule('a') == 'applied'
    assert before + 60_000 <= client.schedule('a').next_at * 1000 <= store.now_ms() + 60_000


@pytest.mark.parametrize(('date', 'has_fired', 'expected'), [
    ('2009-11-06', False, (None, True)), ('2009-11-06', True, (None, False)), (None, True, (None, False)),
    ('2039-11-06', False, (2_204_150_400.0, False)),
])  # fmt: skip
def test_a_date_is_resumed(client, redis, date, has_fired, expected):
    client.store.schedules.declare(Declared('a', 'hello', 'default', b'{}', Date(date, 'UTC')), PAST_MS)
    if has_fired:
        client.store.schedules.fire('a', PAST_MS, None, 'a@1')
    client.pause_schedule('a')
    assert client.resume_schedule('a') == 'applied'
    found = client.schedule('a')
    assert (found.next_at, found.missed) == expected


def test_what_can_not_be_done_is_told(client):
    store = client.store.schedules
    store.declare(Declared('nightly', 'hello', 'default', b'{}', Every(60)), PAST_MS)
    answers = [client.pause_schedule('x'), client.resume_schedule('x'), client.remove_schedule('x')]
    assert answers == ['not_found'] * 3
    assert client.resume_schedule('nightly') == 'refused'
    with pytest.raises(NotFound, match="no schedule 'nightl'; did you mean 'nightly'"):
        client.schedule('nightl')
    with pytest.raises(NotFound, match='no schedule'):
        client.run_schedule('nightl')


def test_what_is_there_by_half_is_not_its_own_near_name(client, redis):
    client.store.schedules.declare(Declared('nightly', 'hello', 'default', b'{}', Every(60)), PAST_MS)
    redis.delete('schedule-nightly')
    with pytest.raises(NotFound, match=r"^no schedule 'nightly'$"):
        client.schedule('nightly')
    assert client.remove_schedule('nightly') == 'applied'


# What it costs


def questions(redis):
    return redis.info('commandstats').get('cmdstat_zmscore', {'calls': 0})['calls']


def test_a_worker_without_schedules_asks_nothing(app, worker, redis, client, monkeypatch):
    monkeypatch.setattr('pytask.builtin.scheduler.LONGEST_S', 0.01)
    worker()
    for _ in range(3):  # meanwhile it looks whether there are any now
        run = client.start('nobody-knows')
        wait_until(lambda run=run: run.refresh().reason, 'the worker has parked it')
    assert questions(redis) == 0


def test_a_worker_that_waits_asks_once_a_second(app, worker, redis, client):
    app.cron('0 0 1 1 *')(hello)
    worker()
    declared_by(client, 'hello')
    wait_until(lambda: questions(redis), 'it looks')
    before, since = questions(redis), time.monotonic()
    wait_until(lambda: questions(redis) > before + 2, 'it looks again')
    assert questions(redis) - before <= time.monotonic() - since + 2
