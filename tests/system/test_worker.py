"""`pytask worker` as a process: kills, signals, restarts, crowds."""

from __future__ import annotations

import json
import random
import signal
import sys
import textwrap
import time

import gevent
import pytest
from support import SOON_S, check_keys, wait_until

from pytask.client.client import Client
from pytask.client.starting import Launch

TASKS = """
    import time
    from pytask import Task

    class Quick(Task):
        def start(self):
            return 1

    class Forever(Task):
        def start(self):
            for _ in self.every(60):
                pass
        def stop(self):
            pass

    class Deaf(Task):
        def start(self):
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass

    class Nap(Task):
        def __init__(self, seconds: float):
            self.seconds = seconds
        def start(self):
            time.sleep(self.seconds)
            return 'rested'
"""


@pytest.fixture
def client(server):
    client = Client(server.url)
    yield client
    client.close()


@pytest.fixture
def tasks(processes):
    return str(processes.tasks(TASKS))


def states(client, ids):
    return [run.state for run in client.store.runs.read(ids)]


def test_without_redis_it_says_so_in_three_lines_and_exits_69(processes, tasks):
    done = processes.run('worker', '--tasks', tasks, '--redis', 'redis://127.0.0.1:1/0')
    assert done.returncode == 69
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith('Error: cannot use Redis at redis://127.0.0.1:1/0')
    assert 'pytask dev' in lines[1]
    assert 'PYTASK_REDIS' in lines[2]


def test_a_worker_counts_the_tasks_of_its_user(processes):
    folder = processes.tasks('from pytask import task\n\n@task\ndef one():\n    pass\n')
    worker = processes.worker('--tasks', folder)
    worker.terminate()
    assert ': 1 task, ' in worker.communicate(timeout=20)[1].splitlines()[0]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.one_server
def test_a_signal_gives_runs_back_to_the_front_and_exits_0(processes, tasks, client, redis, number):
    worker = processes.worker('--tasks', tasks, '--lease', '2', '--drain', '0.2')
    runs = [client.start('forever') for _ in range(5)]
    wait_until(lambda: set(states(client, [r.id for r in runs])) == {'RUNNING'}, 'all run')
    worker.send_signal(number)
    assert worker.wait(20) == 0
    assert set(states(client, [r.id for r in runs])) == {'WAIT'}
    assert set(redis.lrange('new-task', 0, -1)) == {r.id for r in runs}
    assert redis.hget(f'task-{runs[0].id}', 'reason') == 'shutdown'
    assert redis.zcard('leases') == redis.zcard('workers') == 0


@pytest.mark.one_server
def test_a_worker_that_nohup_has_started_outlives_its_terminal(processes, tasks):
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    worker = processes.worker('--tasks', tasks, '--lease', '2', preexec_fn=ignore)
    worker.send_signal(signal.SIGHUP)
    gevent.get_hub().join(timeout=0.3)
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(20) == 0


@pytest.mark.one_server
def test_a_shutdown_at_any_moment_leaves_nothing_running(processes, tasks, client, redis):
    """Also in the middle of a claim: what Redis has granted is given back."""
    chance = random.Random(seed := random.randrange(2**32))
    print('seed', seed)
    ids = [run.id for run in client.start_many([Launch('forever')] * 300)]
    for _ in range(8):
        worker = processes.worker('--tasks', tasks, '--lease', '5', '--drain', '0')
        gevent.get_hub().join(chance.uniform(0, 0.1))
        worker.terminate()
        assert worker.wait(20) == 0
        assert redis.zcard('leases') == 0
        assert set(states(client, ids)) == {'WAIT'}
        assert sorted(redis.lrange('new-task', 0, -1)) == sorted(ids)


def test_what_ends_within_the_drain_is_recorded(processes, tasks, client):
    worker = processes.worker('--tasks', tasks, '--lease', '2', '--drain', '5')
    run = client.start('nap', {'seconds': 0.5})
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    worker.terminate()
    assert worker.wait(20) == 0
    assert (run.refresh().state, run.output) == ('SUCCESS', 'rested')


