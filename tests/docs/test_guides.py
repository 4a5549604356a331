"""The guides of docs/: their commands and programs are executed, and print what the page says."""

from __future__ import annotations

import json
import textwrap

import pytest
from pages import Page, Shell, needs_redis_cli
from support import ROOT

pytestmark = pytest.mark.timeout(180)

# Each guide, the worker that it needs, and lines that its blocks print.
GUIDES = {
    'guide-deploy': (None, ['state SUCCESS', 'output {"imported":1000,"attempt":2}']),
    'guide-clean-up': (['-A', 'shop:app'], ['home applied', 'output 1', 'applied applied']),
    'guide-from-celery': (
        ['-q', 'default', '-q', 'reports'], ['report for 2026-11', 'True', 'report for 2027-01'],
    ),
    'guide-from-rq': (['-q', 'images'], ['cat.png at 200', '2', 'dog.png at 800', 'cow.png at 800']),
    'guide-from-huey': (['-A', 'shop:app'], ['charged 7', 'charged 8']),
    'guide-from-greenlet-daemon': ([], ['news applied', '1', 'STOPPED']),
    'guide-from-django-task-api': ([], ['{"text":"hello Ada, hello Ada"}', 'refused']),
    'guide-from-asyncio-tasks': (
        ['-A', 'house:app'],
        ['["home",["hall","kitchen"],false]', '["home",["attic 1","attic 2"],false]', 'refused'],
    ),
    'guide-from-step-machine': ([], ['Drive it there', 'arrived after 2 hours', 'next applied', '2']),
    'faults': ([], ['True', "{'order': 7, 'charged': True}"]),
}  # fmt: skip
BY_THEMSELVES = {'guide-stop-from-a-view', 'guide-from-flask-extension'}


@pytest.fixture
def shell(processes, tmp_path):
    return Shell(processes, tmp_path)


def play(shell, page):
    """Run the blocks in order, except files and the code of other systems; return the lines that were printed."""
    lines = []
    for block in page.blocks():
        if block.file or block.text.startswith(('from celery', 'from redis', 'from huey')):
            continue
        done = shell.run(block.text) if block.language == 'shell' else shell.python(block.text)
        assert done.returncode == 0, f'{block.text}\n{done.stdout}{done.stderr}'
        lines += [' '.join(line.split()) for line in done.stdout.splitlines()]
    return lines


def test_every_guide_is_executed():
    guides = {path.stem for path in (ROOT / 'docs').glob('guide-*.rst')}
    assert guides == {name for name in GUIDES if name != 'faults'} | BY_THEMSELVES


@needs_redis_cli
@pytest.mark.parametrize('name', GUIDES)
def test_a_guide_does_what_it_says(shell, processes, name):
    words, expected = GUIDES[name]
    page = Page(f'docs/{name}.rst')
    shell.write(page.blocks())
    if words is not None:
        processes.worker(*words)
    printed = play(shell, page)
    assert [line for line in expected if line not in printed] == [], printed


@pytest.mark.parametrize('path', sorted((ROOT / 'docs').glob('guide-*.rst')), ids=lambda path: path.stem)
def test_a_guide_is_short_and_asks_its_question_first(path):
    lines = path.read_text().splitlines()
    assert 40 <= len(lines) <= 120
    assert '?' in '\n'.join(lines[2:7])


def test_stop_from_a_view(shell, processes):
    page = Page('docs/guide-stop-from-a-view.rst')
    shell.write(page.blocks())
    processes.worker()
    printed = play(shell, page)
    assert json.loads(printed[-2]) == {'answer': 'applied'}
    assert printed[-1] == 'state STOPPED'
    assert not (shell.folder / 'may.csv').exists(), '`finish` has removed it'


def test_from_flask_extension(shell, sites):
    page = Page('docs/guide-from-flask-extension.rst')
    shell.write(page.blocks())
    sites.flask()
    sites.one_worker()
    run_id = sites.ask('users', {'email': 'bob@example.org'})['id']
    assert sites.ended(run_id) == 'shop@example.org welcomes bob@example.org'
    assert play(shell, page) == ['shop@example.org welcomes ada@example.org', 'daily-report']


def test_the_wsgi_module_of_the_django_guide_lets_in_who_has_logged_in(shell, processes):
    shell.write(Page('docs/guide-from-django-task-api.rst').blocks())
    (shell.folder / 'site_settings.py').write_text(
        textwrap.dedent("""
        SECRET_KEY = 'x' * 50
        ALLOWED_HOSTS = ['localhost']
        ROOT_URLCONF = 'site_settings'
        urlpatterns = []
        INSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions']
        DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}
        SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'
        DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
    """)
    )
    done = shell.python(
        textwrap.dedent("""
        import io, json, os
        os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'
        from wsgi import application
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.test import Client

        call_command('migrate', verbosity=0)
        client = Client(headers={'host': 'localhost'})
        client.force_login(User.objects.create_user('ada', password='x'))
        body = json.dumps({'task': 'greeting', 'inputs': {'who': 'Ada'}}).encode()
        for cookie in ('', 'sessionid=' + client.cookies['sessionid'].value):
            told = []
            parts = application({
                'REQUEST_METHOD': 'POST', 'PATH_INFO': '/api/tasks/', 'SERVER_NAME': 'localhost',
                'SERVER_PORT': '80', 'HTTP_HOST': 'localhost', 'HTTP_COOKIE': cookie, 'HTTP_ORIGIN': 'http://localhost',
                'CONTENT_TYPE': 'application/json', 'CONTENT_LENGTH': str(len(body)),
                'wsgi.input': io.BytesIO(body), 'wsgi.url_scheme': 'http',
            }, lambda status, headers: told.append(status[:3]))
            print(told[0], json.loads(b''.join(parts)).get('status'))
        """)
    )
    assert done.stdout.splitlines()[-2:] == ['403 403', '201 pending'], done.stderr
