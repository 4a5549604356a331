"""Shutdown: short runs finish, long ones are given back to the front, nothing is left RUNNING."""

from pathlib import Path

import gevent
import pytest
from support import SOON_S, InProcess, wait_until

from pytask import ConfigError, PyTask, State, Task
from pytask.store import Store
from pytask.worker.worker import Worker


@pytest.fixture
def start(server):
    """Start a worker of its own app with other settings; return the app and the worker in process."""
    apps, started = [], []

    def start(*tasks, **settings):
        app = PyTask(server.url, **{'lease': 2, **settings})
        apps.append(app)
        for task in tasks:
            app.add_task(task)
        running = InProcess(app)
        running.start()
        started.append(running)
        return app, running

    yield start
    for running in started:
        running.stop()
    for app in apps:
        app.client.close()


class Long(Task):
    begun = []

    def start(self):
        self.begun.append(self.id)
        gevent.sleep(60)


@pytest.fixture(autouse=True)
def forget():
    Long.begun.clear()


def shut_down(running, *reasons):
    for reason in reasons or ('test',):
        running.worker.shut_down(reason)
    return running.greenlet.get(timeout=SOON_S)


def test_a_long_run_is_given_back_to_the_front(start, redis):
    app, running = start(Long, drain=0.1, concurrency=1)
    run = app.client.start(Long)
    wait_until(lambda: Long.begun, 'it runs')
    behind = app.client.start(Long)
    assert shut_down(running) == 0
    assert redis.lrange('new-task', 0, -1) == [behind.id, run.id]
    run.refresh()
    assert (run.state, run.reason, run.attempt, run.crashes) == (State.WAIT, 'shutdown', 1, 0)
    assert redis.zcard('leases') == 0


def test_what_was_given_back_is_run_by_the_next_worker(start):
    app, running = start(Long, drain=0)
    run = app.client.start(Long)
    wait_until(lambda: Long.begun, 'it runs')
    shut_down(running)
    start(Long)
    wait_until(lambda: Long.begun == [run.id, run.id], 'it runs again')
    assert run.refresh().attempt == 2


def test_drain_lets_short_runs_finish(start):
    class Short(Task):
        def start(self):
            Long.begun.append(self.id)
            gevent.sleep(0.3)
            return self.stopping.is_set()

    app, running = start(Short, drain=5)
    run = app.client.start(Short)
    wait_until(lambda: Long.begun, 'it runs')
    assert shut_down(running) == 0
    run.refresh()
    assert (run.state, run.output) == (State.SUCCESS, False)


def test_a_draining_worker_claims_nothing_new(start, redis):
    class Short(Task):
        def start(self):
            Long.begun.append(self.id)
            gevent.sleep(0.3)

    app, running = start(Short, drain=5)
    app.client.start(Short)
    wait_until(lambda: Long.begun, 'it runs')
    running.worker.shut_down('test')
    gevent.sleep(0)
    late = app.client.start(Short)
    running.greenlet.get(timeout=SOON_S)
    assert (late.refresh().state, late.attempt) == (State.WAIT, 0)


def test_a_graceful_task_may_bring_its_outcome_home(start):
    class Graceful(Task):
        graceful = True

        def start(self):
            Long.begun.append(self.id)
            self.stopping.wait()
            return 'what I have'

    app, running = start(Graceful, drain=0)
    run = app.client.start(Graceful)
    wait_until(lambda: Long.begun, 'it runs')
    shut_down(running)
    run.refresh()
    assert (run.state, run.output) == (State.SUCCESS, 'what I have')


def test_a_task_with_stop_is_asked_and_given_back(start):
    class Asked(Task):
        def start(self):
            self.over = gevent.event.Event()
            Long.begun.append(self.id)
            self.over.wait()
            return 'not finished'

        def stop(self):
            self.over.set()

    app, running = start(Asked, drain=0)
    run = app.client.start(Asked)
    wait_until(lambda: Long.begun, 'it runs')
    shut_down(running)
    assert (run.refresh().state, run.output) == (State.WAIT, None)


def test_a_run_told_to_stop_before_the_shutdown_is_stopped(start):
    class Slow(Task):
        graceful = True

        def start(self):
            Long.begun.append(self.id)
            self.stopping.wait()
            gevent.sleep(0.2)

    app, running = start(Slow, drain=0)
    run = app.client.start(Slow)
    wait_until(lambda: Long.begun, 'it runs')
    live = running.worker.slots.get(run.id)
    run.stop()
    wait_until(lambda: live.end.reason, 'it was told')
    shut_down(running)
    assert run.refresh().state is State.STOPPED


def test_a_second_reason_hurries(start):
    app, running = start(Long, drain=30)
    run = app.client.start(Long)
    wait_until(lambda: Long.begun, 'it runs')
    with gevent.Timeout(3):
        assert shut_down(running, 'once', 'twice') == 0
    assert run.refresh().state is State.WAIT


def test_five_hundred_runs_are_given_back_in_their_order(start, redis):
    app, running = start(Long, drain=0)
    runs = app.client.start_many([(Long, {})] * 500)
    wait_until(lambda: len(Long.begun) == 500, 'all of them run')
    shut_down(running)
    assert sorted(redis.lrange('new-task', 0, -1)) == sorted(run.id for run in runs)
    assert redis.zcard('leases') == 0
    assert {run.state for run in app.client.list(limit=None)} == {State.WAIT}


def test_a_worker_is_stopped_by_a_command_as_soon_as_it_has_started(start, redis, monkeypatch):
    commands = Store.commands

    def late(*given):
        gevent.sleep(0.2)
        return commands(*given)

    monkeypatch.setattr(Store, 'commands', late)
    _, running = start(drain=0)
    assert redis.publish(f'worker-{running.worker.id}-control', 'stop') == 1
    assert running.greenlet.get(timeout=SOON_S) == 0


def test_app_stop_shuts_the_worker_down_from_inside_a_task(start):
    class Last(Task):
        def start(self):
            self.app.stop()
            return 'the last'

    app, running = start(Last, drain=5)
    run = app.client.start(Last)
    assert running.greenlet.get(timeout=SOON_S) == 0
    assert run.refresh().output == 'the last'


def test_a_worker_that_has_left_leaves_no_trace(start, redis):
    app, running = start(drain=0)
    app.task(name='quick')(lambda: None)
    worker_id = running.worker.id
    assert redis.exists(f'worker-{worker_id}')
    shut_down(running)
    assert redis.keys(f'*{worker_id}*') == []
    assert redis.zcard('workers') == 0


def test_a_worker_that_has_left_holds_no_descriptors(start):
    def come_and_go():
        app, running = start(drain=0)
        shut_down(running)
        app.client.close()
        return len(list(Path('/proc/self/fd').iterdir()))

    first = come_and_go()
    assert [come_and_go() for _ in range(3)] == [first] * 3


def test_a_worker_with_another_lease_is_refused(start, server):
    start(lease=2)
    with pytest.raises(ConfigError, match='use a lease of 2 s, this one 3 s; start it with --lease 2'):
        Worker(PyTask(server.url, lease=3)).serve()