@pytest.mark.one_server
def test_a_second_signal_hurries_and_a_third_exits_at_once(processes, tasks, client):
    for name, signals, code in (('forever', 2, 0), ('deaf', 3, 130)):
        worker = processes.worker('--tasks', tasks, '--lease', '2', '--drain', '60')
        run = client.start(name)
        wait_until(lambda run=run: run.refresh().state == 'RUNNING', 'it runs')
        since = time.monotonic()
        for n in range(signals):
            worker.terminate()
            if n + 1 < signals:  # two signals sent at once may arrive as one
                wait_until(lambda since=since, n=n: time.monotonic() - since > 0.2 * (n + 1), 'a moment', SOON_S)
        assert worker.wait(10) == code
        client.stop(run.id)


@pytest.mark.promise('A worker dies')
@pytest.mark.promise(1)
@pytest.mark.promise(2)
def test_a_kill_of_one_of_two_workers_ends_all_runs_once_within_1_7_leases(processes, tasks, client, redis):
    lease_s, nap_s = 2.0, 1.5
    options = ('--tasks', tasks, '--lease', str(lease_s), '--concurrency', '40')
    first, second = (processes.worker(*options, '--name', name) for name in ('first', 'second'))
    ids = [run.id for run in client.start_many([Launch('nap', {'seconds': nap_s})] * 60)]
    wait_until(lambda: set(states(client, ids)) == {'RUNNING'}, 'all run')
    victims = [run.id for run in client.store.runs.read(ids) if run.worker.startswith('first')]
    assert victims
    first.kill()
    seconds, micros = redis.time()
    wait_until(lambda: set(states(client, ids)) == {'SUCCESS'}, 'all have ended', 20)
    again = client.store.runs.read(victims)
    took_s = max(run.started for run in again) - (seconds + micros / 1e6)
    assert took_s < 1.7 * lease_s + 1.5  # by the clock of Redis; a second and a half for a busy machine
    assert {(run.attempt, run.crashes, run.worker[:6]) for run in again} == {(2, 1, 'second')}
    assert redis.zcard('ended-SUCCESS') == len(ids)
    assert redis.hget('stats', 'SUCCESS:nap') == str(len(ids))
    second.terminate()
    assert second.wait(20) == 0
    check_keys(redis)


@pytest.mark.promise(3)
@pytest.mark.one_server
def test_two_thousand_live_runs_are_all_listed_and_stopped_by_one_command(processes, tasks, client, redis):
    processes.worker('--tasks', tasks, '--concurrency', '2500')
    ids = [run.id for run in client.start_many([Launch('forever')] * 2000)]
    wait_until(lambda: redis.zcard('leases') == 2000, 'all run', 20)
    listed = processes.run('ls', '--state', 'RUNNING', '--limit', '0').stdout.splitlines()
    assert len(listed) == 2000
    done = processes.run('stop', '--task', 'forever', '--yes', '--wait', '20')
    assert done.returncode == 0, done.stderr
    assert redis.zcard('ended-STOPPED') == 2000
    assert set(states(client, ids)) == {'STOPPED'}


@pytest.mark.one_server
@pytest.mark.timeout(180)
def test_the_heartbeat_starts_fifty_times_out_of_fifty(processes, tasks, redis):
    for turn in range(50):
        worker = processes.worker('--tasks', tasks, '--lease', '0.8', '--name', f'turn{turn}', '--drain', '0')
        name = redis.zrange('workers', -1, -1)[0]
        first = redis.hget(f'worker-{name}', 'seen')
        wait_until(
            lambda name=name, first=first: redis.hget(f'worker-{name}', 'seen') != first, f'beat in turn {turn}'
        )
        worker.terminate()
        assert worker.wait(20) == 0


