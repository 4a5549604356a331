"""docs/web.rst: its commands are run, its code is imported."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from pages import Page, Shell

from pytask.embedded.server import free_port

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(180)]


@pytest.fixture
def page():
    return Page('docs/web.rst')


@pytest.mark.skipif(not shutil.which('curl'), reason='no curl on PATH')
def test_the_api_by_curl(page, processes, tmp_path):
    shell, port = Shell(processes, tmp_path), free_port()
    blocks = page.blocks()
    shell.write(blocks[:1])
    processes.worker()
    [commands] = [block.text for block in blocks if block.language == 'shell']
    try:
        done = shell.run(commands.replace('8275', str(port)))
    finally:
        pid = shell.folder / 'web.pid'
        if pid.exists() and is_alive(int(pid.read_text())):
            os.kill(int(pid.read_text()), signal.SIGKILL)
    assert done.returncode == 0, done.stderr
    served, started, waited, shown, wrong, again, code = done.stdout.splitlines()
    assert served == f'web     http://127.0.0.1:{port}/'
    assert json.loads(started)['id'] == 'first'
    assert waited.startswith('first')
    assert json.loads(shown)['output'] == ['to you', 'to you']
    assert sorted(error['path'] for error in json.loads(wrong)['errors']) == [
        'data.name',
        'data.nmae',
        'data.times',
    ]
    assert (json.loads(again), code) == ({'answer': 'applied'}, '200')


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


FLASK = """
import io
from callers import Caller
assert Caller(site.wsgi_app, Host='localhost').get('/jobs/api/v1/tasks').code == 403
assert Caller(site.wsgi_app, Host='example.org').get('/jobs/api/v1/tasks', environ={'REMOTE_USER': 'a'}).code == 200
"""
DJANGO = """
from callers import Caller
assert Caller(application, Host='localhost').get('/jobs/api/v1/tasks').code == 403
"""
BEFORE = """
from django.conf import settings
settings.configure(
    SECRET_KEY='x' * 50, INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes'],
    SESSION_ENGINE='django.contrib.sessions.backends.signed_cookies',
)
"""
AUTH = """
assert app.web_auth({'REMOTE_USER': 'bob'}) == {'read'}
"""


@pytest.mark.parametrize(
    ('text', 'before', 'after'), [('site.wsgi_app', '', FLASK), ('django', BEFORE, DJANGO), ('@app.auth', '', AUTH)]
)
def test_the_code(page, tmp_path, text, before, after):
    [code] = [block.text for block in page.blocks() if block.language == 'python' and text in block.text]
    folder = os.path.join(os.path.dirname(os.path.dirname(__file__)), 'web', 'api')  # noqa: PTH118, PTH120
    done = subprocess.run(
        [sys.executable, '-c', before + code + after], capture_output=True, text=True, cwd=tmp_path, check=False,
        env=os.environ | {'PYTHONPATH': folder},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
