"""Back-pressure: what a worker is short of stops it from claiming, and nothing else."""

import contextlib
import os
import resource
from pathlib import Path

import gevent
import pytest
from gevent import monkey
from support import SOON_S, wait_until

from pytask import PyTask
from pytask.worker.monitoring import backpressure
from pytask.worker.monitoring.backpressure import memory_limit, resident_bytes

really_sleep = monkey.get_original('time', 'sleep')


@pytest.fixture
def busy(app, worker):
    """A worker with one endless run, and a quick task."""
    app.task(name='wait')(lambda: gevent.sleep(60))
    app.task(name='quick')(lambda: 'fine')
    running = worker()
    endless = app.client.start('wait')
    wait_until(lambda: running.slots.get(endless.id), 'it runs')
    return running, endless


def is_short_of(running, what):
    wait_until(lambda: what in running.backpressure.why, f'short of {what}')


def goes_on(app, running, endless, relieve):
    """While short nothing is claimed and the rest goes on; relieved, it claims again."""
    run = app.client.start('quick')
    wait_until(lambda: not running.backpressure.relieved.is_set(), 'it claims nothing')
    gevent.get_hub().join(timeout=1.2)
    assert run.refresh().state == 'WAIT'
    assert app.client.get(endless.id).state == 'RUNNING'
    relieve()
    assert run.wait(timeout=SOON_S).output == 'fine'
    assert app.client.get(endless.id).attempt == 1
    assert (running.backpressure.why, running.report.counts['SERVICE CRASHED']) == ('', 0)


def test_file_descriptors(app, busy, monkeypatch):
    running, endless = busy
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    used = sum(1 for _ in os.scandir('/proc/self/fd'))
    monkeypatch.setattr(backpressure, 'FILES_SHARE', (used - 5) / limit)
    is_short_of(running, 'file descriptors: ')
    goes_on(app, running, endless, lambda: monkeypatch.setattr(backpressure, 'FILES_SHARE', 1.0))


def test_not_one_file_descriptor(app, busy):
    running, endless = busy
    app.client.start('quick').wait(timeout=SOON_S)  # all have the connections that they need
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path('/proc/self/fd').iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, limits[1]))
    taken = []

    def relieve():
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        while taken:
            os.close(taken.pop())

    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        is_short_of(running, 'file descriptors: ')
        goes_on(app, running, endless, relieve)
    finally:
        relieve()


@pytest.mark.promise('The machine is short')
def test_memory(app, busy, monkeypatch):
    running, endless = busy
    running.backpressure._most_bytes = resident_bytes()
    is_short_of(running, 'memory: ')
    goes_on(app, running, endless, lambda: setattr(running.backpressure, '_most_bytes', float('inf')))


def test_a_late_hub(app, busy):
    running, _ = busy
    blocker = app.task(name='block')(lambda: really_sleep(2.5))
    blocker.apply()
    is_short_of(running, 'the event loop was')
    assert running.backpressure.lag_s > 1
    wait_until(lambda: not running.backpressure.why, 'it is on time again')
    assert app.client.start('quick').wait(timeout=SOON_S).output == 'fine'


def test_other_workers_see_it(app, busy, monkeypatch):
    running, _ = busy
    running.backpressure._most_bytes = resident_bytes()
    is_short_of(running, 'memory')
    seen = wait_until(lambda: app.client.store.workers.alive()[0].get('troubles'), 'it stands in its record')
    assert seen.startswith('not claiming runs, short of memory: ')
    running.backpressure._most_bytes = float('inf')


def test_a_worker_that_leaked_asks_to_be_restarted(server, worker, tmp_path):
    """Short of memory with nothing running: it will not get better by waiting."""
    from support import InProcess  # not by the fixture, which expects workers to live

    app = PyTask(server.url, lease=2)
    running = InProcess(app)
    running.start().backpressure._most_bytes = resident_bytes()
    assert running.greenlet.get(timeout=SOON_S) == 75
    app.client.close()


def test_the_setting_is_where_claiming_stops():
    assert memory_limit(100) * backpressure.MEMORY_SHARE == 100 * 2**20


def test_without_a_setting_the_least_limit_counts(tmp_path, monkeypatch):
    cgroup = tmp_path / 'memory.max'
    cgroup.write_text('1000000\n')
    monkeypatch.setattr(backpressure, '_CGROUP_FILES', (str(cgroup), '/nowhere'))
    assert memory_limit(0) == 1_000_000
    cgroup.write_text('max\n')
    assert memory_limit(0) == float('inf')
