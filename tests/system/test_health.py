"""Health of a worker as a process: probes with and without a shell, shutdown, bad addresses."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys

import pytest
from support import wait_until

from pytask.client.client import Client
from pytask.embedded.server import free_port

pytestmark = pytest.mark.one_server

TASKS = """
    import time
    from pytask import task

    @task
    def nap(seconds: float):
        time.sleep(seconds)
"""


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def tasks(processes):
    return str(processes.tasks(TASKS))


def ask(port, path):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        connection.request('GET', path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ''
    finally:
        connection.close()


def serve(processes, tasks, port, *more, **options):
    worker = processes.worker('--tasks', tasks, '--health', str(port), *more, **options)
    wait_until(lambda: ask(port, '/ready')[0] == 200, 'it is ready', 20)
    return worker


@pytest.mark.promise('Is it healthy?')
def test_the_probe_answers_by_its_exit_code(processes, tasks, port):
    worker = serve(processes, tasks, port)
    ready = processes.run('health', str(port))
    assert (ready.returncode, ready.stdout, ready.stderr) == (0, 'ready\n', '')
    # As in a container: the setting of the worker is the probe's too.
    assert processes.run('health', '--live', PYTASK_HEALTH=f'0.0.0.0:{port}').stdout == 'live\n'
    shown = processes.run('health', '--json', PYTASK_HEALTH=str(port)).stdout
    assert json.loads(shown) == {'ready': True, 'reasons': []}
    worker.send_signal(signal.SIGSTOP)
    hung = processes.run('health', str(port), '--timeout', '0.5')
    assert hung.returncode == 69
    assert hung.stderr == f'Error: no worker answers at 127.0.0.1:{port} (no answer in time)\n'


def test_where_nothing_listens_the_probe_exits_69(processes, port):
    done = processes.run('health', f':{port}')
    assert done.returncode == 69
    assert done.stderr.startswith(f'Error: no worker answers at 127.0.0.1:{port} (')


def test_where_something_else_listens_the_probe_exits_69(processes, server):
    assert processes.run('health', str(server.port)).returncode == 69


def test_without_an_address_the_probe_says_what_is_missing(processes):
    done = processes.run('health')
    assert done.returncode == 2
    assert 'PYTASK_HEALTH' in done.stderr.splitlines()[0]


def test_the_probe_imports_neither_gevent_nor_redis(port):
    code = (
        'import sys; from pytask.cli import command_line; '
        f'code = command_line(["health", "{port}"]); '
        'print(code, sorted({"gevent", "redis"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '69 []\n'


@pytest.mark.parametrize(
    ('address', 'why'),
    [
        ('here:x', 'must be host:port, :port or port, with a port from 1 to 65535'),
        ('70000', 'must be host:port, :port or port, with a port from 1 to 65535'),
        ('::1:8080', "'::1' is not a host name; write IPv6 addresses in brackets: [::1]:8080"),
    ],
)
def test_a_bad_address_is_a_bad_setting(processes, tasks, address, why):
    done = processes.run('worker', '--tasks', tasks, '--health', address)
    assert (done.returncode, done.stderr.strip()) == (78, f'Error: --health: health = {address!r}: {why}')


def test_a_taken_port_is_a_bad_setting_and_no_worker_is_left(processes, tasks, redis):
    with socket.create_server(('127.0.0.1', 0)) as other:
        taken = other.getsockname()[1]
        done = processes.run('worker', '--tasks', tasks, PYTASK_HEALTH=str(taken))
    assert done.returncode == 78
    assert done.stderr.strip() == f"Error: health = '{taken}': port {taken} is taken; name another one"
    assert redis.zcard('workers') == 0


def test_a_worker_that_shuts_down_is_alive_and_not_ready(processes, tasks, port):
    worker = serve(processes, tasks, port, '--drain', '30')
    client = Client(processes.server.url)
    run = client.start('nap', {'seconds': 60})
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: ask(port, '/ready')[0] == 503, 'it is not ready')
    assert json.loads(ask(port, '/ready')[1])['reasons'] == ['the worker is shutting down']
    assert ask(port, '/live')[0] == 200
    not_ready = processes.run('health', str(port))
    assert (not_ready.returncode, not_ready.stdout) == (1, 'not ready: the worker is shutting down\n')
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert 'not ready' not in worker.stderr.read()  # to shut down is no trouble
    client.close()


@pytest.mark.timeout(120)
def test_a_frozen_redis_shows_in_the_log_once_and_heals(processes, tasks, port, server, tmp_path):
    log = tmp_path / 'log'
    with log.open('w') as file:
        serve(processes, tasks, port, '--lease', '30', stderr=file)
    server.freeze()
    try:
        wait_until(lambda: ask(port, '/ready')[0] == 503, 'it is not ready', 30)
        wait_until(lambda: ' WARNING not ready: Redis has been away' in log.read_text(), 'the log says so')
        assert ask(port, '/live')[0] == 200
        status, page = ask(port, '/metrics')
        assert status == 200
        assert 'pytask_worker_ready 0' in page
    finally:
        server.thaw()
    wait_until(lambda: ask(port, '/ready')[0] == 200, 'it is ready again', 30)
    wait_until(lambda: ' ready again after ' in log.read_text(), 'the log says so')
    assert log.read_text().count(' not ready: ') == 1


def test_metrics_of_a_worker_that_has_run_something(processes, tasks, port):
    serve(processes, tasks, port)
    assert processes.run('run', 'nap', 'seconds=0').returncode == 0
    status, page = ask(port, '/metrics')
    assert status == 200
    assert 'pytask_tasks_finished_total{task="nap",queue="default",state="SUCCESS"} 1' in page.splitlines()
