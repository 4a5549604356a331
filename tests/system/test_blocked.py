"""Blocking is named: who holds the hub is told while it lasts, and by a stack on demand."""

import json
import signal
import time

import pytest
from support import wait_until

from pytask import PyTask
from pytask.errors import PytaskError

TASKS = """
    import gevent
    from gevent import monkey
    from pytask import Task, task

    really_sleep = monkey.get_original('time', 'sleep')

    @task
    def block(seconds: float):
        parse(seconds)

    def parse(seconds):
        really_sleep(seconds)  # here it blocks

    @task
    def compute(seconds: float):
        import time
        end, n = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            n += 1

    @task
    def wait():
        rest()

    def rest():
        gevent.sleep(600)  # here it waits

    class Family(Task):
        def start(self):
            self.spawn(self.work)
            gevent.sleep(600)

        def work(self):
            gevent.sleep(0.1)
            parse(1.5)
            gevent.sleep(600)
"""

pytestmark = pytest.mark.one_server


@pytest.fixture
def client(server):
    app = PyTask(server.url)
    yield app.client
    app.client.close()


@pytest.fixture
def worker(processes):
    """A worker whose log goes to a file: `worker.told()` is what it has said by now."""
    processes.tasks(TASKS)
    log = processes.folder / 'log'
    with log.open('w') as file:
        process = processes.worker('--lease', '6', stderr=file)
    process.told = log.read_text
    return process


def blocked_events(client, run_id):
    """Listen to a run; a generator of the data of its events `blocked`."""
    stream = client.store.events([run_id])
    try:
        while True:
            event = stream.read(timeout_s=5)
            assert event is not None, 'no event within 5 s'
            if event.event == 'blocked':
                assert event.seq == 0
                yield event.data
    finally:
        stream.close()


@pytest.mark.promise('A task blocks')
@pytest.mark.parametrize('kind', ['block', 'compute'])
def test_it_is_told_while_it_lasts_and_when_it_is_over(worker, client, kind):
    run_id = 'culprit'
    heard = blocked_events(client, run_id)
    client.start(kind, {'seconds': 3}, run_id=run_id)
    data = next(heard)
    function = 'parse' if kind == 'block' else 'compute'
    assert (data['file'], data['function']) == ('tasks/some.py', function)
    assert 0.5 <= data['seconds'] < 3
    assert f'WARNING run {run_id} {kind} is blocking the event loop ({data["seconds"]} s) at ' in worker.told()
    assert f'at tasks/some.py:{data["line"]} in {function}\n' in worker.told()
    (run,) = client.wait(run_id, timeout=20)
    assert (run.state, run.attempt) == ('SUCCESS', 1)
    wait_until(
        lambda: f'run {run_id} {kind} blocked the event loop for ' in worker.told(), 'it is told that it is over'
    )
    total = float(worker.told().partition(' blocked the event loop for ')[2].split()[0])
    assert data['seconds'] < total < 10
    assert worker.told().count(' is blocking the event loop ') == 1
    heard.close()


def test_a_spawned_greenlet_that_blocks_is_its_runs(worker, client):
    heard = blocked_events(client, 'culprit')
    run = client.start('family', run_id='culprit')
    assert next(heard)['function'] == 'parse'
    heard.close()
    wait_until(lambda: 'run culprit family blocked the event loop for ' in worker.told(), 'it is over')
    run.stop()


def test_nothing_is_told_of_a_process_that_was_frozen(worker, client):
    for kind in ('wait', 'compute'):  # idle, and in the middle of something
        run = client.start(kind, {'seconds': 0.3} if kind == 'compute' else {})
        wait_until(lambda run=run: run.refresh().state == 'RUNNING', 'it runs')
        worker.send_signal(signal.SIGSTOP)
        time.sleep(2)  # time itself is the subject
        worker.send_signal(signal.SIGCONT)
    client.start('block', {'seconds': 0}).wait(timeout=20)
    assert ' the hub for ' not in worker.told()


def test_the_stack_of_a_running_run_is_shown(worker, client, processes):
    run = client.start('wait')
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    shown = processes.run('show', run.id, '--stack')
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f'run {run.id} wait, attempt 1, on {run.worker}\nstart\n')
    assert 'gevent.sleep(600)  # here it waits' in shown.stdout
    assert shown.stdout.splitlines()[-1] == '  … 1 frame of gevent'
    full = processes.run('show', run.id, '--stack', '-v').stdout
    assert 'gevent/hub.py:' in full
    assert json.loads(processes.run('--json', 'show', run.id, '--stack').stdout)['id'] == run.id


def test_a_blocked_run_is_shown_and_the_others_say_why_not(worker, client, processes):
    innocent = client.start('wait')
    wait_until(lambda: innocent.refresh().state == 'RUNNING', 'it runs')
    culprit = client.start('block', {'seconds': 8})
    wait_until(lambda: culprit.refresh().state == 'RUNNING', 'it blocks')
    stack = culprit.stack(timeout=7)
    assert 'really_sleep(seconds)  # here it blocks' in stack
    assert 'it has been blocking the event loop for ' in stack
    with pytest.raises(PytaskError) as why:
        innocent.stack(timeout=1)
    assert f'run {innocent.id}: its worker {innocent.worker} cannot answer: run {culprit.id} block' in str(
        why.value
    )
    assert 'in parse' in str(why.value)
    row = processes.run('workers').stdout
    assert f'run {culprit.id} block is blocking the event loop (' in row
    culprit.wait(timeout=20)
    wait_until(lambda: ' ago run ' in processes.run('workers').stdout, 'the last block stands there', 20)
    told = json.loads(processes.run('--json', 'workers').stdout)
    assert told['blocked']['run'] == culprit.id
    assert told['blocked']['seconds'] >= 5
    assert 'here it waits' in innocent.stack()


def test_what_does_not_run_has_no_stack(worker, client, processes):
    done = client.start('block', {'seconds': 0}).wait(timeout=20)
    shown = processes.run('show', done.id, '--stack')
    assert shown.returncode == 1
    assert f'run {done.id} is not running: it is SUCCESS' in shown.stderr


def test_a_worker_that_is_gone_or_old_or_silent_is_said_to_be(worker, client, redis):
    run = client.start('wait')
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    worker.send_signal(signal.SIGSTOP)
    with pytest.raises(PytaskError, match=f'its worker {run.worker} did not answer within 0.1 s'):
        run.stack(timeout=0.1)
    redis.hdel(f'worker-{run.worker}', 'blocked')
    with pytest.raises(PytaskError, match='cannot report stacks'):
        run.stack(timeout=0.1)
    redis.zrem('workers', run.worker)
    with pytest.raises(PytaskError, match='is gone; another worker will recover the run'):
        run.stack(timeout=0.1)
    worker.kill()


def test_a_hang_names_its_culprit(processes, client):
    processes.tasks(TASKS)
    hanging = processes.worker('--lease', '1', '--max-hang', '2')
    run = client.start('block', {'seconds': 60})
    assert hanging.wait(timeout=20) == 70
    shown = hanging.stderr.read()
    assert f'exit 70. The event loop is blocked by run {run.id} block at tasks/some.py:' in shown
    assert 'File "' in shown  # the stacks of all threads
    run.stop()
