"""`pytask init`: from an empty folder to a first run, alone, beside Flask, in a Django project."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from support import ROOT, wait_until

from pytask.embedded.server import free_port

pytestmark = pytest.mark.one_server


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


@pytest.fixture
def empty(processes):
    """`pytask …` in an empty folder, with a Redis elsewhere."""
    processes.folder /= 'empty'
    processes.folder.mkdir()
    return processes


@pytest.mark.parametrize('words', [(), ('plain',)], ids=['init', 'init plain'])
def test_a_first_task_is_written_and_the_next_step_told(empty, words):
    done = empty.run('init', *words)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        'wrote  tasks/hello.py',
        '',
        'Next:',
        '  pytask dev                       # a Redis and a worker on ./tasks; keep it running',
        '  pytask run hello-world name=you  # in another terminal',
        '  pytask tasks                     # list all tasks',
    ]
    assert files(empty.folder) == ['tasks/hello.py']


def test_the_first_tasks_run_and_the_slow_one_can_be_stopped(empty):
    empty.run('init')
    empty.worker()
    assert empty.run('run', 'hello-world', 'name=you').stdout == 'hello you\n'
    assert empty.run('run', 'count-up', 'to=1').stdout == '1\n'
    assert 'there is nothing to count' in empty.run('run', 'count-up', 'to=0').stderr
    run_id = empty.run('start', 'count-up', 'to=1000').stdout.strip()
    assert empty.run('stop', run_id, '--wait', '10').returncode == 0
    assert empty.run('wait', run_id).returncode == 5


@pytest.mark.parametrize('kind', ['plain', 'flask'])
def test_what_is_there_is_left_and_named(empty, kind):
    hello = empty.folder / 'tasks' / 'hello.py'
    hello.parent.mkdir()
    hello.write_text('mine')
    done = empty.run('init', kind)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == 'kept   tasks/hello.py, which already exists'
    assert hello.read_text() == 'mine'


def test_another_folder_is_made_and_the_way_there_told(empty):
    done = empty.run('init', 'plain', '--dir', 'some where')
    assert 'wrote  some where/tasks/hello.py' in done.stdout
    assert "  cd 'some where'\n" in done.stdout
    assert files(empty.folder) == ['some where/tasks/hello.py']


def test_where_nothing_can_be_written_that_is_told(empty):
    (empty.folder / 'tasks').write_text('a file')
    done = empty.run('init')
    assert done.returncode == 78
    assert done.stderr == 'Error: cannot write tasks/hello.py: tasks is not a folder\n'


def test_a_wrong_kind_tells_the_near_one(empty):
    done = empty.run('init', 'flasks')
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "Error: No such command 'flasks'. Did you mean flask?",
    )
    assert files(empty.folder) == []


def test_every_kind_is_named_by_help(empty):
    help_text = empty.run('init', '--help').stdout
    assert all(f'\n  {kind} ' in help_text for kind in ('plain', 'flask', 'django', 'systemd', 'gallery'))
    assert '\n  pytask init gallery text/count     copy one\n' in help_text  # lines are left as they are


def test_the_gallery_is_listed_and_copied(empty):
    listed = dict(line.split('\t') for line in empty.run('init', 'gallery').stdout.splitlines())
    names = [name.removesuffix('.py') for name in files(ROOT / 'tasks') if name.endswith('.py')]
    assert sorted(listed) == sorted(names)
    assert listed['text/count'] == 'count the words of a large file.'
    done = empty.run('init', 'gallery', 'text/count', 'tasks/hello.py')
    assert done.stdout.splitlines()[:2] == ['wrote  tasks/text/count.py', 'wrote  tasks/hello.py']
    assert files(empty.folder) == ['tasks/hello.py', 'tasks/text/count.py']
    assert empty.run('init', 'gallery', '--all').returncode == 0
    assert files(empty.folder) == sorted(f'tasks/{name}.py' for name in names)
    assert empty.run('tasks').returncode == 0


def test_a_name_that_is_not_in_the_gallery_tells_the_near_one(empty):
    done = empty.run('init', 'gallery', 'hello', 'txt/count')
    assert (done.returncode, done.stderr) == (3, "Error: no 'txt/count' in the gallery; did you mean text/count?\n")
    assert files(empty.folder) == []


def call(url, data=None):
    """Return (HTTP status, JSON); a status of 0 where nobody listens yet."""
    try:
        with urllib.request.urlopen(url, data=data, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None
    except urllib.error.URLError:
        return 0, None


def serve(processes, words, port):
    """Start a web server, which is ended with the workers."""
    process = subprocess.Popen(
        [sys.executable, *words], cwd=processes.folder, env=processes.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    processes.running.append(process)
    url = f'http://127.0.0.1:{port}'
    wait_until(lambda: call(url)[0] or process.poll() is not None, 'the site answers', 30)
    return url


def test_beside_flask_a_view_starts_a_run_and_another_reads_it(empty):
    pytest.importorskip('flask', reason='Flask is not installed')
    done = empty.run('init', 'flask')
    assert files(empty.folder) == ['app.py', 'tasks/hello.py']
    assert '  flask run ' in done.stdout
    assert 'pip install' not in done.stdout
    empty.worker()  # it finds app.py
    port = free_port()
    site = serve(empty, ['-m', 'flask', 'run', '--port', str(port)], port)
    status, started = call(f'{site}/greetings', b'name=you')
    assert status == 202
    place = f'{site}/greetings/{started["id"]}'
    wait_until(lambda: call(place)[1]['state'] == 'SUCCESS', 'it has run', 20)
    assert call(place) == (200, {'id': started['id'], 'state': 'SUCCESS', 'output': 'hello you'})
    assert call(f'{site}/greetings/nothing')[0] == 404


VIEWS = """
from django.http import JsonResponse
from django.urls import path

