"""Pauses across kills and restarts, and `pytask pause` and `resume` as people and scripts meet them."""

from __future__ import annotations

import json

import gevent
import pytest
from support import Processes, TestServer, wait_until

from pytask.client.client import Client

pytestmark = pytest.mark.one_server

TASKS = """
    from pytask import Task, task

    @task
    def quick():
        return 1

    class Spin(Task):
        def start(self):
            n = 0
            while not self.stopping.is_set():
                n += 1
                self.progress(n)
                self.sleep(0.01)
"""


@pytest.fixture
def client(server):
    client = Client(server.url)
    yield client
    client.close()


@pytest.fixture
def idle(processes):
    """`pytask …` with tasks and Redis, but no worker."""
    processes.tasks(TASKS)
    return processes.run


def turns(client, run_id):
    return client.get(run_id).progress or 0


def is_halted(client, run_id):
    before = turns(client, run_id)
    gevent.sleep(0.3)
    return turns(client, run_id) == before


def spinning(client, run_id):
    run = client.start('spin', run_id=run_id)
    wait_until(lambda: turns(client, run_id) > 3, 'it spins', 20)
    return run


@pytest.mark.timeout(120)
def test_a_paused_run_whose_worker_is_killed_waits_until_it_is_resumed(processes, client, redis):
    processes.tasks(TASKS)
    first = processes.worker('--lease', '2')
    run = spinning(client, 'a')
    assert run.pause() == 'requested'
    wait_until(lambda: is_halted(client, 'a'), 'it halts')
    processes.worker('--lease', '2')
    first.kill()
    wait_until(lambda: run.refresh().state == 'WAIT', 'it is recovered', 20)
    assert client.start('quick').wait(timeout=20).output == 1
    assert (run.refresh().state, run.reason, run.attempt) == ('WAIT', 'paused', 1)
    assert run.resume() == 'applied'
    wait_until(lambda: run.refresh().attempt == 2 and turns(client, 'a') > 3, 'it runs again', 20)
    assert (run.refresh().reason, run.stop()) == ('', 'requested')
    assert run.wait(timeout=20).state == 'STOPPED'


@pytest.mark.timeout(120)
def test_pauses_stand_through_a_restart_of_redis(server_binary, tmp_path):
    with (
        TestServer(server_binary, tmp_path / 'kept', appendonly=True) as server,
        Processes(server, tmp_path) as processes,
    ):
        client = Client(server.url)
        processes.tasks(TASKS)
        processes.worker('--lease', '4', '--queue', 'default', '--queue', 'mail')
        run = spinning(client, 'a')
        run.pause()
        client.pause_queue('mail')
        client.pause_task('quick')
        wait_until(lambda: is_halted(client, 'a'), 'it halts')
        server.kill()
        server.start()
        waiting = [client.start('spin', queue='mail'), client.start('quick')]
        wait_until(lambda: client.get(waiting[1].id).reason == 'paused', 'the worker is back at work', 30)
        assert is_halted(client, 'a')
        assert (run.refresh().state, run.reason) == ('RUNNING', 'paused')
        assert (waiting[0].refresh().state, waiting[0].reason) == ('WAIT', 'queue mail is paused')
        before = turns(client, 'a')
        run.resume()
        client.resume_task('quick')
        assert waiting[1].wait(timeout=20).output == 1
        wait_until(lambda: turns(client, 'a') > before + 3, 'it goes on', 20)
        assert run.refresh().attempt == 1
        client.resume_queue('mail')
        wait_until(lambda: waiting[0].refresh().state == 'RUNNING', 'it starts', 20)
        client.close()


def test_what_was_paused_before_a_worker_came_is_paused_for_it(processes, client):
    processes.tasks(TASKS)
    client.pause_queue('default')
    client.pause_task('spin')
    spin, quick, other = (client.start(name) for name in ('spin', 'quick', 'quick'))
    other.pause()
    processes.worker('--lease', '2')
    gevent.sleep(1.5)
    assert {run.refresh().state for run in (spin, quick, other)} == {'WAIT'}
    client.resume_queue('default')
    assert quick.wait(timeout=20).output == 1
    assert {run.refresh().reason for run in (spin, other)} == {'paused'}
    client.resume_task('spin')
    wait_until(lambda: spin.refresh().state == 'RUNNING', 'it starts', 20)


def test_pausing_and_resuming_from_the_command_line(idle, processes, client):
    done = idle('pause')
    assert (done.returncode, done.stdout) == (0, '')
    idle('start', 'quick', '--id', 'wait-1')
    assert idle('pause', 'wait-1').stdout == 'wait-1\tapplied\n'
    assert idle('pause', '--queue', 'mail', '--task', 'spin').stdout == 'queue mail\tapplied\ntask spin\tapplied\n'
    listed = [line.split('\t') for line in idle('pause').stdout.splitlines()]
    assert [line[:2] for line in listed] == [['queue', 'mail'], ['task', 'spin'], ['run', 'wait-1']]
    first = json.loads(idle('pause', '--json').stdout.splitlines()[0])
    assert (first['kind'], first['name'], first['since'] > 1e9) == ('queue', 'mail', True)
    assert 'paused' in idle('ls').stdout
    assert 'waits: it is paused; resume it with: pytask resume wait-1' in idle('show', 'wait-1').stderr
    idle('start', 'quick', '--id', 'mail-1', '--queue', 'mail')
    assert idle('ls', '--queue', 'mail').stdout.split('\t')[-1] == 'queue mail is paused\n'
    done = idle('show', 'mail-1')
    assert 'reason    queue mail is paused' in done.stdout
    assert 'resume it with: pytask resume --queue mail' in done.stderr
    assert idle('resume', 'wait').stdout == 'wait-1\tapplied\n'
    assert idle('resume', '--task', 'spin', '--queue', 'mail').returncode == 0
    assert idle('pause').stdout == ''


def test_what_is_not_there_or_not_paused_is_told(idle):
    idle('start', 'quick', '--id', 'wait-1')
    assert idle('resume', 'wait-1').stdout == 'wait-1\tWAIT\n'
    done = idle('resume', '--queue', 'mail')
    assert (done.returncode, done.stdout) == (3, 'queue mail\tnot_found\n')
    assert idle('pause', 'nobody').returncode == 3
    done = idle('pause', '--task', 'pytask/monitor')
    assert (done.returncode, done.stdout) == (1, 'task pytask/monitor\trefused\n')
    done = idle('pause', '--queue', 'a b')
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('Error: a queue must be 1 to 64 letters')
    done = idle('resume')
    assert (done.returncode, done.stderr.startswith('Error: name runs by id')) == (2, True)


def test_what_runs_is_told_and_workers_show_paused_queues(idle, processes, client):
    processes.worker('--lease', '2', '--queue', 'default', '--queue', 'mail')
    spinning(client, 'a')
    assert idle('pause', 'a').stdout == 'a\trequested\n'
    wait_until(lambda: is_halted(client, 'a'), 'it halts')
    assert idle('ls').stdout.split('\t')[-1] == 'paused\n'
    idle('pause', '--queue', 'mail')
    assert 'default,mail (paused)' in idle('workers').stdout
    assert json.loads(idle('workers', '--json').stdout)['paused'] == ['mail']
    assert idle('stop', 'a', '--wait', '10').stdout == 'a\tapplied\n'
