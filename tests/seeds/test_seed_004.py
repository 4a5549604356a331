"""Seed 004, an extension for Flask: each of its samples, by ``pytask.contrib.flask``.

======================================  ========================================================================
There                                   Here
======================================  ========================================================================
``from flask_taskx import …``           ``from pytask.contrib.flask import …``
``BackgroundTaskWorker(app)``,          the same
``BlockingTaskWorker(app)``,
``init_app``, ``start``
``define_task``, ``define_cron_task``,  the same
``define_date_task``, ``apply``
an enqueued task                        a run, of the task named as the function, in kebab-case: ``email-task``
``taskx run``                           ``pytask worker``, or ``flask pytask worker``
the queue in the Flask app's database,  Redis for now; options are checked
asked each ``TASKER_LOOP_INTERVAL``
``TASKER_…``                            ``PYTASK_…`` in Flask's config, which wins; ``TASKER_…`` is accepted
======================================  ========================================================================

Mended: ``BackgroudTaskWorker``; ``email_task(**kwargs)`` with ``args=['email@email.com']``, which names no input
for it (here the first input is ``email``); ``msg = send_message(**kwargs)`` is never defined (here it writes a
file); a ``run_date`` of 2009 is past (it is shown as missed; one that is to come runs).
"""

import json
import textwrap
from datetime import datetime, timedelta

import pytest
from flask import Flask
from support import wait_until

from pytask.contrib.flask.extension import BackgroundTaskWorker, BlockingTaskWorker
from pytask.errors import ConfigError

pytestmark = pytest.mark.timeout(120)

SEND = """
    from pathlib import Path
    from flask import current_app

    def send_message(**kwargs):
        with Path('sent').open('a') as sent:
            sent.write(f'{current_app.config["SENDER"]} to {kwargs["email"]}\\n')
        return kwargs
"""
VIEW = """
    @app.get('/')
    def index():
        return {}

    @app.post('/mail')
    def mail():
        return {'id': email_task.apply(**request.get_json()).id}
"""


def site(head, tail, view=VIEW):
    parts = [
        'import os\nfrom flask import Flask, request\nfrom mail import send_message\n', head,
        "app.config['SENDER'] = 'me'\n", TASK, view, tail,
    ]  # fmt: skip
    return ''.join(textwrap.dedent(part) for part in parts)


TASK = """
    @task_worker.define_task
    def email_task(**kwargs):

        msg = send_message(**kwargs)
        return msg
"""
CONSTRUCTOR = """
    from pytask.contrib.flask import BackgroundTaskWorker

    app = Flask(__name__)
    task_worker = BackgroundTaskWorker(app)
"""
LATER = """
    from pytask.contrib.flask import {kind}

    task_worker = {kind}()

    app = Flask(__name__)
    task_worker.init_app(app)
"""
RUN = """
    app.run(port=int(os.environ['PORT']))
"""
BOTH = """
    task_worker.start()
""" + RUN  # fmt: skip


def sent(sites):
    path = sites.folder / 'sent'
    return path.read_text().splitlines() if path.exists() else []


def mailed(sites):
    """Let a view start a run, and see it done."""
    run_id = sites.ask('mail', {'email': 'a@example.org'})['id']
    assert sites.ended(run_id) == {'email': 'a@example.org'}
    assert sent(sites) == ['me to a@example.org']


@pytest.mark.parametrize(
    'head', [CONSTRUCTOR, LATER.format(kind='BackgroundTaskWorker')], ids=['constructor', 'init_app']
)
def test_an_app_and_its_worker_on_the_same_machine(sites, head):
    sites.write('mail.py', SEND)
    sites.write('app.py', site(head, BOTH))
    sites.serve('app.py')
    mailed(sites)
    assert len(sites.workers()) == 1


def test_an_app_on_one_machine_and_its_worker_on_another(sites, tmp_path):
    blocking = LATER.format(kind='BlockingTaskWorker')
    sites.write('mail.py', SEND)
    sites.write('application.py', site(blocking, RUN))
    sites.write('worker.py', site(blocking, '\ntask_worker.start()\n'))
    sites.serve('application.py')
    run_id = sites.ask('mail', {'email': 'a@example.org'})['id']
    assert (sites.workers(), sites.state(run_id)) == (set(), 'WAIT')
    machine = sites.start('worker.py')  # it blocks: this is the worker itself
    assert sites.one_worker() == machine.pid
    sites.ended(run_id)
    assert sent(sites) == ['me to a@example.org']
    machine.terminate()
    assert machine.wait(30) == 0


def test_a_task_is_defined_in_one_module_and_applied_in_another(sites):
    sites.write('mail.py', SEND)
    head = LATER.format(kind='BackgroundTaskWorker')
    sites.write('extensions.py', head.partition('app =')[0])
    sites.write(
        'tasks.py', 'from extensions import task_worker\nfrom mail import send_message\n' + textwrap.dedent(TASK)
    )
    sites.write(
        'app.py',
        """
        from flask import Flask
        from extensions import task_worker

        app = Flask(__name__)
        app.config['SENDER'] = 'me'
        task_worker.init_app(app)

        @app.get('/')
        def index():
            from tasks import email_task
            payload = {'email': 'b@example.org'}
            return {'id': email_task.apply(**payload).id, 'as a dict': email_task.apply(payload).id}

        import tasks
        task_worker.start()
        """,
    )
    sites.flask()
    started = sites.ask('')
    assert [sites.ended(run_id) for run_id in started.values()] == [{'email': 'b@example.org'}] * 2


