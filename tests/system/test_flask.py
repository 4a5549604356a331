"""Workers beside Flask sites: by real servers, with reloads, kills and several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flask_sites import is_there, parent_of
from support import wait_until

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(120)]

SITE = """
    import os, sys, time
    from flask import Flask, current_app, request
    from pytask import current_task
    from pytask.contrib.flask import {kind}

    app = Flask(__name__)
    app.config['GREETING'] = 'one'
    worker = {kind}(app)

    @worker.define_task
    def greet(name='world'):
        return f'{{current_app.config["GREETING"]}} {{name}} {{os.getpid()}}'

    @worker.define_task
    def hold():
        current_task().message(current_app.config['GREETING'])
        current_task().sleep(600)

    @app.get('/')
    def index():
        return {{'pid': os.getpid(), 'gevent': 'gevent' in sys.modules}}

    @app.get('/greet')
    def start():
        return {{'id': greet.apply(request.args.to_dict()).id}}

    @app.get('/hold')
    def begin():
        return {{'id': hold.apply().id}}
"""
BESIDE = SITE.format(kind='BackgroundTaskWorker')
START = """
    worker.start()
"""
FACTORY = """
    import os
    from flask import Flask
    from pytask.contrib.flask import BackgroundTaskWorker

    worker = BackgroundTaskWorker()

    @worker.define_task
    def greet():
        return os.getpid()

    def create_app(color='red'):
        app = Flask('factory')
        app.config['COLOR'] = color
        worker.init_app(app)

        @app.get('/')
        def index():
            return {'pid': os.getpid(), 'color': color}

        @worker.define_task(name=f'paint-{color}')
        def paint():
            return color

        with app.app_context():
            worker.start()
        return app
"""


def greeted(sites):
    """Have a run done; return its output."""
    return sites.ended(sites.ask('greet')['id'])


@pytest.fixture
def beside(sites):
    sites.write('app.py', BESIDE + START)
    return sites


def held(sites):
    """Start a run that goes on, and return its id."""
    run_id = sites.ask('hold')['id']
    wait_until(lambda: sites.state(run_id) == 'RUNNING', 'it runs', 20)
    return run_id


def test_the_web_process_stays_unpatched_and_its_child_does_the_work(beside):
    web = beside.flask()
    pid = beside.one_worker()
    assert greeted(beside) == f'one world {pid}'
    assert beside.ask('') == {'pid': web.pid, 'gevent': False}
    assert pid != web.pid


def test_what_python_passes_over_in_its_path_the_worker_does_too(sites):
    sites.write('app.py', BESIDE.replace('import os,', 'import pathlib, os,', 1) + """
    sys.path.insert(0, pathlib.Path('lib'))
