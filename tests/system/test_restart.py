"""A worker that needs a new process becomes one: same process id, and the runs go on."""

import signal

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PyTask
from pytask.client.starting import Launch

TASKS = """
    import os
    import time
    import gevent
    from pytask import Task, task

    @task
    def nap(seconds: float = 0.2):
        gevent.sleep(seconds)
        return os.getpid()

    @task
    def forever():
        gevent.sleep(3600)

    @task
    def deaf():
        while True:
            try:
                gevent.sleep(3600)
            except BaseException:
                pass

    class Fragile(Task):
        def __init__(self, kills: bool = False):
            if kills:
                os.kill(os.getpid(), 9)

        def start(self):
            gevent.sleep(3600)

    class Hold(Task):
        GRACE = None

        def start(self):
            gevent.sleep(3600)

        def stop(self):
            self.emit('asked')

    @task
    def block():
        until = time.monotonic() + 4
        while time.monotonic() < until:
            pass
        return 'done'

    @task
    def elsewhere():
        os.chdir('/')
        os.environ.update(PYTASK_REDIS='redis://127.0.0.1:1/0', PYTHONPATH='/nowhere')
"""
OPTIONS = ('--tasks', 'tasks', '--lease', '1', '--drain', '1')

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(90)]


@pytest.fixture
def client(server, processes):
    processes.tasks(TASKS)
    app = PyTask(server.url)
    yield app.client
    app.client.close()


@pytest.fixture
def log(processes):
    """Start a worker that logs to a file; `log()` returns what it said so far."""
    path = processes.folder / 'log'

    def log():
        return path.read_text()

    def start(*more):
        with path.open('a') as stderr:
            return processes.worker(*OPTIONS, *more, stderr=stderr)

    def start_another():  # without waiting: the dead one is still among the workers
        with path.open('a') as stderr:
            return processes.start('worker', *OPTIONS, stderr=stderr)

    log.start, log.start_another = start, start_another
    return log


def runs(client, *run_ids):
    wait_until(lambda: {run.state for run in client.store.runs.read(run_ids)} == {'RUNNING'}, 'all run', 20)


def test_a_task_that_swallows_everything_beside_200_innocents(client, log, redis):
    worker = log.start()
    culprit = client.start('deaf')
    resident = client.start('forever')
    innocents = client.start_many([Launch('nap', {'seconds': 0.05 * (n % 100)}) for n in range(200)])
    runs(client, culprit.id, resident.id)
    [before] = redis.zrange('workers', 0, -1)
    assert culprit.stop(wait=30) == 'applied'
    ended = client.wait(*innocents, timeout=30)
    assert {run.state for run in ended} == {'SUCCESS'}
    assert {run.output for run in ended} == {worker.pid}  # by the process that was, or that it became
    assert {run.crashes for run in ended} == {0}
    wait_until(lambda: resident.refresh().state == 'RUNNING' and resident.attempt == 2, 'the resident goes on', 20)
    [after] = redis.zrange('workers', 0, -1)
    assert (worker.poll(), before == after) == (None, False)
    assert f'run {culprit.id} deaf ignores every interruption' in log()
    assert 'restarting this process' in log()
    assert (culprit.refresh().state, culprit.attempt, culprit.reason) == ('STOPPED', 1, 'stop')
    worker.terminate()
    assert worker.wait(20) == 0


def test_one_that_ignores_its_timeout_is_not_run_again(client, log, redis):
    worker = log.start()
    run = client.start('deaf', timeout=0.5).wait(timeout=40)
    assert (run.state, run.reason, run.attempt) == ('EXCEPTION', 'timeout', 1)
    assert client.start('nap').wait(timeout=20).output == worker.pid
    assert redis.zcard('leases') == 0


def test_a_second_time_within_a_minute_is_for_the_supervisor(client, log):
    worker = log.start()
    for attempt in (1, 2):
        run = client.start('deaf')
        runs(client, run.id)
        assert run.stop() == 'requested'
        if attempt == 1:
            wait_until(lambda: run.refresh().state == 'STOPPED', 'the new process has recovered it', 30)  # noqa: B023
    assert worker.wait(30) == 75