CRON = """
    from datetime import date

    @task_worker.define_cron_task(month='6-8,11-12', day='3rd fri', hour='0-3')
    def email_task(**kwargs):

        msg = send_message(**kwargs)
"""
DATE = """
    from datetime import date

    @task_worker.define_date_task(run_date=date(2009, 11, 6), args=['email@email.com'])
    def email_task(email, **kwargs):

        msg = send_message(email=email, **kwargs)
"""


def scheduled(sites, task):
    sites.write('mail.py', SEND)
    parts = [
        'from flask import Flask\nfrom mail import send_message\n',
        CONSTRUCTOR,
        "app.config['SENDER'] = 'me'\n",
    ]
    sites.write('app.py', ''.join(map(textwrap.dedent, [*parts, task])))
    sites.start('-m', 'pytask', 'worker')
    sites.one_worker()
    wait_until(lambda: sites.redis.zcard('schedules') or sites.redis.keys('schedule-*'), 'it is declared')
    done = sites.run('-m', 'pytask', 'cron', 'ls', '--json')
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_cron_task(sites):
    (schedule,) = scheduled(sites, CRON)
    assert schedule['task'] == 'email-task'
    # The third Friday in one of these months, by one of these hours.
    moment = datetime.fromtimestamp(schedule['next_at'])  # noqa: DTZ006 - by this machine's clock, as the schedule is
    assert moment.month in {6, 7, 8, 11, 12}
    assert (moment.strftime('%a'), moment.minute, moment.second) == ('Fri', 0, 0)
    assert 15 <= moment.day <= 21
    assert moment.hour <= 3


def test_a_date_task_that_is_past_is_shown_as_missed(sites):
    (schedule,) = scheduled(sites, DATE)
    assert schedule['missed'] == 1
    assert schedule['data'] == {'email': 'email@email.com'}
    assert sent(sites) == []


def test_a_date_task_that_is_to_come_runs_once(sites):
    soon = datetime.now() + timedelta(seconds=12)  # noqa: DTZ005 - a date without a zone is this machine's
    scheduled(sites, DATE.replace('date(2009, 11, 6)', repr(soon.isoformat())))
    wait_until(lambda: sites.redis.zcard('ended-SUCCESS') == 1, 'it has run', 30)
    assert sent(sites) == ['me to email@email.com']


@pytest.mark.parametrize('words', [('-m', 'pytask', 'worker'), ('-m', 'flask', 'pytask', 'worker')], ids=' '.join)
@pytest.mark.parametrize(('name', 'environment'), [('app', {}), ('shop', {'FLASK_APP': 'shop.py'})], ids=str)
def test_a_worker_from_the_command_line_finds_the_app(sites, words, name, environment):
    sites.write('mail.py', SEND)
    sites.write(f'{name}.py', site(CONSTRUCTOR, ''))
    sites.serve('-m', 'flask', '--app', name, 'run', '--port', str(sites.port))
    worker = sites.start(*words, **environment)
    assert sites.one_worker() == worker.pid
    mailed(sites)
    worker.terminate()
    assert worker.wait(30) == 0


KINDS = pytest.mark.parametrize('kind', [BackgroundTaskWorker, BlockingTaskWorker])


@KINDS
@pytest.mark.parametrize(
    'options',
    [
        {},
        {'TASKER_ENGINE': 'sqlalchemy', 'TASKER_DRIVER': 'sqlite', 'TASKER_LOOP_INTERVAL': 5, 'TASKER_DEBUG': True},
        {
            'TASKER_DRIVER': 'postgres',
            'TASKER_INTERVAL_TIME': 0.5,
            'TASKER_DATABASE_URI': 'postgresql://localhost/db',
        },
        {'TASKER_DRIVER': 'mysql', 'SQLALCHEMY_DATABASE_URI': 'mysql://localhost/db'},
    ],
    ids=['none', 'defaults', 'postgres', 'mysql'],
)
def test_the_options_are_accepted(kind, options):
    app = Flask('shop')
    app.config.update(options)
    kind(app)
    assert app.extensions['pytask'].is_verbose is options.get('TASKER_DEBUG', app.debug)


@KINDS
@pytest.mark.parametrize(
    ('option', 'value', 'says'),
    [
        ('TASKER_ENGINE', 'peewee', 'must be sqlalchemy'),
        ('TASKER_DRIVER', 'oracle', 'must be one of sqlite, postgres, mysql'),
        ('TASKER_LOOP_INTERVAL', 0, 'must be a number of seconds greater than 0'),
        ('TASKER_LOOP_INTERVAL', float('inf'), 'must be a number of seconds greater than 0'),
        ('TASKER_INTERVAL_TIME', float('nan'), 'must be a number of seconds greater than 0'),
        ('TASKER_DEBUG', 'maybe', 'must be True or False'),
        ('TASKER_DATABASE_URI', 7, 'must be a URL such as sqlite:///tasks.db'),
    ],
)
def test_another_value_is_refused_with_the_list(kind, option, value, says):
    app = Flask('shop')
    app.config[option] = value
    with pytest.raises(ConfigError) as caught:
        kind().init_app(app)
    assert str(caught.value) == f"{option} = {value!r} in Flask's config: {says}"