from pytask import PyTask

tasks = PyTask()

def start(request):
    return JsonResponse({'id': tasks.client.start('count-users').id}, status=202)

def read(request, run_id):
    run = tasks.client.get(run_id)
    return JsonResponse({'state': run.state, 'output': run.output})

urlpatterns = [path('users', start), path('users/<run_id>', read)]
"""


@pytest.mark.timeout(120)
def test_in_a_django_project_a_task_uses_the_database_and_a_view_starts_it(empty):
    pytest.importorskip('django', reason='Django is not installed')

    def python(*words):
        done = subprocess.run(
            [sys.executable, *words], cwd=empty.folder, capture_output=True, text=True, timeout=60, check=False,
            env=empty.environment(DJANGO_SUPERUSER_PASSWORD='x'),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    python('-m', 'django', 'startproject', 'shop', '.')
    done = empty.run('init', 'django')
    assert done.stdout.splitlines()[:2] == ['wrote  tasks/__init__.py', 'wrote  tasks/users.py']
    assert "'DJANGO_SETTINGS_MODULE', 'shop.settings'" in (empty.folder / 'tasks' / '__init__.py').read_text()
    python('manage.py', 'migrate')
    python('manage.py', 'createsuperuser', '--noinput', '--username', 'me', '--email', 'me@example.org')
    empty.worker()
    assert empty.run('run', 'count-users').stdout == '1\n'
    (empty.folder / 'shop' / 'urls.py').write_text(VIEWS)
    port = free_port()
    site = serve(empty, ['manage.py', 'runserver', '--noreload', str(port)], port)
    status, started = call(f'{site}/users')
    assert status == 202
    wait_until(lambda: call(f'{site}/users/{started["id"]}')[1]['state'] == 'SUCCESS', 'it has run', 20)
    assert call(f'{site}/users/{started["id"]}')[1]['output'] == 1


def test_the_views_that_are_shown_are_those_that_were_tried():
    shown = (ROOT / 'pytask' / 'samples' / 'django' / 'users.py').read_text()
    lines = [line.partition('  #')[0].strip() for line in shown.splitlines()]
    assert all(
        line.strip() in lines
        for line in VIEWS.split('urlpatterns', maxsplit=1)[0].splitlines()
        if 'import' not in line
    )


def test_without_a_django_project_the_way_to_one_is_told(empty):
    done = empty.run('init', 'django')
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].endswith('; run: django-admin startproject NAME .')
    (empty.folder / 'manage.py').write_text('print()')
    assert 'does not set DJANGO_SETTINGS_MODULE' in empty.run('init', 'django').stderr


class Terminal:
    """`pytask …` on a terminal."""

    def __init__(self, processes, *words, **environment):
        self.shown = ''
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(processes.folder)
            os.execve(
                sys.executable, [sys.executable, '-m', 'pytask', *words], processes.environment(**environment)
            )
        os.set_blocking(self.fd, False)

    def shows(self, text):
        with suppress(BlockingIOError, OSError):
            self.shown += os.read(self.fd, 65_536).decode()
        return text in self.shown

    def type(self, text):
        os.write(self.fd, text.encode())

    def exit_code(self):
        ended = []

        def has_ended():
            self.shows('')
            if not ended:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                ended.extend([status] if pid else [])
            return bool(ended)

        wait_until(has_ended, 'it ends', 20)
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[0])

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def dev(empty, server_binary):
    """`pytask dev` on a terminal, at its question."""
    terminal = Terminal(empty, 'dev', PYTASK_REDIS='', PYTASK_REDIS_SERVER=server_binary)
    try:
        wait_until(lambda: terminal.shows('No ./tasks here. Write a first task? [Y/n]'), 'it asks', 20)
        yield terminal
    finally:
        terminal.close()


def test_dev_without_tasks_offers_one_and_goes_on(dev, empty):
    dev.type('\n')
    wait_until(lambda: dev.shows('hello world'), 'the first run has ended', 30)
    assert 'wrote tasks/hello.py' in dev.shown
    assert (empty.folder / 'tasks' / 'hello.py').exists()
    dev.type('\x03')
    assert dev.exit_code() == 0


def test_dev_takes_no_for_an_answer(dev, empty):
    dev.type('n\n')
    assert dev.exit_code() == 78
    assert 'write a first task with: pytask init' in dev.shown
    assert files(empty.folder) == []


def test_ctrl_c_at_the_question_ends_it(dev, empty):
    dev.type('\x03')
    assert dev.exit_code() == 130
    assert files(empty.folder) == []


def test_dev_without_a_terminal_asks_nobody_and_leaves_nothing(empty):
    done = empty.run('dev')
    assert done.returncode == 78
    assert done.stderr.splitlines()[0].endswith('write a first task with: pytask init')
    assert files(empty.folder) == []


@pytest.mark.timeout(180)
def test_the_wheel_carries_the_samples_and_no_module_called_tasks(tmp_path):
    pytest.importorskip('hatchling', reason='hatchling, which builds the wheel, is not installed')
    source = tmp_path / 'source'
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns('.*', '__pycache__', 'tests', 'node_modules'))
    subprocess.run(
        [sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', tmp_path], cwd=source, check=True,
        capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = tmp_path.glob('pytaskd-*.whl')
    target = tmp_path / 'installed'
    shutil.unpack_archive(wheel, target, 'zip')
    assert {path.name for path in target.iterdir() if not path.name.endswith('.dist-info')} == {'pytask'}
    folder = tmp_path / 'site'
    folder.mkdir()

    def pytask(*words):
        return subprocess.run(
            [sys.executable, '-m', 'pytask', *words], cwd=folder, capture_output=True, text=True, check=True,
            env={**os.environ, 'PYTHONPATH': str(target)},
        ).stdout  # fmt: skip

    assert pytask('init').startswith('wrote')
    pytask('init', 'gallery', '--all')
    gallery = [f'tasks/{name}' for name in files(ROOT / 'tasks') if name.endswith('.py')]
    assert [name for name in files(folder) if '__pycache__' not in name] == sorted(gallery)
