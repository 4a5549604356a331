"""`pytask dev` and the embedded server: nothing to configure, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import psutil
import pytest
import redis as redis_py
from support import ROOT, wait_until

pytestmark = pytest.mark.one_server


@pytest.fixture
def site(tmp_path, server_binary):
    """A folder with the gallery, and how to start `pytask` in it."""
    shutil.copytree(ROOT / 'tasks', tmp_path / 'tasks', ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(ROOT / 'README.rst', tmp_path)
    plain = {key: value for key, value in os.environ.items() if not key.startswith('PYTASK_')}
    environment = plain | {'PYTASK_REDIS_SERVER': server_binary}
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, '-m', 'pytask', *words], cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    start.folder = tmp_path
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def server_of(site):
    facts = site.folder / '.pytask/redis/server.json'
    wait_until(facts.exists, 'the server is written down', 20)
    wait_until(lambda: facts.read_text().endswith('}'), 'the server is written down whole')
    return json.loads(facts.read_text())


def test_dev_exit_returns_0_when_the_demo_runs_have_ended_well(site):
    process = site('dev', '--exit')
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert err == ''
    for name in ('hello-world', 'text/count', 'http/check'):
        assert re.search(rf'✓ \w+  {name} +SUCCESS', out), out
    assert not (site.folder / '.pytask/redis/server.json').exists()


def test_dev_exit_returns_1_when_a_demo_run_fails(site):
    (site.folder / 'README.rst').unlink()
    process = site('dev', '--exit')
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 1
    assert 'no such file: README.rst' in out


def test_ctrl_c_ends_worker_and_server(site):
    process = site('dev')
    server = server_of(site)
    wait_until(lambda: psutil.pid_exists(server['pid']), 'the server runs')
    lines = iter(process.stdout.readline, '')
    assert any('Try, in another terminal' in line for line in lines)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    wait_until(lambda: not psutil.pid_exists(server['pid']), 'the server is gone')
    assert process.stderr.read() == ''


def test_the_server_dies_with_a_killed_parent_and_keeps_its_data(site):
    process = site('dev', '--no-demo')
    server = server_of(site)
    assert any('worker' in line for line in iter(process.stdout.readline, ''))
    done = site('start', 'no-such-task', '--id', 'kept')
    assert done.wait(20) == 0
    process.kill()
    process.wait()
    wait_until(lambda: not psutil.pid_exists(server['pid']), 'the server dies with its parent')
    site('dev', '--no-demo')
    wait_until(lambda: server_of(site)['pid'] != server['pid'], 'another server runs')
    client = redis_py.Redis(port=server_of(site)['port'], decode_responses=True)
    wait_until(lambda: client.hget('task-kept', 'task') == 'no-such-task', 'the run is still there')
    client.close()


def test_another_command_in_the_folder_finds_the_server(site):
    site('dev', '--no-demo')
    server_of(site)
    process = site('run', 'hello-world', 'name=there')
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, 'hello there\n')


def test_a_second_dev_joins_the_first_server_and_says_so(site):
    site('dev', '--no-demo')
    first = server_of(site)
    second = site('dev', '--exit')
    out, err = second.communicate(timeout=40)
    assert second.returncode == 0, err
    assert 'joined: another `dev` runs it' in out
    assert psutil.pid_exists(first['pid'])


def test_dev_without_a_folder_of_tasks_says_so(site):
    shutil.rmtree(site.folder / 'tasks')
    process = site('dev')
    _, err = process.communicate(timeout=30)
    assert process.returncode == 78
    assert err.startswith('Error: no folder of tasks at')


def test_a_task_that_does_not_import_is_named_with_its_line(site):
    (site.folder / 'tasks/bad.py').write_text('import os\nimport no_such_module\n')
    for words in (['--no-reload'], ['--exit']):  # else the next save is waited for
        _, err = (process := site('dev', *words)).communicate(timeout=30)
        assert process.returncode == 78
        assert 'tasks/bad.py:2 does not import: ModuleNotFoundError' in err
