"""Metrics: what a worker counts, and the page it renders of it."""

import re

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PyTask, Task
from pytask.authoring.registry import Registry
from pytask.core.clock import wall_s
from pytask.store import Claimed
from pytask.worker.live import Live
from pytask.worker.metrics import BOUNDS_S, UNKNOWN, Histogram, Metrics, family
from pytask.worker.monitoring import metrics_page

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def samples(page):
    """Return {(name, labels): value}; fails on a line that is no sample and no comment."""
    found = {}
    for line in page.splitlines():
        if not line.startswith(('# HELP ', '# TYPE ')):
            match = SAMPLE.fullmatch(line)
            assert match, line
            found[match[1], match[2] or ''] = float(match[3])
    return found


class Named(Task):
    NAME = 'named'

    def start(self):
        raise self.Error('no')


@pytest.fixture
def registry():
    registry = Registry()
    registry.add(Named)
    return registry


def live(task_name, queue='default', took_s=0.0):
    made = Live(Claimed('1', task_name, b'{}', 1, 't'), 0.0, queue)
    made.took_s = took_s
    return made


def test_labels_are_names_of_registered_tasks_or_one_for_all_others(registry):
    metrics = Metrics(registry)
    for n in range(1000):
        metrics.started(live(f'foreign-{n}'), 100)
    metrics.started(live('named'), 100)
    metrics.started(live(f'{Named.__module__}.Named'), -1)
    assert {of.name: of.started for of in metrics.tasks()} == {
        UNKNOWN: {'default': 1000},
        'named': {'default': 2},
    }
    assert len(metrics._by_name) == 2
    assert {of.name: sum(of.waited.counts) for of in metrics.tasks()} == {UNKNOWN: 1000, 'named': 1}


def test_a_histogram_counts_each_value_once_at_its_bound():
    histogram = Histogram()
    for value in (0, 0.005, 0.006, 3600, 3601):
        histogram.observe(value)
    assert histogram.counts == [2, 1, *[0] * (len(BOUNDS_S) - 3), 1, 1]
    assert histogram.total == 7201.011


def test_label_values_are_escaped():
    assert list(family('m', 'gauge', 'About.', [({'a': 'x"\\\ny'}, 1)])) == [
        '# HELP m About.',
        '# TYPE m gauge',
        'm{a="x\\"\\\\\\ny"} 1',
    ]
    assert list(family('m', 'gauge', 'About.', [])) == []


@pytest.fixture
def busy(server, worker):
    """A worker on two queues, and its page."""
    app = PyTask(server.url, lease=5, queue=('default', 'mail'), concurrency=3)
    app.add_task(Named)
    app.task(name='well')(lambda: 1)
    app.task(name='wait', queue='mail')(lambda: gevent.spawn(gevent.sleep, 60) and gevent.sleep(60))
    running = worker(app)
    page = running.metrics_page
    yield app, running, lambda: samples(page.page())
    app.client.close()


def test_runs_are_counted_by_task_queue_and_state(busy):
    app, _, page = busy
    for _ in range(3):
        app.client.start('well').wait(timeout=SOON_S)
    app.client.start('named').wait(timeout=SOON_S)
    wait = app.client.start('wait')
    wait_until(lambda: wait.refresh().state == 'RUNNING', 'it runs')
    counted = wait_until(
        lambda: (now := page()).get(('pytask_tasks', 'state="SUCCESS"')) == 3 and now, 'Redis was asked anew'
    )
    assert counted['pytask_tasks_started_total', 'task="well",queue="default"'] == 3
    assert counted['pytask_tasks_started_total', 'task="wait",queue="mail"'] == 1
    assert counted['pytask_tasks_finished_total', 'task="well",queue="default",state="SUCCESS"'] == 3
    assert counted['pytask_tasks_finished_total', 'task="named",queue="default",state="ERROR"'] == 1
    assert counted['pytask_task_run_seconds_bucket', 'task="well",le="+Inf"'] == 3
    assert counted['pytask_task_run_seconds_count', 'task="well"'] == 3
    assert counted['pytask_worker_slots', ''] == 3
    assert counted['pytask_worker_slots_taken', ''] == 1
    assert counted['pytask_worker_up', ''] == counted['pytask_worker_ready', ''] == 1
    assert counted['pytask_worker_greenlets', ''] == 5  # the run, its child, and three of our own
    assert counted['pytask_tasks', 'state="RUNNING"'] == 1
    assert counted['pytask_tasks', 'queue="mail",state="WAIT"'] == 0
    assert counted['pytask_queue_latency_seconds', 'queue="default"'] == 0
    assert counted['process_resident_memory_bytes', ''] > 1_000_000
    assert counted['process_open_fds', ''] > 3
    wait.stop()


