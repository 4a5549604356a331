"""Every sample of a task API for web sites, as a test: of its tasks on the public API, of HTTP below a Django site.

==================================  ==========================================================================
There                               Here
==================================  ==========================================================================
``name``                            the same, or ``NAME``
``inputs``, ``outputs``             the same: dicts of parameters
``StringParameter()``, ``Int…``     ``String()``, ``Int()``, ``Float()``, ``Number()``, ``Boolean()``, ``Dict()`` of
                                    ``pytask.params``; ``ListParameter(type)`` is ``List(type)``
``required=False``                  the same; then `run` needs a default, and a task without is refused
``run(self, …)``                    the same: `start` calls it with the inputs
the return value of ``run``         the output, always as the mapping of the declared ``outputs``
``set_target``, ``set_progress``    the same; ``inc_progress`` and ``add_message`` too
statuses pending, running,          WAIT, RUNNING, SUCCESS, and ERROR (bad data) or EXCEPTION
succeeded, failed
``TASK_API_BACKGROUND_TASKS``       ``app.add_task``, or the folder of tasks; for the web ``EXPOSE = True``, or its
                                    name in the setting ``expose``
the API view of DRF                 ``pytask.web.application``, by ``mount`` below a path of the site
``…_AUTHENTICATION_CLASSES``        what ``auth`` reads of a request: here Django's own session
``…_PERMISSIONS_CLASSES``           what ``auth`` returns: here whether the user has logged in
DRF's answers to bad inputs         400, ``application/problem+json``, all errors by path
==================================  ==========================================================================

Mended: ``run`` stands outside of its class and lacks ``self``; ``inputs`` and ``outputs`` are written as lists with
``name: value`` in them; a comma and a quote are missing; ``tell()`` inside ``for line in file`` is an OSError in
Python 3, so the file is read by ``iter(file.readline, '')``.
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from support import SOON_S

from pytask import ConfigError, InputError, State, Task
from pytask.params import Int, List, String

pytestmark = pytest.mark.timeout(60)


class MyTask(Task):
    name = 'my-task'

    inputs = {'name': String(), 'count': Int(required=False)}

    outputs = {'output': String()}

    def run(self, name, count=5):
        # Do stuff here
        self.seen = (name, count)
        return f'Some output for {name!r}, {count!r}'


@pytest.fixture
def ended(app, worker):
    """Add a task, run it with some data, return the run at its end."""

    def run(task, **data):
        app.add_task(task)
        worker()
        return app.client.start(task, data).wait(timeout=SOON_S)

    return run


def test_a_basic_task(ended):
    run = ended(MyTask, name='you')
    assert (run.task, run.state, run.output) == ('my-task', State.SUCCESS, {'output': "Some output for 'you', 5"})


def test_values_are_converted(ended):
    assert ended(MyTask, name=6, count='6').output == {'output': "Some output for '6', 6"}


def test_invalid_values_are_told_to_the_client_and_nothing_is_started(app, redis):
    app.add_task(MyTask)
    with pytest.raises(InputError) as caught:
        app.client.start('my-task', {'count': 'not a number', 'other': 1})
    assert caught.value.problems == [
        ('count', "must be a whole number, not 'not a number'"),
        ('other', 'is not an input'),
        ('name', 'is missing'),
    ]
    assert redis.keys('*') == []


def test_invalid_values_of_who_did_not_ask_the_task_are_an_error(app, worker, redis):
    app.add_task(MyTask)
    worker()
    redis.hset('task-42', mapping={'task': 'my-task', 'data': '{"count": "x"}'})
    redis.lpush('new-task', '42')
    run = app.client.get('42').wait(timeout=SOON_S)
    assert run.state is State.ERROR
    assert run.output.splitlines()[:3] == [
        'invalid inputs for `my-task`',
        "  count  must be a whole number, not 'x'",
        '  name  is missing',
    ]


def test_a_list_has_elements_of_a_type(ended):
    class Listed(Task):
        name = 'listed'
        inputs = {'items': List(String())}

        def run(self, items):
            return items

    assert ended(Listed, items=['a', 5]).output == ['a', '5']


def test_an_input_that_is_nice_to_have(app, worker):
    class Wishes(Task):
        name = 'wishes'
        inputs = {'must_have': String(required=True), 'nice_to_have': String(required=False)}

        def run(self, must_have, nice_to_have=None):
            return [must_have, nice_to_have]

    app.add_task(Wishes)
    worker()
    assert app.client.start('wishes', {'must_have': 'a'}).wait(timeout=SOON_S).output == ['a', None]
    both = {'must_have': 'a', 'nice_to_have': 'b'}
    assert app.client.start('wishes', both).wait(timeout=SOON_S).output == ['a', 'b']
    with pytest.raises(InputError, match='must_have  is missing'):
        app.client.start('wishes', {'nice_to_have': 'b'})


def test_an_input_that_is_not_required_must_have_a_default(app):
    class Wishes(Task):
        name = 'wishes'
        inputs = {'nice_to_have': String(required=False)}

        def run(self, nice_to_have):
            pass

    with pytest.raises(ConfigError, match="input 'nice_to_have' is required=False, so run needs a default"):
        app.add_task(Wishes)


def test_a_single_output_may_be_returned_as_it_is(ended):
    class Single(Task):
        name = 'single'
        outputs = {'out': String()}

        def run(self):
            return 'Foo'

    assert ended(Single).output == {'out': 'Foo'}


class Several(Task):
    name = 'several'
    inputs = {'lacks': String(required=False)}
    outputs = {'out': String(), 'count': Int()}

    def run(self, lacks=None):
        return {'out': 'Foo', 'count': 5} if lacks is None else {lacks: 5}


def test_several_outputs_are_returned_as_a_dict(ended):
    assert ended(Several).output == {'out': 'Foo', 'count': 5}


def test_a_missing_or_unknown_output_is_an_exception(ended):
    run = ended(Several, lacks='other')
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'OutputError')
    assert run.output['message'].splitlines() == [
        '`several` returned a value that does not match its return annotation',
        '  output.other  is not declared',
        '  output.out  is missing',
        '  output.count  is missing',
    ]


def test_progress_through_a_file(app, ended, tmp_path):
    path = tmp_path / 'lines.txt'
    path.write_text('one\ntwo\nthree\n')
    lines = []

    def process_line(line):
        lines.append(line)

    class Progress(Task):
        name = 'progress'

        def run(self):
            with path.open('r') as f:
                f.seek(0, os.SEEK_END)
                self.set_target(f.tell())
                f.seek(0, os.SEEK_SET)

                for line in iter(f.readline, ''):
                    process_line(line)
                    self.set_progress(f.tell())

    run = ended(Progress)
    assert run.state is State.SUCCESS
    assert (run.progress, run.target) == (14, 14)
    assert lines == ['one\n', 'two\n', 'three\n']


def test_progress_and_messages_reach_who_watches_and_who_comes_later(app, worker):
    class Tells(Task):
        name = 'tells'

        def run(self):
            self.set_target(3)
            for n in range(3):
                self.inc_progress()
                self.add_message(f'did {n}')

    app.add_task(Tells)
    worker()
    run_id = app.client.new_id()
    events = app.client.events(run_id, timeout=10)
    run = app.client.start('tells', run_id=run_id)
    told = [(e.event, e.data) for e in events if e.event in ('progress', 'message')]
    assert told[:3] == [
        ('progress', {'progress': 0, 'target': 3}),
        ('progress', {'progress': 1, 'target': None}),
        ('message', 'did 0'),
    ]
    run.wait(timeout=SOON_S)
    assert (run.progress, run.target) == (3, 3)
    assert [message.text for message in run.messages] == ['did 0', 'did 1', 'did 2']
    assert run.started <= run.messages[0].at <= run.messages[-1].at <= run.ended


@pytest.mark.parametrize('tell', ['set_target', 'set_progress', 'inc_progress'])
def test_target_and_progress_are_integers(ended, tell):
    class Half(Task):
        name = 'half'

        def run(self):
            getattr(self, tell)(0.5)

    run = ended(Half)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'TypeError')
    assert run.progress is None


# What the chapters on HTTP show.

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
