"""An app's hooks and resources around and within its worker."""

from contextlib import contextmanager

import gevent
import pytest
from support import SOON_S, InProcess, wait_until

from pytask import PyTask, Run, State, Task, current_task
from pytask.worker import app_hooks
from pytask.worker.control import stopper


@pytest.fixture
def serve(server):
    """Serve an app until it is told to stop; `stop()` returns the exit code."""
    apps = []

    def serve(app):
        apps.append(app)
        running = InProcess(app)
        running.start()
        return running

    yield serve
    for app in apps:
        app.client.close()


@pytest.fixture
def own(server):
    return PyTask(server.url, lease=2, drain=5)


# on_start


def test_on_start_is_called_before_the_first_claim(own, serve):
    order = []
    own.task(name='quick')(lambda: order.append('run'))
    run = own.client.start('quick')

    @own.on_start
    def first():
        gevent.sleep(0.1)
        order.append('first')

    @own.on_start
    def second(app):
        order.append(app)

    running = serve(own)
    run.wait(timeout=SOON_S)
    assert order == ['first', own, 'run']
    assert running.stop() == 0


@pytest.mark.parametrize('takes', ['nothing', 'app', 'optional', 'bound', 'builtin'])
def test_a_hook_takes_nothing_or_the_app(own, serve, takes):
    called = []

    class Plugin:
        def start(self, app):
            called.append(app)

    hooks = {
        'nothing': lambda: called.append(own),
        'app': lambda app, /: called.append(app) or app,
        'optional': lambda app=own: called.append(app),
        'bound': Plugin().start,
        'builtin': called.append,
    }
    own.on_start(hooks[takes])
    assert serve(own).stop() == 0
    assert called == [own]


def test_an_on_start_that_raises_ends_the_worker(own, redis, caplog):
    closed, stopped = [], []
    own.task(name='quick')(lambda: None)
    run = own.client.start('quick')
    own.add_resource('pool', lambda: 'pool', closed.append)

    @own.on_start
    def warm_up():
        own.resource('pool')
        raise OSError('no model')

    own.on_start(lambda: stopped.append('a later on_start'))
    own.on_stop(lambda: stopped.append('on_stop'))
    running = InProcess(own)
    running.greenlet = gevent.spawn(running.worker.serve)
    assert running.greenlet.get(timeout=SOON_S) == 78
    assert 'warm_up failed, so this worker ends: OSError: no model' in caplog.text
    assert (closed, stopped) == (['pool'], [])
    assert run.refresh().state is State.WAIT
    assert redis.zcard('workers') == 0
    own.client.close()


def test_the_process_ends_with_78_and_says_why(processes):
    (processes.folder / 'app.py').write_text("""
import sys
from pytask import PyTask
app = PyTask()
@app.on_start
def warm_up():
    raise OSError('no model')
sys.exit(app.run())
""")
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, 'app.py'], cwd=processes.folder, env=processes.environment(), capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert 'on_start hook warm_up failed, so this worker ends: OSError: no model' in done.stderr


# on_stop, and the order of the exit


def test_the_order_at_exit_is_last_run_hooks_resources(own, serve):
    order = []
    inside = gevent.event.Event()
    for name in ('first', 'second'):
        own.add_resource(name, lambda name=name: name, lambda it: order.append(f'closed {it}'))
    own.add_resource('unused', lambda: order.append('never'), order.append)

    @own.task
    def uses():
        for name in ('first', 'second'):
            current_task().app.resource(name)
        inside.set()
        gevent.sleep(0.3)
        order.append('run')

    own.on_stop(lambda: order.append('one'))
    own.on_stop(lambda app: order.append(app.resource('first')))
    running = serve(own)
    run = uses.apply()
    assert inside.wait(5)
    running.worker.shut_down('test')
    assert running.greenlet.get(timeout=SOON_S) == 0
    assert order == ['run', 'one', 'first', 'closed second', 'closed first']
    assert run.refresh().state is State.SUCCESS


