"""Tasks of Flask apps in one process: which app is meant, what runs inside its context."""

import gc
import os
import subprocess
import sys
import tempfile
import textwrap
import threading

import pytest
from flask import Blueprint, Flask, current_app, g, has_request_context
from support import SOON_S

import pytask
from pytask import Task
from pytask.contrib.flask import background
from pytask.contrib.flask.extension import BackgroundTaskWorker, BaseTaskWorker, BlockingTaskWorker
from pytask.errors import ConfigError, InputError


@pytest.fixture
def make(server):
    """Make Flask apps, each with a database of its own: `make('shop', task_worker)`."""
    made = []

    def make(name, *workers):
        app = Flask(name)
        url = server.url.removesuffix('0') + str(len(made))
        app.config.update(PYTASK_REDIS=url, PYTASK_LEASE=2, TESTING=True)
        for worker in workers:
            worker.init_app(app)
        made.append(app)
        return app

    yield make
    for app in made:
        if 'pytask' in app.extensions:
            app.extensions['pytask'].client.close()


def ended(run):
    run.wait(timeout=SOON_S)
    return run.output


def test_a_function_runs_inside_the_context_of_its_app(make, worker):
    tasks = BackgroundTaskWorker()
    app = make('shop', tasks)
    torn_down = []

    @tasks.define_task
    def where(name):
        g.name = name
        return [current_app.name, g.name, has_request_context()]

    @app.teardown_appcontext
    def tear_down(error):
        torn_down.append(repr(error))

    @tasks.define_task
    def fails():
        raise ValueError('no')

    worker(app.extensions['pytask'])
    assert ended(where.apply(name='a')) == ['shop', 'a', False]
    assert ended(where.apply({'name': 'b'})) == ['shop', 'b', False]
    fails.apply().wait(timeout=SOON_S)
    assert torn_down == ['None', 'None', "ValueError('no')"]
    assert where.function.__name__ == where.__name__ == 'where'  # and it stays callable
    with app.app_context():
        assert where('c') == ['shop', 'c', False]


def test_a_class_and_what_it_spawns_and_offloads_run_inside_too(make, worker):
    tasks = BackgroundTaskWorker()
    app = make('shop', tasks)

    @tasks.define_task(queue='default', timeout=30)
    class Look(Task):
        def __init__(self, name: str):
            self.seen = [current_app.name, name]

        def start(self):
            self.spawn(self.note).join()
            self.seen.append(self.offload(lambda: current_app.name))
            return self.seen

        def note(self):
            self.seen.append(current_app.name)

    assert Look.TIMEOUT == 30
    worker(app.extensions['pytask'])
    assert ended(Look.apply(name='x')) == ['shop', 'x', 'shop', 'shop']


def test_several_apps_have_each_their_own_queue_and_the_current_one_is_meant(make, worker):
    tasks = BackgroundTaskWorker()
    one = make('one', tasks)

    @tasks.define_task  # after the first app, before the second
    def where():
        return current_app.name

    two = make('two', tasks)
    worker(one.extensions['pytask'])
    worker(two.extensions['pytask'])
    for app in (one, two):
        with app.app_context():
            assert ended(where.apply()) == app.name
        with app.test_request_context('/'):
            assert ended(where.apply()) == app.name
            assert tasks.client is app.extensions['pytask'].client
    with pytest.raises(RuntimeError, match=r'serves 2 Flask apps.*inside `with app.app_context\(\):`'):
        where.apply()


def test_views_of_blueprints_and_test_clients_start_runs(make, redis):
    tasks = BackgroundTaskWorker()

    @tasks.define_task
    def mail(to: str):
        return to

    pages = Blueprint('pages', __name__)

    @pages.post('/mail/<to>')
    def send(to):
        return {'id': mail.apply(to=to).id}

    app = make('shop', tasks)
    app.register_blueprint(pages)
    make('other', tasks)
    run_id = app.test_client().post('/mail/me').json['id']
    assert redis.lrange('new-task', 0, -1) == [run_id]
    assert list(redis.info('keyspace')) == ['db0']  # the other app's is empty


def test_the_only_app_is_meant_in_threads_and_beside_another_app(make):
    tasks = BackgroundTaskWorker()

    @tasks.define_task
    def mail(to: str):
        return to

    with pytest.raises(RuntimeError, match='serves no Flask app'):
        mail.apply(to='me')
    make('shop', tasks)
    found = []
    thread = threading.Thread(target=lambda: found.append(mail.apply(to='me').task))
    thread.start()
    thread.join()
    assert found == ['mail']
    with Flask('stranger').app_context():
        assert mail.apply({'to': 'me'}).data == {'to': 'me'}


