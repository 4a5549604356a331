"""`pytask redis`: a server of this folder's own that stays, is found, and is stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal

import psutil
import pytest
from support import wait_until
from trial import TASKS

pytestmark = pytest.mark.one_server


@pytest.fixture
def here(processes, server_binary):
    """`pytask …` in a folder whose only Redis is the embedded one; that is stopped at the end."""

    def run(*words, **more):
        return processes.run(*words, **{'PYTASK_REDIS': '', 'PYTASK_REDIS_SERVER': server_binary, **more})

    run.folder = processes.folder
    yield run
    facts = facts_of(run)
    if facts and psutil.pid_exists(facts['pid']):
        os.kill(facts['pid'], signal.SIGKILL)


def facts_of(here):
    path = here.folder / '.pytask/redis/server.json'
    return json.loads(path.read_text()) if path.exists() else None


def test_it_is_started_found_used_and_stopped_and_keeps_its_data(here):
    started = here('redis', 'start')
    assert started.returncode == 0, started.stderr
    assert started.stderr == 'it is running; stop it with: pytask redis stop\n'
    url = started.stdout.strip()
    assert here('redis', 'url').stdout.strip() == url
    assert json.loads(here('--json', 'redis', 'url').stdout) == {'url': url}
    assert here('start', 'nobody', '--id', 'kept').returncode == 0
    again = here('redis', 'start')
    assert (again.stdout, again.stderr) == (f'{url}\n', 'it was already running; stop it with: pytask redis stop\n')
    pid = facts_of(here)['pid']
    stopped = here('redis', 'stop')
    assert (stopped.returncode, stopped.stderr) == (0, f'stopped {url}; its data stays in .pytask/redis\n')
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == 'zombie', 'it is gone')
    assert here('redis', 'start', '--json').returncode == 0
    assert here('ls').stdout.split('\t')[:2] == ['kept', 'nobody']
    assert json.loads(here('redis', 'stop', '--json').stdout)['answer'] == 'applied'


@pytest.mark.parametrize('words', [['stop'], ['url'], ['cli', 'PING']])
def test_where_none_runs_it_says_how_to_start_one(here, words):
    done = here('redis', *words)
    assert done.returncode == 69
    assert done.stderr == 'Error: no Redis is running for this folder\n  - start one with: pytask redis start\n'


def test_that_of_a_dev_is_neither_stopped_nor_taken_over(here, processes, server_binary):
    processes.tasks(TASKS)
    dev = processes.start(
        'dev', '--no-demo', environment={'PYTASK_REDIS': '', 'PYTASK_REDIS_SERVER': server_binary}
    )
    wait_until(lambda: here('redis', 'url').returncode == 0, 'its server runs', 30)
    stopped, started = here('redis', 'stop'), here('redis', 'start')
    assert stopped.returncode == started.returncode == 1
    says = f'Error: the Redis of this folder belongs to `pytask dev` (process {dev.pid}) and ends with it\n'
    assert stopped.stderr.startswith(says)
    assert started.stderr.startswith(says)
    dev.send_signal(signal.SIGINT)
    assert dev.wait(30) == 0


def test_a_folder_that_can_not_hold_it_is_named(here):
    (here.folder / '.pytask').write_text('a file')
    done = here('redis', 'start')
    assert done.returncode == 78
    assert done.stderr.startswith(f'Error: cannot keep a Redis in {here.folder}/.pytask/redis: ')


def test_another_process_is_never_stopped_for_it(here):
    here('redis', 'start')
    path = here.folder / '.pytask/redis/server.json'
    facts = facts_of(here)
    path.write_text(json.dumps(facts | {'pid': os.getpid()}))
    codes = [here('redis', what).returncode for what in ('stop', 'url')]
    path.write_text(json.dumps(facts))  # before anything fails: the server is ended by what stands there
    assert codes == [69, 69]
    assert here('redis', 'url').returncode == 0


@pytest.mark.skipif(not shutil.which('redis-cli'), reason='no redis-cli on PATH')
def test_cli_is_that_of_redis_and_gets_what_is_given(here):
    here('redis', 'start')
    assert here('redis', 'cli', 'PING').stdout == 'PONG\n'
    assert here('redis', 'cli', '--raw', 'LPUSH', 'some', '-r').stdout == '1\n'


def test_without_a_client_it_says_what_to_install(here, processes):
    here('redis', 'start')
    done = here('redis', 'cli', PATH=str(processes.folder))
    assert done.returncode == 1
    assert done.stderr.startswith('Error: neither redis-cli nor valkey-cli is on PATH\n  - install ')


def test_it_says_so_where_the_commands_use_another_redis_all_the_same(here):
    done = here('redis', 'start', PYTASK_REDIS='redis://me:secret@elsewhere:6379/0')
    assert done.returncode == 0
    assert 'note: commands here use redis://me:***@elsewhere:6379/0' in done.stderr
