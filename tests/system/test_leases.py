"""Leases under fire: kept while a task computes, and never outlived."""

import signal
import time

import pytest
from support import SOON_S, wait_until

from pytask import PyTask

TASKS = """
    import time
    import gevent
    from gevent import monkey
    from pytask import Interrupted, Task, task

    really_sleep = monkey.get_original('time', 'sleep')

    @task
    def wait():
        gevent.sleep(600)

    @task
    def compute(seconds: float):
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            n += 1
        return n > 0

    @task
    def block(seconds: float):
        really_sleep(seconds)

    @task
    def swallow():
        while True:
            try:
                gevent.sleep(600)
            except Interrupted:
                pass

    class Keeps(Task):
        on_partition = 'keep'
        def start(self):
            gevent.sleep(8)
            return self.attempt
"""

pytestmark = pytest.mark.one_server


@pytest.fixture
def client(server):
    app = PyTask(server.url)
    yield app.client
    app.client.close()


@pytest.mark.promise(2)
@pytest.mark.timeout(120)
def test_a_thousand_leases_are_kept_while_a_task_computes_for_ten_seconds(processes, client, redis):
    processes.tasks(TASKS)
    processes.worker('--lease', '2', '--concurrency', '1100')
    processes.worker('--lease', '2', '--concurrency', '1', '--queue', 'none')  # would recover what is overdue
    runs = client.start_many([('wait', {})] * 1000)
    wait_until(lambda: redis.zcard('leases') == 1000, 'all are leased', 20)
    computing = client.start('compute', {'seconds': 10})
    wait_until(lambda: redis.zcard('leases') == 1001, 'it computes')
    late = 0
    while redis.zcard('leases') == 1001:
        seconds, micros = redis.time()
        late += redis.zcount('leases', '-inf', seconds * 1000 + micros // 1000)
        time.sleep(0.2)
    (ended,) = client.wait(computing, timeout=20)
    assert (ended.state, ended.attempt, late) == ('SUCCESS', 1, 0)
    assert {run.attempt for run in client.list(limit=None, task='wait')} == {1}
    assert set(client.stop_many([run.id for run in runs])) == {'requested'}
    wait_until(lambda: not redis.zcard('leases'), 'all are stopped', 20)


@pytest.mark.promise(2)
def test_a_worker_ends_itself_before_a_run_outlives_its_lease(processes, client, server):
    """Redis is gone, and a run swallows the interruption."""
    processes.tasks(TASKS)
    worker = processes.worker('--lease', '1')
    run = client.start('swallow')
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    since = time.monotonic()
    server.freeze()
    try:
        assert worker.wait(timeout=SOON_S) == 70
    finally:
        server.thaw()
    assert time.monotonic() - since > 0.7
    assert f'run {run.id} outlived its lease and could not be interrupted' in worker.stderr.read()


def test_a_worker_that_hangs_ends_itself_and_shows_where(processes, client, redis):
    processes.tasks(TASKS)
    hanging = processes.worker('--lease', '1', '--max-hang', '2')
    run = client.start('block', {'seconds': 60})
    assert hanging.wait(timeout=20) == 70
    shown = hanging.stderr.read()
    assert 'no greenlet has had a turn for' in shown
    assert 'in block' in shown
    assert run.stop() == 'requested'
    processes.worker('--lease', '1')
    assert run.wait(timeout=SOON_S).state == 'STOPPED'


def test_a_short_block_is_no_hang(processes, client):
    processes.tasks(TASKS)
    worker = processes.worker('--lease', '1', '--max-hang', '3')
    assert client.start('block', {'seconds': 1.5}).wait(timeout=20).attempt == 1
    assert worker.poll() is None


def test_a_frozen_process_did_not_hang(processes, client):
    processes.tasks(TASKS)
    worker = processes.worker('--lease', '1', '--max-hang', '2')
    worker.send_signal(signal.SIGSTOP)
    time.sleep(3)  # time itself is the subject
    worker.send_signal(signal.SIGCONT)
    assert client.start('block', {'seconds': 0}).wait(timeout=20).state == 'SUCCESS'
    assert worker.poll() is None


def test_a_run_that_is_kept_goes_on_without_its_lease(processes, client, server):
    """Two leases without Redis; nobody else is there to take it."""
    processes.tasks(TASKS)
    processes.worker('--lease', '3')  # whose quarters are long enough on a busy machine, too
    run = client.start('keeps')
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    server.freeze()
    time.sleep(6)  # time itself is the subject
    server.thaw()
    ended = run.wait(timeout=20)
    assert (ended.state, ended.output, ended.attempt) == ('SUCCESS', 1, 1)