def test_apps_that_are_gone_are_forgotten(make):
    tasks = BackgroundTaskWorker()

    @tasks.define_task
    def mail():
        pass

    tasks.init_app(Flask('passing'))
    gc.collect()
    app = make('shop', tasks)
    assert mail.apply().client is app.extensions['pytask'].client


def test_two_task_workers_share_what_an_app_has(make):
    one, two = BackgroundTaskWorker(), BlockingTaskWorker()
    app = make('shop', one, two)
    one.define_task(name='a')(lambda: None)
    two.define_task(name='b')(lambda: None)
    one.init_app(app)  # again
    assert {'a', 'b'} <= set(app.extensions['pytask'].registry.names())
    assert one.pytask is two.pytask
    with pytest.raises(ConfigError, match="two tasks are named 'a'"):
        two.define_task(name='a')(lambda: None)


def test_data_is_checked_before_anything_is_enqueued(make):
    tasks = BackgroundTaskWorker()
    make('shop', tasks)

    @tasks.define_task
    def mail(to: str):
        return to

    for wrong in ({}, {'to': 7}, {'to': 'me', 'too': 1}):
        with pytest.raises(InputError):
            mail.apply(wrong)
    with pytest.raises(TypeError, match='apply takes a dict or keyword arguments, not str'):
        mail.apply('me')
    with pytest.raises(TypeError, match="multiple values for keyword argument 'to'"):
        mail.apply({'to': 'me'}, to='you')


def test_a_task_of_pytask_itself_may_be_given_to_a_task_worker(make):
    @pytask.task(queue='mail')
    def mail(to: str):
        return to

    tasks = BackgroundTaskWorker()
    made = tasks.define_task(mail)
    make('shop', tasks)
    assert made.apply(to='me').queue == 'mail'
    assert mail.apply(to='me').client is tasks.client  # it is one task


def test_schedules_are_declared_for_each_app(make):
    tasks = BackgroundTaskWorker()
    one = make('one', tasks)

    @tasks.define_cron_task('*/5 * * * *', tz='UTC', data={'to': 'me'})
    @tasks.define_task(queue='mail')
    def mail(to: str):
        return to

    @tasks.define_date_task('2999-01-01T00:00:00Z', args=['me'], name='once')
    def other(to: str):
        return to

    two = make('two', tasks)
    for app in (one, two):
        schedules = app.extensions['pytask'].schedules
        assert {(name, at.task, at.queue) for name, at in schedules.items()} == {
            ('mail', 'mail', 'mail'), ('once', 'other', 'default'),
        }  # fmt: skip
        with app.app_context():
            assert other.apply(to='you').task == 'other'


THERE_ARE = ', '.join(
    f'TASKER_{name}' for name in ('ENGINE', 'DRIVER', 'LOOP_INTERVAL', 'INTERVAL_TIME', 'DEBUG', 'DATABASE_URI')
)


@pytest.mark.parametrize(
    ('config', 'says'),
    [
        ({'PYTASK_LEESE': 3}, "PYTASK_LEESE in Flask's config: no setting 'leese'; did you mean 'lease'?"),
        ({'PYTASK_LEASE': 'x'}, "PYTASK_LEASE in Flask's config: lease = 'x': must be a number"),
        ({'TASKER_DRVER': 'sqlite'}, "unknown option TASKER_DRVER in Flask's config; did you mean TASKER_DRIVER?"),
        ({'TASKER_QUEUE': 'x'}, f"unknown option TASKER_QUEUE in Flask's config; valid options: {THERE_ARE}"),
        ({'PYTASK_DRIVER': 'x'}, "PYTASK_DRIVER = 'x' in Flask's config: must be one of sqlite, postgres, mysql"),
    ],
    ids=str,
)
def test_options_that_are_none_are_told_with_what_is_near(config, says):
    app = Flask('shop')
    app.config.update(config)
    with pytest.raises(ConfigError) as caught:
        BackgroundTaskWorker(app)
    assert str(caught.value) == says
    assert 'pytask' not in app.extensions


