"""Every sample of the guide "Writing Tasks", as a test on the public API.

================================  ============================================================================
There                             Here
================================  ============================================================================
``class MyTask(Task)``, ``NAME``  the same
``__init__`` with keywords        the same: its signature is what the task takes
``start``, ``stop``               the same
``self.emit(event, data)``        the same; a channel carries JSON with time and number
``raise self.Error(text)``        the same: state ERROR; anything else: EXCEPTION
``provide_context``               the same, a static method
``do_some_work()``                stands for whatever a task does
``web_app.app_context()``         any context manager; Flask's own is tested in seed 004
``Monitor``, ``Cleanup``          ``pytask.Monitor``, ``pytask.Cleanup``
================================  ============================================================================

Mended: the samples use ``gevent`` without importing it.
"""

from contextlib import contextmanager
from contextvars import ContextVar

import gevent.event
import pytest
from support import SOON_S, wait_until

import pytask
from pytask import InputError, State, Task

pytestmark = pytest.mark.timeout(60)
where = ContextVar('where', default='outside')


def test_a_task_has_a_name(app):
    class MyTask(Task):
        NAME = 'mytask'

        def start(self):
            pass

    assert app.add_task(MyTask) is app.registry.get('mytask')


def test_names_are_namespaced_as_those_of_pytask():
    assert (pytask.Monitor.NAME, pytask.Cleanup.NAME) == ('pytask/monitor', 'pytask/cleanup')


def test_init_is_passed_the_data(app, worker):
    @app.task(name='mytask')
    class MyTask(Task):
        def __init__(self, my_task_option='default'):
            self.option = my_task_option

        def start(self):
            return self.option

    worker()
    assert app.client.start('mytask').wait(timeout=SOON_S).output == 'default'
    assert app.client.start('mytask', {'my_task_option': {'any': 'JSON'}}).wait(timeout=SOON_S).output == {
        'any': 'JSON'
    }
    with pytest.raises(InputError, match='other  is not an input'):
        app.client.start('mytask', {'other': 1})


def test_data_that_is_not_json_is_refused(app):
    @app.task
    def mytask(option):
        return option

    with pytest.raises(InputError, match='data  is not JSON'):
        app.client.start('mytask', {'option': object()})


def test_a_task_has_ended_when_start_has(app, worker):
    @app.task(name='mytask')
    class MyTask(Task):
        def start(self):
            do_some_work()

    done = []

    def do_some_work():
        done.append('work')

    worker()
    assert app.client.start('mytask').wait(timeout=SOON_S).state is State.SUCCESS
    assert done == ['work']


def test_stop_ends_the_loop_of_a_task_that_runs_for_ever(app, worker):
    turns = []

    @app.task(name='mytask')
    class MyTask(Task):
        def start(self):
            self.loop = gevent.spawn(self.work)
            self.loop.get()

        def stop(self):
            self.loop.kill()

        def work(self):
            while True:
                turns.append(1)
                gevent.sleep(0.01)

    worker()
    run = app.client.start('mytask')
    wait_until(lambda: len(turns) > 2, 'it works')
    assert run.stop(wait=10) == 'applied'
    assert run.refresh().state is State.STOPPED
    assert run.reason == 'stop'


def test_a_task_emits_events(app, worker):
    @app.task(name='mytask')
    class MyTask(Task):
        def start(self):
            self.emit('event-name', {'some': 'data'})

    worker()
    run_id = app.client.new_id()
    events = app.client.events(run_id, timeout=10)
    app.client.start('mytask', run_id=run_id)
    assert [(e.event, e.data) for e in events if e.seq == 1] == [('event-name', {'some': 'data'})]


def test_an_error_is_another_state_than_an_exception(app, worker):
    @app.task(name='mytask')
    class MyTask(Task):
        def __init__(self, is_expected):
            self.is_expected = is_expected

        def start(self):
            if self.is_expected:
                raise self.Error('Task failz!')
            raise ValueError('nobody knew')

    worker()
    run = app.client.start('mytask', {'is_expected': True}).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'Task failz!')
    run = app.client.start('mytask', {'is_expected': False}).wait(timeout=SOON_S)
    assert (run.state, run.output['type'], run.output['message']) == (State.EXCEPTION, 'ValueError', 'nobody knew')


def test_all_methods_run_in_the_context(app, worker):
    class WebApp:
        @contextmanager
        def app_context(self):
            token = where.set('inside')
            yield
            where.reset(token)

    web_app, heard, told = WebApp(), {}, gevent.event.Event()

    @app.task(name='mytask')
    class MyTask(Task):
        @staticmethod
        def provide_context():
            return web_app.app_context()

        def __init__(self):
            heard['__init__'] = where.get()

        def start(self):
            heard['start'] = where.get()
            told.wait()

        def stop(self):
            heard['stop'] = where.get()
            told.set()

    worker()
    run = app.client.start('mytask')
    wait_until(lambda: 'start' in heard, 'it runs')
    run.stop(wait=10)
    assert heard == {'__init__': 'inside', 'start': 'inside', 'stop': 'inside'}
    assert where.get() == 'outside'
