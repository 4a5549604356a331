"""Redis is away in every way it can be: the worker waits, says so once, and is back at work by itself."""

import logging
from contextlib import contextmanager

import gevent
import pytest
import redis as redis_py
from herd import SLOTS, Herd
from support import wait_until
from tools import LEASE_S


@pytest.fixture
def herd(make_app, worker, client, redis, journal, caplog):
    caplog.set_level(logging.INFO, 'pytask')
    herd = Herd(client, redis, journal, lambda: '\n'.join(caplog.messages))
    herd.worker = worker(make_app(concurrency=SLOTS))
    herd.start()
    return herd


def last(leases):
    gevent.sleep(leases * LEASE_S)


@contextmanager
def killed(server, redis):
    server.kill()
    yield
    server.start()


@contextmanager
def frozen(server, redis):
    server.freeze()
    yield
    server.thaw()


@contextmanager
def demoted(server, redis):
    redis.execute_command('REPLICAOF', '127.0.0.1', '1')
    yield
    redis.execute_command('REPLICAOF', 'NO', 'ONE')


@contextmanager
def full(server, redis):
    redis.config_set('maxmemory', 1)
    yield
    redis.config_set('maxmemory', 0)


@contextmanager
def busy(server, redis):
    redis.config_set('busy-reply-threshold', 100)
    foreign = server.client()

    def loop():
        with pytest.raises(redis_py.ResponseError):
            foreign.eval('while true do end', 0)

    looping = gevent.spawn(loop)
    gevent.sleep(0.2)
    yield
    redis.execute_command('SCRIPT', 'KILL')
    looping.get(timeout=5)
    foreign.close()


@contextmanager
def failing_to_save(server, redis):
    (server.folder / 'dump.rdb').mkdir()
    redis.config_set('save', '3600 1')
    redis.execute_command('BGSAVE')
    wait_until(lambda: redis.info('persistence')['rdb_last_bgsave_status'] == 'err', 'a save has failed')
    yield
    redis.config_set('stop-writes-on-bgsave-error', 'no')


def kill_clients(redis):
    for kind in ('normal', 'pubsub'):
        redis.execute_command('CLIENT', 'KILL', 'TYPE', kind)


@contextmanager
def locked(server, redis):
    redis.config_set('requirepass', 'secret')
    kill_clients(redis)
    yield
    redis.config_set('requirepass', '')


@contextmanager
def crowded(server, redis):
    redis.config_set('maxclients', 1)
    kill_clients(redis)
    yield
    redis.config_set('maxclients', 1000)


SHORT, LONG = 0.4, 1.5  # leases: before the fence, and after it


@pytest.mark.parametrize(
    ('fault', 'leases'),
    [
        (killed, SHORT), (killed, LONG), (frozen, 0.1), (frozen, 0.5), (frozen, 1), (frozen, 3),
        (demoted, SHORT), (demoted, LONG), (full, LONG), (busy, LONG), (failing_to_save, LONG),
        (locked, LONG), (crowded, LONG),
    ],
)  # fmt: skip
def test_an_outage(fault, leases, herd, server, redis):
    with fault(server, redis):
        last(leases)
    herd.check_back(f'{fault.__name__} for {leases} leases')
    herd.check_runs(attempts={1} if leases < 0.5 or fault is full else {1, 2})
    # A freeze shorter than the time that replies may take is told by nothing but the leases.
    herd.check_log(outages={1} if leases >= 1 and fault is not frozen else {0, 1})