@pytest.mark.parametrize(
    ('config', 'says'),
    [
        ({'TASKER_DATABASE_URI': 'me:secret@host/db'}, '= *** (str) in'),
        ({'TASKER_DATABASE_URI': 'host=host password=secret'}, '= *** (str) in'),
        ({'PYTASK_DATABASE_URI': ['sqlite://me:secret@host']}, '= *** (list) in'),
        ({'TASKER_DATABASE_URI': 'tasks.db'}, "= 'tasks.db' in"),
        ({'TASKER_DRIVER': 'mysql://me:secret@host/db'}, "= 'mysql://me:***@host/db' in"),
        ({'PYTASK_REDIS': b'redis://:secret@host'}, 'redis = *** (bytes): must be text'),
        ({'PYTASK_REDIS': {'password': 'secret'}}, 'redis = *** (dict): must be text'),
        ({'PYTASK_WEB': 'http://me:secret@host'}, "web = 'http://me:***@host': "),
    ],
    ids=str,
)
def test_passwords_are_not_shown(config, says):
    app = Flask('shop')
    app.config.update(config)
    with pytest.raises(ConfigError) as caught:
        BackgroundTaskWorker(app)
    assert says in str(caught.value)
    assert 'secret' not in str(caught.value)


def test_pytasks_own_options_win(monkeypatch):
    app = Flask('shop')
    app.config.update(PYTASK_DEBUG=True, TASKER_DEBUG=False, PYTASK_DRAIN=3, PYTASK_QUEUE=['a', 'b'])
    monkeypatch.setenv('PYTASK_DRAIN', '4')
    tasks = BackgroundTaskWorker(app).pytask
    assert tasks.is_verbose
    assert (tasks.settings.drain_s, tasks.settings.queue) == (4, ('a', 'b'))  # but the environment is stronger


def test_a_base_is_not_started(make):
    with pytest.raises(NotImplementedError, match='BackgroundTaskWorker'):
        BaseTaskWorker().start()


def test_importing_it_and_starting_a_run_loads_no_gevent(server):
    code = """
        import sys
        from flask import Flask
        from pytask.contrib.flask import BackgroundTaskWorker
        worker = BackgroundTaskWorker(Flask('shop'))
        run = worker.define_task(name='x')(lambda: None).apply()
        assert run.id
        sys.exit('gevent' in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], env=os.environ | {'PYTASK_REDIS': server.url}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_where_there_is_no_python_it_is_told_what_to_run(make, monkeypatch):
    tasks = BackgroundTaskWorker()
    make('shop', tasks).config['TESTING'] = False
    monkeypatch.setattr(sys, 'executable', '/usr/bin/uwsgi')
    with pytest.raises(RuntimeError, match='is not a Python interpreter; run `pytask worker` yourself'):
        tasks.start()


def test_the_folder_of_locks_must_be_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / f'pytask-{os.getuid()}').symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(ConfigError, match='belongs to another user, or is a link; remove it, or set TMPDIR'):
        background.lock_path('shop')


def test_the_site_may_stop_its_worker_while_that_is_looked_at(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    beside = background.ChildWorker('shop', 'shop', 0)
    beside._process = subprocess.Popen(['cat'], stdin=subprocess.PIPE)
    monkeypatch.setattr(os, 'utime', lambda path: beside.stop())
    beside._turn()
    assert beside._process is None
    beside._turn()
    assert beside._process is None
    assert caplog.text == ''  # it has ended as it should


def test_a_fork_during_a_launch_keeps_neither_the_lock_nor_the_pipe(tmp_path):
    code = """
        import os, signal, subprocess, sys, threading
        from pathlib import Path
        from pytask.contrib.flask import background

        real, forks = subprocess.Popen, []

        def fork():
            pid = os.fork()
            if not pid:
                signal.pause()
            forks.append(pid)

        def popen(words, **more):
            more.pop('start_new_session')
            for moment in ('before', 'after'):
                thread = threading.Thread(target=fork)
                thread.start()
                thread.join()
                if moment == 'before':
                    process = real(['sh', '-c', 'cat > told'], **more)
            return process

        subprocess.Popen = popen
        beside = background.ChildWorker('shop', 'shop', 0)
        beside._begin()
        process = beside.leave()
        try:
            process.wait(20)
            with background._locked(background.lock_path('shop')) as lock:
                print('ended', lock is not None, '"place": "shop"' in Path('told').read_text())
        finally:
            for pid in forks:
                os.kill(pid, signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], env=os.environ | {'TMPDIR': str(tmp_path)}, check=False,
        capture_output=True, text=True, cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.stdout == 'ended True True\n', done.stderr


def test_a_prompt_has_no_app_for_another_process():
    code = """
        from flask import Flask
        from pytask.contrib.flask import BackgroundTaskWorker
        app = Flask('shop')
        BackgroundTaskWorker(app).start()
    """
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], check=False, capture_output=True, text=True
    )
    assert (
        'RuntimeError: start() needs an app in a module or script; from a prompt, run `pytask worker` instead'
        in done.stderr
    )
