"""The samples of seed 002 that speak of HTTP, in pytask's words; those of typed data stand beside this.

=========================================  ===================================================================
there                                      here
=========================================  ===================================================================
a task in ``TASK_API_BACKGROUND_TASKS``    ``EXPOSE = True``, or its name in the setting ``expose``
the API view of DRF                        ``pytask.web.application``, by ``mount`` below a path of the site
``TASK_API_AUTHENTICATION_CLASSES``        what ``auth`` reads of a request: here Django's own session
``TASK_API_PERMISSIONS_CLASSES``           what ``auth`` returns: here whether the user has logged in
DRF's answers to bad inputs                400, ``application/problem+json``, all errors by path
=========================================  ===================================================================
"""

import json
import subprocess
import sys
import textwrap

import pytest

SITE = """
    import io, json, sys

    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    settings.configure(
        SECRET_KEY='x' * 50, ALLOWED_HOSTS=['localhost'], ROOT_URLCONF=__name__, USE_TZ=True,
        INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions'],
        DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}},
        SESSION_ENGINE='django.contrib.sessions.backends.signed_cookies',
        DEFAULT_AUTO_FIELD='django.db.models.AutoField',
    )
    urlpatterns = []
    django.setup()

    from django.contrib.auth import get_user
    from django.contrib.auth.models import User
    from django.contrib.sessions.middleware import SessionMiddleware
    from django.core.handlers.wsgi import WSGIRequest
    from django.core.management import call_command
    from django.test import Client
    from pytask import PyTask, Task
    from pytask.web import application, mount

    class MyTask(Task):
        EXPOSE = True
        NAME = 'my-task'

        def __init__(self, name: str, count: int = 5):
            self.name, self.count = name, count

        def start(self):
            return 'Some output'

    app = PyTask(sys.argv[1], tasks='')
    app.add_task(MyTask)

    def auth(environ):
        request = WSGIRequest(environ)
        SessionMiddleware(lambda request: None).process_request(request)
        return get_user(request).is_authenticated

    site = mount(get_wsgi_application(), '/api', application(app, auth=auth))

    def ask(method, path, data=None, cookie=''):
        body = json.dumps(data).encode() if data is not None else b''
        told = []
        parts = site({
            'REQUEST_METHOD': method, 'PATH_INFO': path, 'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
            'HTTP_HOST': 'localhost', 'HTTP_COOKIE': cookie, 'HTTP_ORIGIN': 'http://localhost',
            'CONTENT_TYPE': 'application/json', 'CONTENT_LENGTH': str(len(body)), 'wsgi.input': io.BytesIO(body),
            'wsgi.url_scheme': 'http',
        }, lambda status, headers: told.append(int(status[:3])))
        return told[0], json.loads(b''.join(parts))

    call_command('migrate', verbosity=0)
    User.objects.create_user('ada', password='x')
    client = Client(headers={'host': 'localhost'})
    client.force_login(User.objects.get())
    cookie = 'sessionid=' + client.cookies['sessionid'].value
"""


@pytest.fixture
def asked(server):
    """Run lines in that site, and return what they print."""

    def run(lines):
        code = textwrap.dedent(SITE) + textwrap.dedent(lines)
        done = subprocess.run(
            [sys.executable, '-c', code, server.url], capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_authorization_and_permissions(asked):
    """Only users who have logged in may use the API; 403 for everybody else."""
    anonymous, known, forged = asked("""
        start = 'POST', '/api/tasks/', {'task': 'my-task', 'inputs': {'name': 'x'}}
        print(json.dumps([ask(*start)[0], ask(*start, cookie=cookie)[0], ask(*start, cookie='sessionid=x')[0]]))
    """)
    assert (anonymous, known, forged) == (403, 201, 403)


def test_the_first_task_is_started_and_asked_for(asked, redis):
    told = asked("""
        wanted = {'task': 'my-task', 'inputs': {'name': 'x', 'count': '6'}}
        code, started = ask('POST', '/api/tasks/', wanted, cookie)
        print(json.dumps([code, started, ask('GET', f'/api/tasks/{started["uuid"]}/', cookie=cookie)]))
    """)
    code, started, [again, shown] = told
    assert (code, again) == (201, 200)
    assert shown.keys() == started.keys() >= {'uuid', 'task', 'status', 'progress', 'target', 'outputs', 'messages'}
    assert (shown['status'], shown['inputs']) == ('pending', {'name': 'x', 'count': '6'})
    assert redis.lrange('new-task', 0, -1) == [started['uuid']]


def test_missing_and_wrong_inputs_are_refused(asked, redis):
    """ "not a number" for an integer is an error of the client's, and so is a required input that is missing."""
    told = asked("""
        wrong = {'task': 'my-task', 'inputs': {'count': 'not a number'}}
        unknown = {'task': 'no-task', 'inputs': {}}
        print(json.dumps([ask('POST', '/api/tasks/', data, cookie) for data in (wrong, unknown)]))
    """)
    assert [code for code, _ in told] == [400, 400]
    assert sorted(error['path'] for error in told[0][1]['errors']) == ['inputs.count', 'inputs.name']
    assert [error['path'] for error in told[1][1]['errors']] == ['task']
    assert redis.keys('*') == []