def test_where_it_may_not_it_exits_75(client, log):
    worker = log.start('--no-restart')
    run = client.start('deaf')
    runs(client, run.id)
    run.stop()
    assert worker.wait(30) == 75
    assert 'anew' not in log()


def test_who_is_told_to_stop_meanwhile_does_not_come_back(client, log):
    worker = log.start('--drain', '3')
    run, other = client.start('deaf'), client.start('forever')
    runs(client, run.id, other.id)
    run.stop(grace=0)
    wait_until(lambda: 'shutting down' in log(), 'it drains', 20)
    worker.terminate()
    assert worker.wait(30) == 0
    assert 'anew' not in log()


def test_a_worker_that_leaked_starts_anew_once(client, log):
    """Short of memory with nothing running; as it was started, wherever its tasks went and whatever they set."""
    client.start('elsewhere')
    worker = log.start('--max-memory', '1')
    assert worker.wait(60) == 75
    assert log().count('restarting this process') == 1
    assert log().count('shutting down (out of memory)') == 2


def test_stopping_a_worker_by_its_id(client, processes, log, redis):
    worker = log.start('--name', 'one')
    run = client.start('forever')
    runs(client, run.id)
    told = processes.run('workers', '--stop', 'one-')
    assert (told.returncode, told.stdout.split('\t')[1]) == (0, 'requested\n')
    assert worker.wait(20) == 0
    assert run.refresh().state == 'WAIT'
    gone = processes.run('workers', '--stop', 'one-')
    assert (gone.returncode, gone.stdout) == (3, 'one-\tnot_found\n')


def look(worker, log, what):
    """Ask again and again: a run is RUNNING a moment before its worker holds it."""

    def is_shown():
        worker.send_signal(signal.SIGUSR1)
        gevent.get_hub().join(timeout=0.3)
        return what in log()

    wait_until(is_shown, f'{what!r} is shown', 20)


def test_sigusr1_shows_where_all_runs_stand_and_the_worker_goes_on(client, log):
    worker = log.start()
    forever = client.start('forever')
    look(worker, log, f'run {forever.id} forever, attempt 1\nstart\n')
    look(worker, log, 'gevent.sleep(3600)')  # a look is not written at once
    look(worker, log, 'all threads:\n')
    look(worker, log, 'most recent call first')
    assert client.start('nap').wait(timeout=SOON_S).output == worker.pid


def test_sigusr1_shows_who_blocks_the_hub(client, log):
    worker = log.start()
    run = client.start('block')
    look(worker, log, ', now at tasks/')
    assert f'run {run.id} block, attempt 1\nstart\n  tasks/' in log()
    assert run.wait(timeout=20).output == 'done'


def test_a_bare_word_holds_even_if_its_worker_is_killed_right_after(client, log, redis):
    worker = log.start()
    run = client.start('hold', run_id='42')
    runs(client, run.id)
    events = client.events('42', timeout=30)
    redis.publish('task-42-control', 'stop')
    wait_until(lambda: next(events).event == 'asked', 'it is being stopped')
    worker.kill()
    worker.wait()
    log.start_another()
    assert {event.event for event in events} == {'stopped'}
    assert (run.refresh().state, run.attempt) == ('STOPPED', 1)


def test_a_reload_of_what_a_killed_worker_held_is_done_by_the_next(client, log):
    worker = log.start()
    run = client.start('nap', {'seconds': 3600}, run_id='42')
    runs(client, run.id)
    worker.kill()
    worker.wait()
    assert run.reload({'seconds': 0.1}, wait=0) == 'requested'
    log.start()
    assert run.wait(timeout=30).state == 'SUCCESS'
    assert (run.attempt, run.data) == (2, {'seconds': 0.1})


def test_data_that_a_worker_dies_of_while_it_is_reloaded_comes_back_no_more(client, log):
    worker = log.start()
    run = client.start('fragile', run_id='42')
    runs(client, run.id)
    assert run.reload({'kills': True}, wait=0) == 'requested'
    assert worker.wait(20) == -9
    log.start_another()
    wait_until(lambda: run.refresh().state == 'RUNNING' and run.attempt == 2, 'it runs again', 20)
    assert (run.data, run.stop(wait=20)) == ({}, 'applied')
    assert client.store.runs.reload_answer('42')[0].endswith('its worker died while the new instance was made')
