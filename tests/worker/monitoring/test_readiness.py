"""Readiness is read from stamps: each trouble shows, and none where a worker is only idle, or full."""

import logging

import gevent
import pytest
from support import wait_until

from pytask import PyTask
from pytask.core.clock import monotonic_s
from pytask.errors import Unavailable
from pytask.worker.control import listener
from pytask.worker.monitoring import readiness
from pytask.worker.monitoring.watchdog import Watchdog
from pytask.worker.worker import EXIT_BROKEN, Worker


@pytest.fixture
def slow_app(server):
    """An app whose leases outlive a test's troubles."""
    app = PyTask(server.url, lease=30)
    yield app
    app.client.close()


def names(reasons):
    return {reason.split(' ')[0] for reason in reasons}


def test_a_worker_that_has_not_started_says_so(slow_app):
    idle = Worker(slow_app)
    assert idle.readiness.reasons() == ['the worker is starting']
    assert idle.readiness.troubles() == []
    idle.store.close()


def test_a_worker_that_claims_is_ready_and_one_that_shuts_down_is_not(slow_app, worker):
    running = worker(slow_app)
    assert running.readiness.reasons() == []
    running.shut_down('test')
    assert running.readiness.reasons() == ['the worker is shutting down']
    assert running.readiness.troubles() == []


def every_service_turns(running, times=3):
    for _ in range(times):
        since = monotonic_s()
        wait_until(
            lambda since=since: all(service.turned_at > since for service in running.readiness.services),
            'every service turns',
        )


def test_every_service_of_an_idle_worker_turns(server, worker):
    app = PyTask(server.url, lease=30, queue=('a', 'b', 'c'))
    running = worker(app)
    assert len(running.readiness.services) == 6
    every_service_turns(running)
    assert running.readiness.reasons() == []
    app.client.close()


def test_every_service_of_a_full_worker_turns_while_runs_wait(server, worker):
    app = PyTask(server.url, lease=30, concurrency=2)
    app.task(name='wait')(lambda: gevent.sleep(60))
    running = worker(app)
    runs = [app.client.start('wait') for _ in range(5)]
    wait_until(lambda: running.slots.free == 0, 'it is full')
    every_service_turns(running)
    assert running.readiness.reasons() == []
    for run in runs:
        run.stop()
    app.client.close()


def test_a_service_that_does_not_come_back_shows_and_is_an_ill_later(slow_app, worker, monkeypatch):
    running = worker(slow_app)
    monkeypatch.setattr(readiness, 'TURNED_WITHIN_S', 3.0)
    monkeypatch.setattr(running.writer, 'turn', lambda: gevent.sleep(60))
    wait_until(lambda: 'writer' in names(running.readiness.reasons()), 'the stuck writer shows')
    assert running.readiness.ills() == []
    monkeypatch.setattr(readiness, 'STUCK_AFTER_S', 3.0)
    wait_until(lambda: 'writer' in names(running.readiness.ills()), 'the stuck writer is an ill')


def test_a_service_that_tries_in_vain_is_not_stuck(slow_app, worker, monkeypatch):
    running = worker(slow_app)

    def fail():
        raise Unavailable('not now')

    monkeypatch.setattr(running.fetcher, 'turn', fail)
    wait_until(running.report.away_s, 'the first try has failed')
    turned_at, tried_at = running.fetcher.turned_at, running.fetcher.tried_at
    wait_until(lambda: running.fetcher.tried_at > tried_at, 'it tries again')
    assert running.fetcher.turned_at == turned_at


@pytest.mark.timeout(90)
def test_a_frozen_redis_shows_and_heals_and_is_no_reason_for_a_new_process(slow_app, worker, server, redis):
    running = worker(slow_app)
    server.freeze()
    try:
        wait_until(running.readiness.reasons, 'the outage shows', 20)
        wait_until(lambda: len(running.readiness.reasons()) > 2, 'the stamps are old', 30)
        assert running.readiness.ills() == []
    finally:
        server.thaw()
    wait_until(lambda: running.readiness.reasons() == [], 'it is ready again', 20)


def test_a_subscription_that_hears_nothing_shows_although_it_subscribes_anew(slow_app, worker, monkeypatch):
    running = worker(slow_app)
    monkeypatch.setattr(listener, 'PROOF_WITHIN_S', 0.2)
    monkeypatch.setattr(readiness, 'PROVED_WITHIN_S', 3.0)
    before = running.listener._proved_at
    monkeypatch.setattr(running.listener, '_hear', lambda *_: None)
    wait_until(lambda: running.listener._proved_at > before, 'it subscribes anew')
    wait_until(lambda: any('subscription' in reason for reason in running.readiness.reasons()), 'it shows')
    monkeypatch.undo()
    wait_until(lambda: running.readiness.reasons() == [], 'the next proof heals it')


def test_a_heartbeat_that_fails_shows(app, worker, monkeypatch):
    running = worker()

    def fail(*_):
        raise Unavailable('not now')

    monkeypatch.setattr(running.registration, 'register', fail)
    wait_until(lambda: any('leases' in reason for reason in running.readiness.reasons()), 'it shows')
    monkeypatch.undo()
    wait_until(lambda: running.readiness.reasons() == [], 'it is ready again')


def test_a_broken_service_is_an_ill(slow_app, worker):
    running = worker(slow_app)
    assert running.readiness.ills() == []
    running.lifetime.broken('writer')
    assert running.readiness.ills() == ['a service is broken']
    assert EXIT_BROKEN == 70


def test_troubles_stand_in_the_workers_record(app, worker, redis):
    running = worker()
    key = f'worker-{running.id}'
    assert redis.hget(key, 'troubles') == ''
    running.readiness.checks = (lambda: ['the disk is on fire'],)
    wait_until(lambda: redis.hget(key, 'troubles') == 'the disk is on fire', 'the next beat writes it')


def watchdog_of(running):
    return Watchdog(running.readiness, running.app.settings, running.lifetime)


def test_the_log_says_once_that_it_is_not_ready_and_once_that_it_is(slow_app, worker, monkeypatch, caplog):
    running = worker(slow_app)
    troubles = []
    running.readiness.checks = (lambda: troubles,)
    watch = watchdog_of(running)
    with caplog.at_level(logging.INFO, 'pytask'):
        for now in ([], ['a'], ['a', 'b'], ['b'], [], []):
            troubles[:] = now
            watch._compare(running.readiness.troubles())
    said = [record.getMessage() for record in caplog.records if 'ready' in record.getMessage()]
    assert said == ['not ready: a', 'ready again after 0 s']


def test_the_watchdog_starves_only_where_a_new_process_would_help(slow_app, worker, monkeypatch):
    running = worker(slow_app)
    watch, told = watchdog_of(running), []
    monkeypatch.setattr(watch._notifier, 'tell', lambda *lines: told.append(lines))
    watch._feed_every_s = 1.0
    running.report.redis_is_away('writer', Unavailable('gone'))
    watch._feed()
    watch._fed_at = 0.0
    monkeypatch.setattr(running.readiness, 'ills', lambda: ['writer is stuck'])
    watch._feed()
    assert told == [('WATCHDOG=1',)]