@pytest.mark.one_server
def test_several_workers_and_queues_share_the_work(processes, tasks, client):
    for name in ('a', 'b'):
        processes.worker(
            '--tasks', tasks, '--queue', 'left', '--queue', 'right', '--name', name, '--concurrency', '5'
        )
    runs = client.start_many(
        [Launch('nap', {'seconds': 0.2}, queue=queue) for _ in range(10) for queue in ('left', 'right')]
    )
    ended = client.wait(*runs, timeout=20)
    assert {run.state for run in ended} == {'SUCCESS'}
    assert len({run.worker for run in ended}) == 2


@pytest.mark.one_server
def test_app_run_in_a_script_patches_itself_and_returns_the_exit_code(processes, client, tmp_path):
    script = tmp_path / 'site.py'
    script.write_text(
        textwrap.dedent("""
        import socket, sys
        from pytask import PyTask, Task

        class Crawl(Task):
            NAME = 'site/crawl'
            def __init__(self, url: str, depth: int = 2):
                self.url, self.depth = url, depth
            def start(self) -> dict[str, int]:
                self.progress(1, target=self.depth)
                self.emit('page', {'url': self.url})
                return {'pages': self.depth}

        app = PyTask(lease=2)
        app.add_task(Crawl)
        app.start_local_task('site/crawl', {'url': 'http://here/'})
        if __name__ == '__main__':
            code = app.run()
            print('exit', code, sys.argv[1:], socket.socket.__module__)
            sys.exit(code)
    """)
    )
    import subprocess

    with subprocess.Popen(
        [sys.executable, str(script), 'argument'], env=processes.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        run = client.start('site/crawl', {'url': 'http://there/', 'depth': 3})
        assert run.wait(timeout=SOON_S).output == {'pages': 3}
        local = [r for r in client.list(task='site/crawl') if r.is_local]
        assert [r.output for r in local] == [{'pages': 2}]
        process.terminate()
        assert process.wait(20) == 0
        told = process.stdout.read()
    assert told.startswith("exit 0 ['argument'] gevent.")


@pytest.mark.one_server
def test_another_lease_length_is_refused(processes, tasks):
    processes.worker('--tasks', tasks, '--lease', '2')
    done = processes.run('worker', '--tasks', tasks, '--lease', '3')
    assert done.returncode == 78
    assert 'a lease of 2 s' in done.stderr


@pytest.mark.one_server
def test_a_worker_survives_a_restart_of_redis(processes, tasks, server, client):
    log = processes.folder / 'log'
    with log.open('w') as stderr:
        worker = processes.worker('--tasks', tasks, '--lease', '1', stderr=stderr)
    server.kill()
    wait_until(lambda: 'cannot use Redis' in log.read_text(), 'the outage is told')
    server.start()
    run = client.start('quick')
    assert run.wait(timeout=SOON_S).state == 'SUCCESS'
    wait_until(lambda: 'Redis is back' in log.read_text(), 'the end of the outage is told')
    worker.terminate()
    assert worker.wait(20) == 0


@pytest.mark.one_server
def test_a_task_that_blocks_the_hub_keeps_its_lease(processes, client):
    tasks = processes.tasks("""
        from gevent.monkey import get_original
        from pytask import task

        @task
        def block(seconds: float):
            get_original('time', 'sleep')(seconds)
            return 'once'
    """)
    processes.worker('--tasks', str(tasks), '--lease', '1', '--name', 'a')
    processes.worker('--tasks', str(tasks), '--lease', '1', '--name', 'b')
    run = client.start('block', {'seconds': 3.0}).wait(timeout=20)
    assert (run.output, run.attempt) == ('once', 1)


@pytest.mark.one_server
def test_workers_and_json_tell_who_is_there(processes, tasks):
    processes.worker('--tasks', tasks, '--name', 'solo', '--concurrency', '7')
    row = processes.run('workers').stdout.strip().split('\t')
    assert row[0].startswith('solo-')
    assert row[5] == '0/7'
    told = json.loads(processes.run('--json', 'workers').stdout)
    assert 'quick' in told['tasks']
