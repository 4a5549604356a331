"""Redis is away in every way it can be: the worker waits, says so once, and is back at work by itself."""

import logging
import random
from contextlib import contextmanager

import gevent
import pytest
import redis as redis_py
from herd import SLOTS, Herd
from redis.backoff import NoBackoff
from redis.retry import Retry
from support import SOON_S, wait_until
from tools import BACK_S, LEASE_S, Watch, log_lines, states, stats

from pytask.client.starting import Launch


@pytest.fixture
def lease_s(request):
    # What must outlast an outage has a fraction of a lease for that: of a long one, on a busy machine.
    return 4 * LEASE_S if request.node.callspec.params.get('leases', 1) < 0.5 else LEASE_S


@pytest.fixture
def herd(make_app, worker, client, redis, journal, caplog, lease_s):
    caplog.set_level(logging.INFO, 'pytask')
    herd = Herd(client, redis, journal, lambda: '\n'.join(caplog.messages))
    herd.worker = worker(make_app(concurrency=SLOTS, lease=lease_s))
    herd.start()
    return herd


def last(leases, lease_s=LEASE_S):
    gevent.sleep(leases * lease_s)


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
    looping.get(timeout=SOON_S)
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


@contextmanager
def locked_for_newcomers(server, redis):
    """A password that those who are connected need not know."""
    redis.config_set('requirepass', 'secret')
    yield
    redis.config_set('requirepass', '')


@contextmanager
def half_crowded(server, redis):
    redis.config_set('maxclients', 4)
    kill_clients(redis)
    yield
    redis.config_set('maxclients', 1000)


@contextmanager
def cut_off(server, redis):
    kill_clients(redis)
    yield


@contextmanager
def loading(server, redis):
    redis.mset({f'ballast-{n}': n for n in range(1500)})
    redis.bgrewriteaof()
    wait_until(lambda: not redis.info('persistence')['aof_rewrite_in_progress'], 'a file to load')
    server.kill()
    server.launch('--key-load-delay', 1000, '--loading-process-events-interval-bytes', 1024)
    wait_until(lambda: is_loading(server), 'it is loading')
    yield
    wait_until(server.answers, 'it has loaded')
    redis.delete(*(f'ballast-{n}' for n in range(1500)))


def is_loading(server):
    once = server.client(retry=Retry(NoBackoff(), 0))  # redis-py would try again in silence
    try:
        once.get('x')
    except redis_py.exceptions.BusyLoadingError:
        return True
    except redis_py.RedisError:
        return False
    finally:
        once.close()


SHORT, LONG = 0.4, 1.5  # leases: before the fence, and after it
# These harm no lease, however long.
HARMLESS = {full, locked_for_newcomers, cut_off}


@pytest.mark.promise('Redis is away')
@pytest.mark.parametrize(
    ('fault', 'leases'),
    [
        (killed, SHORT), (killed, LONG), (frozen, 0.1), (frozen, 0.5), (frozen, 1), (frozen, 3),
        (demoted, SHORT), (demoted, LONG), (full, LONG), (loading, 1), (busy, LONG), (failing_to_save, LONG),
        (locked, LONG), (locked_for_newcomers, LONG), (crowded, LONG), (half_crowded, LONG), (cut_off, 0),
    ],
)  # fmt: skip
def test_an_outage(fault, leases, herd, server, redis, lease_s):
    with fault(server, redis):
        last(leases, lease_s)
    herd.check_back(f'{fault.__name__} for {leases} leases')
    herd.check_runs(attempts={1} if leases < 0.5 or fault in HARMLESS else {1, 2})
    # A freeze shorter than the time that replies may take is told by nothing but the leases.
    herd.check_log(outages={1} if leases >= 1 and fault not in (frozen, locked_for_newcomers) else {0, 1})


def test_a_server_that_came_back_empty(herd, server, redis):
    """What it had accepted is lost with it; the worker and what is started from now on are not."""
    server.kill()
    last(SHORT)
    server.forget()
    server.start()
    wait_until(lambda: not herd.journal.going(), 'what was lost is ended')
    herd.endless = [herd.client.start('endless').id]
    herd.check_back('an empty restart')
    herd.check_log(outages={0, 1})


@pytest.mark.parametrize('fault', [frozen, killed])
def test_a_local_run_outlasts_an_outage(fault, herd, server, redis, client):
    """It holds no lease that could be lost."""
    herd.worker.app.start_local_task('endless')
    [run] = wait_until(lambda: [run for run in client.list(task='endless') if run.is_local], 'it is listed')
    with fault(server, redis):
        last(1.5)
    herd.check_back('an outage with a local run')
    # Its hash lives for one lease after the last heartbeat: the next one writes it anew.
    wait_until(lambda: run.id in {found.id for found in client.list(task='endless')}, 'it is listed again')
    assert (run.refresh().state, run.attempt) == ('RUNNING', 1)
    assert run.stop() == 'requested'
    wait_until(lambda: run.id not in herd.journal.going(), 'it has ended')
    assert run.refresh().state == 'STOPPED'


@pytest.mark.timeout(300)
def test_endless_runs_survive_a_hundred_short_outages(
    make_app, worker, server, client, redis, journal, caplog, turns
):
    chance = random.Random(seed := random.randrange(2**32))
    print('seed', seed)
    running = worker(make_app(lease=1.2))  # a quarter of it is left to interrupt a run, or the process ends
    ids = [run.id for run in client.start_many([Launch('endless')] * 10)]
    wait_until(lambda: len(journal.begins()) == 10, 'they run')
    watch = Watch()
    for turn in range(turns(100)):
        with (frozen if turn % 2 else killed)(server, redis):
            gevent.sleep(chance.uniform(0, 1))
        beat_at = running.heartbeat.beat_at
        wait_until(lambda beat_at=beat_at: running.heartbeat.beat_at > beat_at, f'a beat in turn {turn}')
    watch.took('all outages')
    wait_until(lambda: states(client, ids) == ['RUNNING'] * 10, 'all run on')
    assert client.start('quick').wait(timeout=BACK_S).output == 'quick'
    assert {run.crashes or 0 for run in client.store.runs.read(ids)} == {0}
    journal.check_alone()
    print('attempts', sorted(run.attempt for run in client.store.runs.read(ids)))
    client.stop_many(ids)
    client.wait(*ids, timeout=BACK_S)
    assert stats(redis) == {'SUCCESS:quick': 1, 'STOPPED:endless': 10}
    assert not log_lines('\n'.join(caplog.messages), 'crashed')


def test_a_shutdown_while_redis_is_away(server, redis, client, start_worker, journal, worker):
    """Gone within 25 s, whatever Redis does; what it held is taken over by its lease."""
    run = client.start('nap', {'seconds': 1})
    leaving = start_worker('--drain', '0')
    wait_until(journal.begins, 'it runs', 20)
    with killed(server, redis):
        leaving.terminate()
        watch = Watch()
        assert leaving.wait(30) == 0
        assert watch.took('a shutdown without Redis') < 25
    worker()
    assert run.wait(timeout=BACK_S).state == 'SUCCESS'
    assert stats(redis) == {'SUCCESS:nap': 1}
    journal.check_alone()
