"""Recovery and cleanup, as pytask's own tasks do them inside a worker."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import Cleanup, PyTask, State
from pytask.config.settings import Settings


@pytest.fixture
def quick_app(server):
    app = PyTask(server.url, lease=1)
    yield app
    app.client.close()


def lease(redis, run_id, *, late_ms):
    seconds, micros = redis.time()
    redis.zadd('leases', {run_id: seconds * 1000 + micros // 1000 - late_ms})


def running_elsewhere(redis, run_id, task, *, worker='ghost-1', late_ms=100, **fields):
    """Write down a run as a worker that died has left it."""
    seconds, _ = redis.time()
    redis.hset(f'task-{run_id}', mapping={
        'task': task, 'data': '{}', 'state': 'RUNNING', 'queue': 'default', 'attempt': 3, 'worker': worker,
        'token': f'3:abc:{worker}', 'created': seconds, 'started': seconds, **fields,
    })  # fmt: skip
    lease(redis, run_id, late_ms=late_ms)


def test_a_run_of_a_dead_worker_is_run_again_and_the_crash_is_counted(quick_app, worker, redis):
    quick_app.task(name='quick')(lambda: 'recovered')
    running_elsewhere(redis, '42', 'quick')
    worker(quick_app)
    (run,) = quick_app.client.wait('42', timeout=SOON_S)
    assert (run.state, run.output, run.attempt, run.crashes) == (State.SUCCESS, 'recovered', 4, 1)


def test_recovery_takes_at_most_1_7_leases(quick_app, worker, redis):
    """From the last renewal; here the lease is over already, so 0.7 of one is left."""
    quick_app.task(name='quick')(lambda: None)
    worker(quick_app)
    seconds, micros = redis.time()
    running_elsewhere(redis, '42', 'quick', late_ms=0)
    (run,) = quick_app.client.wait('42', timeout=SOON_S)
    assert (
        run.started - (seconds + micros / 1e6) < 0.7 + 1
    )  # by the clock of Redis; the second is for a busy machine


def test_a_run_whose_worker_lives_is_no_crash(quick_app, worker, redis):
    quick_app.task(name='quick')(lambda: None)
    running = worker(quick_app)
    running_elsewhere(redis, '42', 'quick', worker=running.id)
    (run,) = quick_app.client.wait('42', timeout=SOON_S)
    assert (run.attempt, run.crashes) == (4, 0)


def test_a_lease_that_is_renewed_meanwhile_is_left_alone(quick_app, worker, redis):
    quick_app.task(name='quick')(lambda: None)
    worker(quick_app)
    running_elsewhere(redis, '42', 'quick')
    for _ in range(12):
        lease(redis, '42', late_ms=10)
        gevent.get_hub().join(timeout=0.1)
    assert redis.hmget('task-42', 'state', 'attempt', 'reason') == ['RUNNING', '3', None]
    redis.delete('task-42', 'leases')


def test_a_deadline_impossibly_far_ahead_counts_as_overdue(quick_app, worker, redis):
    """The server's clock was turned back."""
    quick_app.task(name='quick')(lambda: 'recovered')
    running_elsewhere(redis, '42', 'quick', late_ms=-3_600_000)
    worker(quick_app)
    (run,) = quick_app.client.wait('42', timeout=SOON_S)
    assert run.output == 'recovered'


def test_a_recovered_run_that_was_told_to_stop_is_stopped(quick_app, worker, redis):
    quick_app.task(name='quick')(lambda: 'not again')
    running_elsewhere(redis, '42', 'quick', stop=3)
    worker(quick_app)
    (run,) = quick_app.client.wait('42', timeout=SOON_S)
    assert (run.state, run.output) == (State.STOPPED, None)


def test_many_runs_of_a_dead_worker_are_recovered_by_two_workers_once_each(server, worker, redis):
    ran, apps = [], [PyTask(server.url, lease=1) for _ in range(2)]
    for n in range(300):
        running_elsewhere(redis, str(n), 'note')
    for app in apps:
        app.task(name='note')(lambda: ran.append(True))
        worker(app)
    ended = apps[0].client.wait(*map(str, range(300)), timeout=SOON_S)
    assert {run.attempt for run in ended} == {4}
    assert len(ran) == 300
    for app in apps:
        app.client.close()


def ended(redis, run_id, state, *, age_s=0, **fields):
    seconds, _ = redis.time()
    redis.hset(f'task-{run_id}', mapping={'task': 'x', 'state': state, 'ended': seconds - age_s, **fields})
    redis.zadd(f'ended-{state}', {run_id: (seconds - age_s) * 1000})


def test_cleanup_prunes_by_age(app, redis):
    for n in range(5):
        ended(redis, f'old-{n}', 'SUCCESS', age_s=100)
        ended(redis, f'new-{n}', 'SUCCESS', age_s=10)
    assert Cleanup.prune(app.client.store, State.SUCCESS, Settings(keep_success_s=50)) == 5
    assert sorted(redis.keys('task-*')) == [f'task-new-{n}' for n in range(5)]
    assert redis.zcard('ended-SUCCESS') == 5


def test_cleanup_prunes_by_number_the_oldest_first(app, redis):
    for n in range(450):
        ended(redis, f'{n:03}', 'ERROR', age_s=1000 - n)
    assert Cleanup.prune(app.client.store, State.ERROR, Settings(max_ended=20)) == 430
    assert sorted(redis.keys('task-*')) == [f'task-{n:03}' for n in range(430, 450)]


def test_cleanup_keeps_what_is_marked(app, redis):
    for n in range(250):
        ended(redis, f'kept-{n}', 'SUCCESS', age_s=200, keep=1)
        ended(redis, f'old-{n}', 'SUCCESS', age_s=100)
    assert Cleanup.prune(app.client.store, State.SUCCESS, Settings(keep_success_s=50)) == 250
    assert len(redis.keys('task-kept-*')) == 250
    assert redis.keys('task-old-*') == []


def test_successes_and_the_rest_are_kept_differently(app, redis):
    ended(redis, 'success', 'SUCCESS', age_s=7200)
    ended(redis, 'error', 'ERROR', age_s=7200)
    for state in (State.SUCCESS, State.ERROR):
        Cleanup.prune(app.client.store, state, Settings())
    assert redis.keys('task-*') == ['task-error']


def test_cleanup_drops_an_index_entry_without_a_hash(app, redis):
    redis.zadd('ended-STOPPED', {'gone': 1})
    Cleanup.prune(app.client.store, State.STOPPED, Settings())
    assert redis.zcard('ended-STOPPED') == 0


def test_a_worker_cleans_up_by_itself(server, worker, redis):
    app = PyTask(server.url, lease=2, keep_success=50, keep_ended=50)
    for state in ('SUCCESS', 'ERROR', 'EXCEPTION', 'STOPPED'):
        ended(redis, f'old-{state}', state, age_s=100)
    worker(app)
    wait_until(lambda: not redis.keys('task-old-*'), 'they are pruned')
    app.client.close()