@pytest.mark.parametrize('error', [ValueError('x'), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_what_on_stop_raises_is_logged(own, serve, caplog, error):
    called = []

    @own.on_stop
    def say_goodbye():
        raise error

    own.on_stop(lambda: called.append(True))
    assert serve(own).stop() == 0
    assert called == [True]
    assert 'say_goodbye failed' in caplog.text


def test_an_on_stop_that_hangs_does_not_keep_the_worker(own, serve, caplog, monkeypatch):
    monkeypatch.setattr(app_hooks, 'HOOK_LIMIT_S', 0.1)

    @own.on_stop
    def linger():
        gevent.sleep(60)

    assert serve(own).stop() == 0
    assert 'linger failed' in caplog.text


def test_a_resource_that_can_not_be_closed_is_logged(own, serve, caplog):
    def close(it):
        raise OSError('it sticks')

    own.add_resource('sticky', lambda: 1, close)
    own.on_start(lambda: own.resource('sticky'))
    assert serve(own).stop() == 0
    assert 'it sticks' in caplog.text


# Resources in runs


def test_a_hundred_runs_that_ask_at_once_get_the_same_one(app, worker):
    made = []

    def factory():
        gevent.sleep(0.1)
        made.append(object())
        return made[-1]

    class Uses(Task):
        def start(self):
            return id(self.app.resource('pool'))

    app.add_resource('pool', factory)
    app.add_task(Uses)
    worker()
    runs = app.client.wait(*app.client.start_many([(Uses, {})] * 100), timeout=SOON_S)
    assert {run.output for run in runs} == {id(made[0])}
    assert len(made) == 1


def test_what_a_resource_spawns_does_not_end_with_the_run_that_made_it(app, worker):
    class Uses(Task):
        def start(self):
            keeper = self.app.resource('pool')
            return [keeper.dead, current_task() is self]

    app.add_resource('pool', lambda: gevent.spawn(gevent.sleep, 60), close=lambda keeper: keeper.kill())
    app.add_task(Uses)
    worker()
    for _ in range(2):
        assert app.client.start(Uses).wait(timeout=SOON_S).output == [False, True]


def test_a_run_that_is_stopped_while_it_makes_one_leaves_it_to_the_next(app, worker):
    asked = []

    def factory():
        asked.append(True)
        if len(asked) == 1:
            gevent.sleep(60)
        return 'pool'

    app.add_resource('pool', factory)
    app.task(name='uses')(lambda: current_task().app.resource('pool'))
    worker()
    first = app.client.start('uses')
    wait_until(lambda: asked, 'it is being made')
    second = app.client.start('uses')
    first.stop()
    assert second.wait(timeout=SOON_S).output == 'pool'
    assert first.wait(timeout=SOON_S).state is State.STOPPED


# on_exception


@pytest.fixture
def seen(app):
    seen = []

    @app.on_exception
    def hook(run, error):
        seen.append((run, error, current_task()))

    return seen


def test_on_exception_is_told_the_run_and_the_live_error(app, worker, seen):
    class Fails(Task):
        def __init__(self, n: int):
            self.n = n

        def start(self):
            return 1 / self.n

    app.add_task(Fails)
    worker()
    started = app.client.start(Fails, {'n': 0}).wait(timeout=SOON_S)
    [(run, error, task)] = seen
    assert isinstance(run, Run)
    assert (run.id, run.task, run.attempt, run.data) == (started.id, 'fails', 1, {'n': 0})
    assert (run.state, run.output) == (started.state, started.output)
    assert (type(error), error.__traceback__ is not None) == (ZeroDivisionError, True)
    assert isinstance(task, Fails)


class OfInit(Task):
    def __init__(self):
        raise OSError

    def start(self):
        return None


class OfContext(Task):
    @staticmethod
    def provide_context():
        raise LookupError

    def start(self):
        return None


class Late(Task):
    TIMEOUT = 0.05

    def start(self):
        gevent.sleep(60)


class Expected(Task):
    def start(self):
        raise self.Error('expected')


def test_it_is_called_for_every_exception_and_for_nothing_else(app, worker, seen):
    app.task(name='unfit')(lambda: {object()})
    app.task(name='fine')(lambda: None)
    worker()
    tasks = ['fine', 'unfit', *map(app.add_task, (OfInit, OfContext, Late, Expected))]
    app.client.wait(*map(app.client.start, tasks), timeout=SOON_S)
    told = {(run.task, type(error)) for run, error, _ in seen}
    assert told == {
        ('unfit', TypeError), ('late', TimeoutError), ('of-init', OSError), ('of-context', LookupError),
    }  # fmt: skip
    assert len(seen) == 4


def test_it_is_called_inside_the_context_of_the_run(app, worker):
    from contextvars import ContextVar

    where, seen = ContextVar('where', default='outside'), []

    class Fails(Task):
        @staticmethod
        @contextmanager
        def provide_context():
            token = where.set('inside')
            try:
                yield
            finally:
                where.reset(token)

        def start(self):
            raise ValueError

    app.on_exception(lambda run, error: seen.append(where.get()))
    app.add_task(Fails)
    worker()
    app.client.start(Fails).wait(timeout=SOON_S)
    assert seen == ['inside']


@pytest.mark.parametrize('error', [ValueError('in the hook'), SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_what_it_raises_is_logged_and_changes_nothing(app, worker, seen, caplog, error):
    def report(run, error_of_run):
        raise error

    app.exception_hooks.insert(0, report)
    app.task(name='fails')(lambda: 1 / 0)
    worker()
    run = app.client.start('fails').wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'ZeroDivisionError')
    assert 'report() failed' in caplog.text
    assert len(seen) == 1


def test_one_that_hangs_is_cut_short(app, worker, monkeypatch, caplog):
    from pytask.worker.attempt import ending

    monkeypatch.setattr(ending, 'HOOK_LIMIT_S', 0.1)
    app.on_exception(lambda run, error: gevent.sleep(60))
    app.task(name='fails')(lambda: 1 / 0)
    worker()
    assert app.client.start('fails').wait(timeout=SOON_S).state is State.EXCEPTION
    assert 'failed' in caplog.text


def test_what_it_spawns_ends_with_the_run(app, worker):
    spawned = []
    app.on_exception(lambda run, error: spawned.append(gevent.spawn(gevent.sleep, 60)))
    app.task(name='fail')(lambda: 1 / 0)
    worker()
    assert app.client.start('fail').wait(timeout=SOON_S).state is State.EXCEPTION
    assert spawned[0].dead


@pytest.mark.parametrize('fails', ['enter', 'exit'])
def test_a_stop_meanwhile_leaves_it_alone(app, worker, monkeypatch, fails):
    monkeypatch.setattr(stopper, 'PATIENCE_S', 0.05)
    inside, ended = gevent.event.Event(), []

    @app.on_exception
    def send(run, error):
        inside.set()
        gevent.sleep(0.5)
        ended.append(error)

    @contextmanager
    def context():
        if fails == 'enter':
            raise OSError
        yield
        raise OSError

    class Plain(Task):
        provide_context = staticmethod(context)

        def start(self):
            pass

    app.add_task(Plain)
    running = worker()
    run = app.client.start(Plain)
    assert inside.wait(5)
    assert run.stop(wait=5) == 'EXCEPTION'
    assert [type(error) for error in ended] == [OSError]
    assert not running.stopper.unkillable
