"""Local runs: pytask's own tasks and those an app starts with its worker; gone when the worker is."""

import gevent
import pytest
from support import SOON_S, InProcess, wait_until

import pytask
from pytask import InputError, NotFound, State, Task


def locals_of(app, name, count=1):
    def found():
        runs = [run for run in app.client.list(states=['RUNNING']) if run.task == name]
        return runs if len(runs) == count else None

    return wait_until(found, f'{count} local runs of {name}')


@pytest.mark.parametrize('name', ['pytask/monitor', 'pytask/cleanup', 'pytask/scheduler'])
def test_pytasks_own_tasks_show_as_local_runs(app, worker, name):
    running = worker()
    (run,) = locals_of(app, name)
    assert run.is_local
    assert (run.state, run.worker) == (State.RUNNING, running.id)


@pytest.mark.parametrize('name', ['pytask/monitor', 'pytask/cleanup', 'pytask/scheduler'])
def test_stopping_one_of_them_is_refused(app, worker, redis, name):
    running = worker()
    (run,) = locals_of(app, name)
    assert run.stop() == 'refused'
    assert run.reload() == 'refused'
    redis.publish(f'task-{run.id}-control', 'stop')
    running.listener._asked_at = 0.0
    proved_at = running.listener._proved_at
    wait_until(lambda: running.listener._proved_at > proved_at, 'the listener has read on')
    assert run.refresh().state is State.RUNNING


@pytest.mark.parametrize('name', ['pytask/monitor', 'pytask/cleanup', 'pytask/scheduler'])
def test_from_a_queue_they_end_in_error(app, worker, redis, name):
    worker()
    redis.hset('task-42', 'task', name)
    redis.lpush('new-task', '42')
    (run,) = app.client.wait('42', timeout=SOON_S)
    assert run.state is State.ERROR
    assert run.output == f"{name} is one of pytask's own tasks: every worker runs it already"


def test_adding_and_starting_them_again_changes_nothing(app, worker):
    for task in (pytask.Monitor, pytask.Cleanup, pytask.Scheduler):
        app.add_task(task)
        app.add_task(task)
        app.start_local_task(task)
        app.start_local_task(task.NAME)
    worker()
    locals_of(app, 'pytask/monitor')
    locals_of(app, 'pytask/cleanup')
    locals_of(app, 'pytask/scheduler')


def test_every_worker_has_its_own(app, server, worker):
    other = pytask.PyTask(server.url, lease=app.settings.lease_s)
    first, second = worker(), worker(other)
    assert {run.worker for run in locals_of(app, 'pytask/monitor', 2)} == {first.id, second.id}
    other.client.close()


def test_one_that_crashes_is_started_anew(app, worker, monkeypatch):
    starts = []
    start = pytask.Monitor.start

    def flaky(self):
        starts.append(self.id)
        if len(starts) == 1:
            raise ValueError('once')
        start(self)

    monkeypatch.setattr(pytask.Monitor, 'start', flaky)
    running = worker()
    wait_until(lambda: len(starts) == 2, 'it was started again')
    assert running.is_ready


def test_an_app_may_start_tasks_with_its_worker(app, worker):
    """They hold no lease and take no slot."""
    begun = gevent.event.Event()

    class Clock(Task):
        def __init__(self, zone):
            self.zone = zone

        def start(self):
            begun.set()
            self.stopping.wait()

    app.add_task(Clock)
    app.start_local_task(Clock, {'zone': 'UTC'})
    running = worker()
    assert begun.wait(5)
    (run,) = locals_of(app, 'clock')
    assert (run.is_local, run.data, running.slots.taken) == (True, {'zone': 'UTC'}, 0)


def test_a_local_run_can_be_stopped_by_its_id(app, worker):
    class Clock(Task):
        graceful = True

        def start(self):
            self.stopping.wait()
            return 'at once'

    app.add_task(Clock)
    app.start_local_task('clock')
    worker()
    (run,) = locals_of(app, 'clock')
    assert run.stop() == 'requested'
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.STOPPED, 'at once')


def test_a_local_run_that_ends_stays_ended(app, worker, redis):
    app.task(name='once')(lambda: 'done')
    app.start_local_task('once')
    worker()
    ended = wait_until(lambda: app.client.list(states=['SUCCESS']), 'it has ended')
    assert [(run.task, run.output) for run in ended] == [('once', 'done')]
    assert redis.ttl(f'task-{ended[0].id}') == -1
    assert ended[0].retry() == 'refused'


def test_a_heartbeat_leaves_ended_local_runs_alone(app, worker, redis):
    """It may have read its list of local runs just before one of them ended."""
    app.task(name='once')(lambda: 'done')
    app.start_local_task('once')
    running = worker()
    (run,) = wait_until(lambda: app.client.list(states=['SUCCESS']), 'it has ended')
    app.client.store.workers.register(running.id, lease_ms=2000, fields={'slots': 1}, local_ids=[run.id])
    assert redis.ttl(f'task-{run.id}') == -1


def test_a_local_run_ends_with_its_worker(app):
    cleaned = []

    class Clock(Task):
        graceful = True

        def start(self):
            self.stopping.wait()
            gevent.sleep(0.2)
            cleaned.append(True)

    app.add_task(Clock)
    app.start_local_task(Clock)
    running = InProcess(app)
    running.start()
    (run,) = locals_of(app, 'clock')
    running.worker.shut_down('test')
    assert running.greenlet.get(timeout=SOON_S) == 0
    assert cleaned == [True]
    assert run.refresh().is_ended
    assert not running.worker.slots.all()


def test_starting_an_unknown_task_says_which_are_near(app):
    app.task(name='hello')(lambda: None)
    with pytest.raises(NotFound, match='did you mean "hello"'):
        app.start_local_task('helo')


def test_starting_one_with_bad_data_fails_at_once(app):
    @app.task
    def hello(name: str):
        return None

    with pytest.raises(InputError, match='name  is missing'):
        app.start_local_task('hello')
