"""A worker is frozen, signalled while it starts, starved of memory and descriptors, or has a double."""

import errno
import resource
import signal
from collections import Counter

import gevent
import pytest
from gevent.pool import Pool
from support import SOON_S, wait_until
from tools import LEASE_S, Watch, check_ended_once, states

from pytask.client.starting import Launch
from pytask.embedded.server import free_port


@pytest.mark.parametrize('task', ['nap', 'endless'])
def test_a_worker_frozen_past_its_lease_writes_nothing(task, start_worker, client, redis, journal, heard, worker):
    run = client.start(task)
    frozen = start_worker('--queue', 'default', '--queue', 'own', name='frozen')
    wait_until(journal.begins, 'it runs', 20)
    frozen.send_signal(signal.SIGSTOP)
    worker()
    wait_until(lambda: journal.begins()[run.id] == 2, 'another worker runs it')
    gevent.sleep(0.1 if task == 'nap' else 0)  # both kinds of waking up: while the other runs it, and after
    frozen.send_signal(signal.SIGCONT)
    # Thawed, it works on: this run is for it alone.
    assert client.start('quick', queue='own').wait(timeout=SOON_S).worker.startswith('frozen')
    wait_until(
        lambda: 'its lease is lost' in frozen.log.read_text(), 'it has noticed'
    ) if task == 'endless' else None
    if task == 'endless':
        run.stop()
    run.wait(timeout=SOON_S)
    assert run.attempt == 2
    assert not run.worker.startswith('frozen')
    assert heard.endings()[run.id] == 1
    if task == 'nap':
        assert run.output == 2  # the attempt that was recorded
    assert frozen.poll() is None


def terminated(process, after_s):
    """Let a process run so long, terminate it, and return how long it took to end."""
    gevent.sleep(after_s)
    process.terminate()
    watch = Watch()
    process.wait(20)
    return watch.span()


@pytest.mark.parametrize('redis_is', ['there', 'gone', 'frozen'])
@pytest.mark.timeout(120)
def test_sigterm_at_any_moment_of_the_start(redis_is, server, start_worker, client, redis, journal):
    ids = [run.id for run in client.start_many([Launch('endless')] * 50)]
    url = f'redis://127.0.0.1:{free_port()}/0' if redis_is == 'gone' else server.url
    if redis_is == 'frozen':
        server.freeze()
    step_s = 0.05 if redis_is == 'there' else 0.1

    def at(moment):
        process = start_worker(
            '--redis', url, '--drain', '0', '--lease', '5', '--concurrency', '20', name=f'w{moment}'
        )
        took_s = terminated(process, moment * step_s)
        return process.returncode, took_s

    ended = Pool(10 if redis_is == 'frozen' else 4).map(at, range(round(2 / step_s) + 1))
    server.thaw()
    codes = Counter(code for code, _ in ended)
    print(codes, f'slowest: {max(took_s for _, took_s in ended):.2f} s')
    assert set(codes) <= {-signal.SIGTERM, 0, 69}
    assert max(took_s for _, took_s in ended) < SOON_S
    wait_until(lambda: set(states(client, ids)) == {'WAIT'}, 'nothing is left running')
    assert redis.zcard('leases') == 0
    assert sorted(redis.lrange('new-task', 0, -1)) == sorted(ids)


def limited(kind, amount):
    return lambda: resource.setrlimit(kind, (amount, amount))


@pytest.mark.parametrize('kept_s', [0, 1])
def test_out_of_memory_is_the_hogs_trouble_only(kept_s, start_worker, client, redis, journal):
    others = client.start_many([Launch('nap', {'seconds': 2})] * 20)
    victim = start_worker(preexec_fn=limited(resource.RLIMIT_AS, 700 * 2**20), lease=5)  # none is lost by the way
    wait_until(lambda: len(journal.begins()) == 20, 'they run', 20)
    hog = client.start('memory-hog', {'seconds': kept_s})
    hog.wait(timeout=SOON_S)
    assert (hog.state, hog.output['type']) == ('EXCEPTION', 'MemoryError')
    client.wait(*others, timeout=SOON_S)
    assert {(run.refresh().state, run.attempt) for run in others} == {('SUCCESS', 1)}
    assert client.start('quick').wait(timeout=SOON_S).output == 'quick'
    assert victim.poll() is None


def test_out_of_descriptors_hurts_nobody_who_needs_none(start_worker, client, redis, journal):
    others = client.start_many([Launch('silent-nap', {'seconds': 3 * LEASE_S})] * 10)
    victim = start_worker(preexec_fn=limited(resource.RLIMIT_NOFILE, 64))
    wait_until(lambda: set(states(client, [run.id for run in others])) == {'RUNNING'}, 'they run', 20)
    hog = client.start('descriptor-hog', {'seconds': 2 * LEASE_S})
    wait_until(lambda: hog.refresh().progress, 'it has all descriptors')
    deadline = redis.zscore('leases', others[0].id)
    assert client.start('silent-nap', {'seconds': 0}).wait(timeout=SOON_S).state == 'SUCCESS'
    wait_until(lambda: redis.zscore('leases', others[0].id) > deadline, 'leases are renewed')
    assert hog.refresh().state == 'RUNNING'
    hog.wait(timeout=SOON_S)
    assert hog.output == errno.EMFILE
    client.wait(*others, timeout=SOON_S)
    assert {(run.refresh().state, run.attempt) for run in (*others, hog)} == {('SUCCESS', 1)}
    assert client.start('quick').wait(timeout=SOON_S).output == 'quick'
    assert victim.poll() is None


def test_out_of_descriptors_and_cut_off_it_comes_back_with_the_last_hog(start_worker, client, redis, journal):
    """Connections lost meanwhile can not be made anew until the hog ends."""
    victim = start_worker(preexec_fn=limited(resource.RLIMIT_NOFILE, 64))
    hog = client.start('descriptor-hog', {'seconds': 1.0})
    wait_until(lambda: hog.refresh().progress, 'it has all descriptors', 20)
    for kind in ('normal', 'pubsub'):
        redis.execute_command('CLIENT', 'KILL', 'TYPE', kind)
    assert client.start('silent-nap', {'seconds': 0}).wait(timeout=SOON_S).state == 'SUCCESS'
    assert hog.wait(timeout=SOON_S).output == errno.EMFILE
    endless = client.start('endless')
    wait_until(lambda: endless.refresh().state == 'RUNNING', 'it runs')
    wait_until(lambda: redis.publish(f'task-{endless.id}-control', 'stop'), 'the worker listens again')
    assert endless.wait(timeout=SOON_S).state == 'STOPPED'
    assert victim.poll() is None


def test_two_workers_of_one_name_share_the_work(start_worker, client, redis, journal, heard):
    # Slots for a fortieth: alone either would have to turn for eight seconds.
    pair = [start_worker('--concurrency', '5', name='same') for _ in range(2)]
    wait_until(lambda: redis.zcard('workers') == 2, 'both have registered', 20)
    runs = client.start_many([Launch('nap', {'seconds': 0.2})] * 200)
    ids = [run.id for run in runs]
    client.wait(*ids, timeout=40)
    check_ended_once(client, redis, ids, heard=heard)
    assert set(journal.begins().values()) == {1}
    assert len({line.pid for line in journal.lines()}) == 2
    assert all(process.poll() is None for process in pair)
