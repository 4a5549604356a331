"""provide_context: entered once, left once, and told how the run ended."""

from contextlib import contextmanager, suppress

import gevent
import pytest
from support import SOON_S

from pytask import Interrupted, State, Task


def with_context(app, context, start):
    """Add a task whose methods run inside `context()`."""

    class Inside(Task):
        provide_context = staticmethod(context)

        def start(self):
            return start(self)

    app.add_task(Inside)
    return Inside


def test_the_methods_run_between_one_entry_and_one_exit(app, worker):
    order = []

    @contextmanager
    def context():
        order.append('enter')
        yield
        order.append('exit')

    class Ordered(Task):
        provide_context = staticmethod(context)

        def __init__(self):
            order.append('init')

        def start(self):
            order.append('start')

    app.add_task(Ordered)
    worker()
    app.client.start(Ordered).wait(timeout=SOON_S)
    assert order == ['enter', 'init', 'start', 'exit']


def test_the_app_provides_one_for_all_tasks_around_that_of_the_task(app, worker):
    order = []

    @contextmanager
    def context(name):
        order.append(f'enter {name}')
        try:
            yield
        except ValueError:
            order.append(f'{name} hears of it')
            raise
        order.append(f'exit {name}')

    app.provide_context = lambda: context('app')

    @app.task
    def plain():
        order.append('start')

    with_context(app, lambda: context('task'), lambda self: int('none'))
    worker()
    app.client.start(plain).wait(timeout=SOON_S)
    assert order == ['enter app', 'start', 'exit app']
    order.clear()
    run = app.client.start('inside').wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'ValueError')
    assert order == ['enter app', 'enter task', 'task hears of it', 'app hears of it']


def test_what_the_app_provides_may_fail_and_its_worker_lives(app, worker):
    def context():
        raise OSError('no application')

    app.provide_context = context
    task = with_context(app, lambda: None, lambda self: 'fine')
    worker()  # its services run in no such context
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['message']) == (State.EXCEPTION, 'no application')
    app.provide_context = None
    assert app.client.start(task).wait(timeout=SOON_S).output == 'fine'


def test_a_task_without_a_context_of_its_own_may_return_none(app, worker):
    task = with_context(app, lambda: None, lambda self: 'fine')
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).output == 'fine'


def test_a_provide_context_that_raises_is_an_exception(app, worker):
    def context():
        raise OSError('no application')

    task = with_context(app, context, lambda self: None)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['type'], run.output['message']) == (State.EXCEPTION, 'OSError', 'no application')


def test_a_context_that_fails_on_entry_is_an_exception(app, worker):
    @contextmanager
    def context():
        raise OSError('no database')
        yield

    made = []
    task = with_context(app, context, made.append)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['message']) == (State.EXCEPTION, 'no database')
    assert not made


def test_failing_to_leave_a_success_is_an_exception(app, worker):
    @contextmanager
    def context():
        yield
        raise OSError('commit failed')

    task = with_context(app, context, lambda self: 'returned')
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['message']) == (State.EXCEPTION, 'commit failed')


def test_failing_to_leave_an_error_is_only_logged(app, worker, caplog):
    @contextmanager
    def context():
        try:
            yield
        finally:
            raise OSError('rollback failed')

    def start(self):
        raise self.Error('the real trouble')

    task = with_context(app, context, start)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'the real trouble')
    assert 'leaving its context failed' in caplog.text
    assert 'rollback failed' in caplog.text


@pytest.mark.parametrize('kind', [ValueError, Task.Error, SystemExit])
def test_a_context_sees_the_error_and_can_roll_back(app, worker, kind):
    seen = []

    @contextmanager
    def context():
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise
        else:
            seen.append('committed')

    def start(self):
        raise kind('x')

    task = with_context(app, context, start)
    worker()
    app.client.start(task).wait(timeout=SOON_S)
    assert seen == [kind]


def test_a_context_sees_an_output_that_can_not_be_kept(app, worker):
    seen = []

    @contextmanager
    def context():
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise

    task = with_context(app, context, lambda self: object())
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is State.EXCEPTION
    assert seen == [TypeError]


def test_a_context_sees_that_a_run_was_interrupted(app, worker):
    """Else it would commit the half of a transaction."""
    seen = []
    inside = gevent.event.Event()

    @contextmanager
    def context():
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise
        else:
            seen.append('committed')

    def start(self):
        inside.set()
        gevent.sleep(60)

    task = with_context(app, context, start)
    worker()
    run = app.client.start(task)
    assert inside.wait(5)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert seen == [Interrupted]


def test_a_context_that_swallows_the_error_does_not_change_the_outcome(app, worker):
    @contextmanager
    def context():
        with suppress(ValueError):
            yield

    def start(self):
        raise ValueError('all the same')

    task = with_context(app, context, start)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['message']) == (State.EXCEPTION, 'all the same')
