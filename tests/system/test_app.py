"""`-A module:attr`: a worker has the app's tasks, resources and hooks, and every command its Redis."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest
from support import wait_until

pytestmark = pytest.mark.one_server

SHOP = """
    from pathlib import Path
    from pytask import PyTask, current_task

    app = PyTask(prefix='shop:', concurrency=7, drain=3)
    app.add_resource('seen', set, close=lambda seen: note(f'closed {sorted(seen)}'))

    def note(text):
        with Path('notes').open('a') as notes:
            notes.write(text + '\\n')

    @app.task
    def visit(page: int):
        current_task().app.resource('seen').add(page)
        return page

    @app.task
    def crash():
        return 1 / 0

    @app.on_start
    def begin():
        note('start')

    @app.on_stop
    def end(app):
        note('stop')

    @app.on_exception
    def oops(run, error):
        note(f'{run.task}: {error}')
"""
HELLO = """
    from pytask import task

    @task
    def hello(name: str = 'world'):
        return f'hello {name}'
"""


@pytest.fixture
def site(processes):
    """A folder with an app in `shop.py`, and ./tasks."""
    (processes.folder / 'shop.py').write_text(textwrap.dedent(SHOP))
    processes.tasks(HELLO)
    return processes


def notes(site):
    path = site.folder / 'notes'
    return path.read_text().splitlines() if path.exists() else []


def name_in_file(site):
    (site.folder / 'pyproject.toml').write_text('[tool.pytask]\napp = "shop:app"\n')


def start_worker(site, redis, *words, **environment):
    process = site.start('worker', *words, environment=environment)
    wait_until(lambda: redis.zcard('shop:workers') or process.poll() is not None, 'it registers', 20)
    assert process.poll() is None, process.communicate()[1]
    return process


def test_a_worker_has_the_apps_tasks_resources_hooks_and_settings(site, redis):
    name_in_file(site)
    process = start_worker(site, redis)
    assert site.run('run', 'visit', 'page=1').stdout == '1\n'
    assert site.run('run', 'crash').returncode == 1
    assert site.run('run', 'hello').stdout == 'hello world\n'  # ./tasks is there too
    assert '\t0/7\t' in site.run('workers').stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert notes(site) == ['start', 'crash: division by zero', 'stop', 'closed [1]']


@pytest.mark.parametrize(
    'words', [('-A', 'shop:app', 'tasks'), ('tasks', '--app', 'shop')], ids=['before', 'after']
)
def test_the_option_stands_before_or_after_the_command(site, words):
    done = site.run(*words)
    assert done.stdout.split('\n')[:-1] == ['crash()\t', "hello(name: str = 'world')\t", 'visit(page: int)\t']


def test_the_environment_names_an_app_too_and_is_the_weaker(site):
    assert 'visit' in site.run('tasks', PYTASK_APP='shop:app').stdout
    assert 'visit' in site.run('tasks', '-A', 'shop', PYTASK_APP='nothing:here').stdout
    assert 'visit' not in site.run('tasks', '-A', '', PYTASK_APP='shop:app').stdout


def test_data_is_checked_against_the_apps_tasks_before_anything_is_enqueued(site, redis):
    name_in_file(site)
    for command in ('run', 'start'):
        done = site.run(command, 'visit', 'page=one')
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, 'Error: invalid inputs for `visit`')
    assert redis.keys('*') == []


def test_flags_count_more_than_the_environment_and_that_more_than_the_app(site, redis):
    name_in_file(site)
    assert site.run('start', 'visit', 'page=1', '--id', 'a').returncode == 0
    assert site.run('start', 'visit', 'page=1', '--id', 'b', PYTASK_PREFIX='env:').returncode == 0
    assert (
        site.run('start', 'visit', 'page=1', '--id', 'c', '--prefix', 'flag:', PYTASK_PREFIX='env:').returncode == 0
    )
    assert sorted(redis.keys('*task-[abc]')) == ['env:task-b', 'flag:task-c', 'shop:task-a']


def test_a_console_script_finds_the_folder_it_is_called_in(site, tmp_path):
    # `python -m` puts that folder on the path by itself, a script does not.
    script = tmp_path / 'elsewhere' / 'pytask-script'
    script.parent.mkdir()
    script.write_text(f'#!{sys.executable}\nfrom pytask.__main__ import main\nmain()\n')
    script.chmod(0o755)
    done = subprocess.run(
        [str(script), 'tasks', '-A', 'shop'], cwd=site.folder, env=site.environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert 'visit' in done.stdout, done.stderr


@pytest.mark.parametrize('command', ['worker', 'tasks', 'run', 'ls'])
def test_an_app_that_is_not_found_ends_with_78_and_what_is_near(site, command):
    done = site.run(command, *(['hello'] if command == 'run' else []), '-A', 'shop:ap')
    assert done.returncode == 78
    assert done.stderr == "Error: no 'ap' in shop.py; did you mean shop:app?\n  - named by  -A shop:ap\n"


def test_a_worker_without_tasks_ends_with_78_and_the_way_to_some(site):
    shutil.rmtree(site.folder / 'tasks')
    done = site.run('worker')
    assert done.returncode == 78
    assert done.stderr.splitlines()[0].endswith('write a first task with: pytask init')


@pytest.fixture
def other_project(tmp_path):
    """What pip leaves of the other `pytask`, as far as anybody can see it."""
    info = tmp_path / 'packages' / 'pytask-0.6.0.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: pytask\nVersion: 0.6.0\n')
    return str(info.parent)


@pytest.mark.parametrize('command', ['worker', 'dev'])
def test_beside_the_other_project_nothing_runs(site, other_project, command):
    path = os.pathsep.join([other_project, *filter(None, [os.environ.get('PYTHONPATH')])])
    done = site.run(command, PYTHONPATH=path)
    assert done.returncode == 78
    first, *remedy = done.stderr.splitlines()
    assert first.startswith('Error: another project, pytask 0.6.0, is installed beside pytaskd')
    assert remedy == [
        '  python -m pip uninstall -y pytask',
        '  python -m pip install --force-reinstall --no-deps pytaskd',
    ]