def test_a_run_that_is_given_back_has_not_finished(server, worker):
    app = PyTask(server.url, lease=5, drain=0)
    app.task(name='wait')(lambda: gevent.sleep(60))
    running = worker(app)
    app.client.start('wait')
    wait_until(lambda: running.slots.taken, 'it runs')
    running.shut_down('test')
    wait_until(lambda: not running.slots.taken, 'it is given back')
    (of,) = running.report.metrics.tasks()
    assert (of.started, of.finished) == ({'default': 1}, {})
    app.client.close()


def test_the_latency_is_the_age_of_the_oldest_waiting_run(busy, redis, monkeypatch):
    _, _, page = busy
    monkeypatch.setattr(metrics_page, 'FRESH_S', 0)
    redis.sadd('queues', 'other')
    redis.hset('task-old', mapping={'task': 'well', 'created': wall_s() - 100})
    redis.lpush('new-task-other', 'old', 'no-hash')
    assert 99 < page()['pytask_queue_latency_seconds', 'queue="other"'] < 200
    assert page()['pytask_tasks', 'queue="other",state="WAIT"'] == 2
    redis.rpop('new-task-other')  # the next in line says nothing of its age: from now on, then
    assert page()['pytask_queue_latency_seconds', 'queue="other"'] < 10
    wait_until(lambda: page()['pytask_queue_latency_seconds', 'queue="other"'] > 0, 'it grows')
    redis.delete('new-task-other', 'task-old')


def test_a_foreign_key_of_another_type_harms_no_other_queue(busy, redis, monkeypatch):
    _, _, page = busy
    monkeypatch.setattr(metrics_page, 'FRESH_S', 0)
    redis.sadd('queues', 'a', 'b')
    redis.set('task-text', 'not a hash', ex=60)
    redis.lpush('new-task-a', 'text')
    redis.hset('task-old', mapping={'task': 'well', 'created': wall_s() - 100})
    redis.lpush('new-task-b', 'old')
    assert page()['pytask_queue_latency_seconds', 'queue="b"'] > 90
    assert page()['pytask_tasks', 'queue="a",state="WAIT"'] == 1
    redis.delete('new-task-a', 'new-task-b', 'task-old', 'task-text')


def test_while_redis_is_away_its_figures_are_left_out(busy, server):
    _, _, page = busy
    names = set()

    def are_left_out():
        names.clear()
        names.update(name for name, _ in page())
        return 'pytask_tasks' not in names

    server.freeze()
    try:
        wait_until(are_left_out, 'they are left out')
    finally:
        server.thaw()
    assert {'pytask_worker_up', 'pytask_redis_errors_total'} <= names
    assert 'pytask_queue_latency_seconds' not in names
    wait_until(lambda: ('pytask_tasks', 'state="RUNNING"') in page(), 'they are back', 20)


def test_how_late_the_hub_is_and_how_long_runs_waited(busy):
    app, running, page = busy
    app.client.start('well').wait(timeout=SOON_S)
    running.backpressure.lag_s = 0.25
    shown = page()
    assert shown['pytask_hub_lag_seconds', ''] == 0.25
    assert shown['pytask_task_wait_seconds_count', 'task="well"'] >= 1
    assert shown['pytask_task_wait_seconds_bucket', 'task="well",le="60"'] >= 1