""" + START)  # fmt: skip
    sites.flask()
    assert greeted(sites) == f'one world {sites.one_worker()}'


def test_what_systemd_has_told_the_site_is_not_for_its_worker(beside):
    names = ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_FDS', 'LISTEN_PID')
    beside.flask(**dict.fromkeys(names, '1'), SHOP='1')
    told = Path(f'/proc/{beside.one_worker()}/environ').read_text().split('\0')
    assert 'SHOP=1' in told
    assert not [text for text in told if text.startswith(names)]


def test_it_ends_with_its_parent_also_by_kill_9_and_gives_its_runs_back(beside):
    web = beside.flask(PYTASK_DRAIN='0.5')
    pid = beside.one_worker()
    run_id = held(beside)
    web.kill()
    web.wait()
    wait_until(lambda: not is_there(pid), 'the worker has ended', 40)
    assert beside.state(run_id) == 'WAIT'
    assert beside.redis.lrange('new-task', 0, -1) == [run_id]


def test_ctrl_c_ends_both_in_order(beside):
    web = beside.flask(PYTASK_DRAIN='0')
    pid = beside.one_worker()
    run_id = held(beside)
    web.send_signal(signal.SIGINT)
    web.wait(40)
    assert not is_there(pid)  # waited for
    assert beside.state(run_id) == 'WAIT'


def test_what_kills_the_worker_leaves_the_site_alone_and_another_one_comes(beside):
    beside.flask()
    pid = beside.one_worker()
    os.kill(pid, signal.SIGKILL)
    beside.one_worker(other_than=pid)
    assert greeted(beside).startswith('one world ')


@pytest.mark.parametrize('way', ['flask run --debug', 'app.run(debug=True)'])
def test_under_the_reloader_there_is_one_with_the_new_code(beside, way):
    source = BESIDE + START
    if way.startswith('app'):
        source += '    app.run(port=int(os.environ["PORT"]), debug=True)\n'
        beside.write('app.py', source)
        beside.serve('app.py')
    else:
        beside.flask('--debug')
    pid = beside.one_worker()
    run_id = held(beside)
    web = beside.ask('')['pid']
    beside.write('app.py', source.replace("'one'", "'two'"))
    new = beside.one_worker(other_than=pid)
    wait_until(lambda: (beside.call('')[1] or {}).get('pid') not in (web, None), 'the site is served anew', 30)
    assert greeted(beside) == f'two world {new}'
    # The run has kept its id, and begun again.
    wait_until(lambda: beside.state(run_id) == 'RUNNING', 'it runs again', 30)
    assert beside.redis.hget(f'task-{run_id}', 'attempt') == '2'
    assert beside.redis.hget(f'task-{run_id}', 'crashes') in (None, '', '0')


def gunicorn(sites, *words, **environment):
    pytest.importorskip('gunicorn', reason='gunicorn is not installed')
    return sites.gunicorn(*words, **environment)


def test_of_three_processes_of_gunicorn_one_has_the_worker_and_another_takes_over(beside):
    web = gunicorn(beside, '-w', '3', '--timeout', '2', 'app:app')  # so long its forks outlive it
    pid = beside.one_worker()
    assert parent_of(parent_of(pid)) == web.pid
    os.kill(parent_of(pid), signal.SIGKILL)
    new = beside.one_worker(other_than=pid)
    assert not is_there(pid)
    assert greeted(beside) == f'one world {new}'
    web.kill()
    web.wait()
    wait_until(lambda: not beside.workers(), 'the worker ends with them', 40)


def test_gunicorn_that_loads_the_app_before_it_forks_has_one_too(beside):
    web = gunicorn(beside, '--preload', '-w', '2', '--timeout', '100', 'app:app')  # so long its forks outlive it
    pid = beside.one_worker()
    assert parent_of(pid) == web.pid
    assert greeted(beside) == f'one world {pid}'
    fork = beside.ask('')['pid']
    web.kill()
    web.wait()
    wait_until(lambda: not is_there(pid), 'the worker has ended', 30)
    assert is_there(fork)  # and has no hold of it


def test_gunicorn_with_greenlets_has_one_too(beside):
    gunicorn(beside, '-k', 'gevent', '-w', '2', 'app:app')
    pid = beside.one_worker()
    assert greeted(beside) == f'one world {pid}'


def known_tasks(sites):
    (worker_id,) = sites.redis.zrange('workers', 0, -1)
    return sites.redis.hget(f'worker-{worker_id}', 'tasks').split()


@pytest.mark.parametrize(
    ('environment', 'color'), [({}, 'red'), ({'FLASK_APP': 'factory:create_app("blue")'}, 'blue')], ids=str
)
def test_an_app_made_by_a_function_is_made_again_in_the_worker(sites, environment, color):
    sites.write('factory.py', FACTORY)
    gunicorn(sites, f'factory:create_app("{color}")', **environment)
    pid = sites.one_worker()
    assert f'paint-{color}' in known_tasks(sites)
    assert parent_of(pid) == sites.ask('')['pid']


def test_what_flask_was_told_to_make_is_made_again(sites):
    sites.write('factory.py', FACTORY.replace("color='red'", 'color'))
    sites.flask('--app', 'factory:create_app("green")')
    sites.one_worker()
    assert 'paint-green' in known_tasks(sites)


@pytest.mark.parametrize('way', ['flask run', 'gunicorn'])
@pytest.mark.parametrize('file', ['app', 'wsgi'])
def test_an_app_of_any_name_is_made_again_by_the_file_that_has_made_it(sites, file, way):
    sites.write(f'{file}.py', FACTORY.replace("'factory'", "'shop'"))
    if way == 'gunicorn':
        gunicorn(sites, f'{file}:create_app()')
    else:
        sites.flask()
    sites.one_worker()
    assert 'paint-red' in known_tasks(sites)


def test_where_nobody_has_named_the_app_it_is_told_how_to(sites):
    sites.write('factory.py', FACTORY.replace("'factory'", "'shop'"))
    gunicorn(sites, 'factory:create_app()')
    wait_until(lambda: 'FLASK_APP=' in sites.log, 'it is told', 20)
    assert "Could not import 'shop'" in sites.log
    assert 'name the app:  FLASK_APP=module:attribute' in sites.log
    assert 'named by' not in sites.log


def test_what_another_process_can_not_import_is_told_once_and_the_site_goes_on(beside):
    beside.write('app.py', BESIDE.replace('import os,', 'import only_here, os,') + START)
    beside.write(
        'serve.py',
        """
        import os, sys, types
        sys.modules['only_here'] = types.ModuleType('only_here')
        from app import app
        app.run(port=int(os.environ['PORT']))
        """,
    )
    beside.serve('serve.py')
    wait_until(lambda: 'does not import' in beside.log, 'it is told', 20)
    assert "app.py:2 does not import: ModuleNotFoundError: No module named 'only_here'" in beside.log
    assert beside.ask('')['gevent'] is False


def test_two_apps_of_one_process_have_a_worker_each(sites):
    sites.write(
        'app.py',
        """
        from flask import Flask, current_app
        from pytask.contrib.flask import BackgroundTaskWorker

        worker = BackgroundTaskWorker()

        @worker.define_task
        def where():
            return current_app.config['PYTASK_PREFIX']

        def make(prefix):
            made = Flask(__name__)
            made.config['PYTASK_PREFIX'] = prefix
            worker.init_app(made)
            made.add_url_rule('/', 'index', lambda: {'id': where.apply().id})
            return made

        app, other = make('a:'), make('b:')
        for each in (app, other):
            with each.app_context():
                worker.start()
                where.apply()
        """,
    )
    sites.flask()
    for prefix in ('a:', 'b:'):
        wait_until(lambda prefix=prefix: len(sites.workers(prefix)) == 1, 'it has a worker', 30)
        wait_until(lambda prefix=prefix: sites.redis.zcard(f'{prefix}ended-SUCCESS'), 'the run has ended', 30)
        (run_id,) = sites.redis.zrange(f'{prefix}ended-SUCCESS', 0, 0)
        assert sites.redis.hget(f'{prefix}task-{run_id}', 'output') == f'"{prefix}"'
    assert sites.workers('a:') != sites.workers('b:')


@pytest.mark.parametrize('words', [('routes',), ('pytask', 'tasks'), ('shell',)], ids=' '.join)
def test_other_commands_start_no_worker(beside, words):
    done = subprocess.run(
        [sys.executable, '-m', 'flask', *words], cwd=beside.folder, env=beside.environment(), capture_output=True,
        text=True, timeout=60, check=False, input='from app import greet\nprint(greet.apply(name="you"))\n',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list((beside.folder / 'tmp').iterdir()) == []  # nobody has locked anything
    assert beside.redis.zcard('workers') == 0
    if words == ('shell',):
        assert [beside.state(run_id) for run_id in beside.redis.lrange('new-task', 0, -1)] == ['WAIT']
    if 'tasks' in words:
        assert done.stdout.split('\n')[:2] == ["greet(name='world')\t", 'hold()\t']


def test_an_app_in_testing_starts_no_worker(sites):
    sites.write('app.py', BESIDE + "\n    app.config['TESTING'] = True\n" + START)
    sites.flask()
    run_id = sites.ask('greet')['id']
    assert sites.state(run_id) == 'WAIT'
    assert list((sites.folder / 'tmp').iterdir()) == []


def test_blocking_start_in_testing_goes_on(sites):
    sites.write('app.py', SITE.format(kind='BlockingTaskWorker') + '\n    app.testing = True\n' + START)
    done = sites.run('-c', 'import app; print("goes on")')
    assert (done.returncode, done.stdout) == (0, 'goes on\n'), done.stderr


def test_under_gunicorn_blocking_start_refuses_to_take_its_place(sites):
    pytest.importorskip('gunicorn', reason='gunicorn is not installed')
    sites.write('app.py', SITE.format(kind='BlockingTaskWorker') + START)
    done = sites.run('-m', 'gunicorn', '-b', f'127.0.0.1:{sites.port}', 'app:app')
    assert done.returncode != 0
    assert 'BlockingTaskWorker.start() would turn this web server (gunicorn) into a worker' in done.stderr


@pytest.mark.parametrize('words', [('-m', 'flask', 'run'), ('app.py',), ('-m', 'app')], ids=' '.join)
def test_blocking_start_makes_the_process_the_worker(sites, words):
    sites.write('app.py', SITE.format(kind='BlockingTaskWorker') + START + "    raise SystemExit('never here')\n")
    process = sites.start(*words)
    assert sites.one_worker() == process.pid
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_each_command_is_there_below_flask_with_its_exit_code_and_its_name(beside):
    beside.start('-m', 'flask', 'pytask', 'worker')
    beside.one_worker()
    run = beside.run('-m', 'flask', '--app', 'app', 'pytask', 'run', 'greet', 'name=you')
    assert (run.returncode, run.stdout.split()[:2]) == (0, ['one', 'you']), run.stderr
    wrong = beside.run('-m', 'flask', 'pytask', 'run', 'greet', 'nome=you')
    assert wrong.returncode == 2
    missing = beside.run('-m', 'flask', 'pytask', 'show', 'nothing')
    assert (missing.returncode, missing.stderr) == (
        3, "Error: no run 'nothing'; list the runs with: flask pytask ls\n",
    )  # fmt: skip
    assert 'worker' in beside.run('-m', 'flask', 'pytask', '--help').stdout
    assert 'Start tasks, list and stop their runs' in beside.run('-m', 'flask', '--help').stdout


def child(beside, line, **environment):
    lock = os.open(beside.folder / 'lock', os.O_RDWR | os.O_CREAT)
    process = subprocess.Popen(
        [sys.executable, '-m', 'pytask.contrib.flask.child'], cwd=beside.folder, stdin=subprocess.PIPE,
        pass_fds=[lock],
        env=beside.environment(**environment), stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(lock)
    beside.processes.running.append(process)
    process.stdin.write(
        json.dumps({'path': sys.path, 'lock': lock, 'words': [], 'limit': 0.5} | line).encode() + b'\n'
    )
    process.stdin.flush()
    return process


def test_a_worker_that_hangs_ends_with_its_parent_too(beside):
    hang = """
    @worker.define_task
    def hang():
        open('hangs', 'w').close()
        while True:
            pass
    """
    beside.write('app.py', BESIDE + hang)
    process = child(beside, {'place': 'app'})
    beside.redis.hset('task-1', mapping={'task': 'hang', 'data': '{}'})
    beside.redis.lpush('new-task', '1')
    wait_until((beside.folder / 'hangs').exists, 'it hangs', 30)
    process.stdin.close()
    assert process.wait(30) == 70


def test_started_by_hand_the_child_says_what_to_use(beside):
    done = subprocess.run(
        [sys.executable, '-m', 'pytask.contrib.flask.child'], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'pytask worker' in done.stderr


def test_a_session_of_the_database_ends_with_its_run(sites):
    pytest.importorskip('flask_sqlalchemy', reason='Flask-SQLAlchemy is not installed')
    sites.write(
        'app.py',
        """
        from flask import Flask
        from flask_sqlalchemy import SQLAlchemy
        from pytask.contrib.flask import BlockingTaskWorker

        app = Flask(__name__)
        app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///shop.db'
        database = SQLAlchemy(app)
        worker = BlockingTaskWorker(app)

        class User(database.Model):
            id = database.Column(database.Integer, primary_key=True)
            name = database.Column(database.String)

        with app.app_context():
            database.create_all()

        @worker.define_task
        def add(name: str, fails: bool = False):
            database.session.add(User(name=name))
            database.session.flush()
            if fails:
                raise ValueError(name)
            database.session.commit()

        @worker.define_task
        def names():
            return [user.name for user in User.query.order_by(User.id)]

        @worker.define_task
        def left():
            return len(database.session.registry.registry)
        """,
    )
    sites.start('-m', 'pytask', 'worker')
    sites.one_worker()

    def run(*words):
        done = sites.run('-m', 'pytask', 'run', *words)
        return done.returncode, done.stdout.strip()

    assert run('add', 'name=a')[0] == 0
    assert run('add', 'name=b', 'fails=true')[0] == 1  # rolled back
    assert run('names') == (0, '["a"]')
    assert run('left') == (0, '0')
