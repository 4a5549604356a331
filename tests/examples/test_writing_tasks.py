"""The guide to writing tasks, sample by sample: what each of them does when it runs."""

import gevent
from flask import Flask, g
from support import SOON_S, wait_until

from pytask import State, Task


def test_a_name_is_how_a_task_is_asked_for(app, worker):
    """The first step is to name a task; namespaces are a convention, not a rule."""

    class MyTask(Task):
        NAME = 'mytask'

        def start(self):
            return 'done'

    app.add_task(MyTask)
    worker()
    assert app.client.start('mytask').wait(timeout=SOON_S).output == 'done'


def test_data_arrives_as_keyword_arguments_of_init(app, worker):
    """The data of a run fills the signature of `__init__`; nobody needs to call `super().__init__`."""

    class MyTask(Task):
        def __init__(self, my_task_option='default'):
            self.option = my_task_option

        def start(self):
            return self.option

    app.add_task(MyTask)
    worker()
    given = app.client.start(MyTask, {'my_task_option': 'mine'})
    left_out = app.client.start(MyTask)
    assert [run.output for run in app.client.wait(given, left_out, timeout=SOON_S)] == ['mine', 'default']


def test_a_run_ends_when_start_returns(app, worker):
    """`start` is called directly in a greenlet; when it ends, the run has ended."""
    worked = []

    def do_some_work():
        worked.append(True)

    class MyTask(Task):
        def start(self):
            do_some_work()

    app.add_task(MyTask)
    worker()
    run = app.client.start(MyTask).wait(timeout=SOON_S)
    assert (run.state, run.output, worked) == (State.SUCCESS, None, [True])


def test_an_endless_task_works_in_a_greenlet_that_stop_kills(app, worker):
    """For what runs for ever: a separate greenlet, and a `stop` that ends it."""
    working = gevent.event.Event()

    def do_some_work():
        working.set()
        gevent.sleep(60)

    class MyTask(Task):
        def start(self):
            self.loop = gevent.spawn(self.work)
            self.loop.get()

        def stop(self):
            self.loop.kill()

        def work(self):
            do_some_work()

    app.add_task(MyTask)
    worker()
    run = app.client.start(MyTask)
    assert working.wait(5)
    assert run.stop() == 'requested'
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_events_go_out_by_pubsub(app, worker, redis):
    """What a task emits is heard by everyone who subscribes to the run's channel."""

    class MyTask(Task):
        def start(self):
            self.emit('event-name', {'some': 'data'})

    app.add_task(MyTask)
    heard = redis.pubsub()
    heard.subscribe('task-my-run')
    worker()
    app.client.start(MyTask, run_id='my-run').wait(timeout=SOON_S)
    texts = wait_until(
        lambda: [m['data'] for m in [heard.get_message()] if m and 'event-name' in str(m)], 'the event'
    )
    heard.close()
    assert texts[0].startswith('{"event":"event-name","data":{"some":"data"},')


def test_expected_trouble_ends_in_error(app, worker):
    """`self.Error` puts a run into state ERROR; EXCEPTION is for what nobody expected."""

    class MyTask(Task):
        def start(self):
            raise self.Error('Task failz!')

    app.add_task(MyTask)
    worker()
    run = app.client.start(MyTask).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'Task failz!')


def test_all_methods_run_inside_one_application_context(app, worker):
    """The context is entered once, before the instance is made; `__init__`, `start` and `stop` share it."""
    web_app = Flask('web')
    seen, torn_down = {}, []
    web_app.teardown_appcontext(torn_down.append)
    started = gevent.event.Event()

    class MyTask(Task):
        @staticmethod
        def provide_context():
            # Wrap task methods in Flask.app_context
            return web_app.app_context()

        def __init__(self):
            seen['init'] = g._get_current_object()
            g.mark = 'made in __init__'
            self.over = gevent.event.Event()

        def start(self):
            seen['start'] = g._get_current_object()
            started.set()
            self.over.wait()
            return [g.mark, len(torn_down)]

        def stop(self):
            seen['stop'] = g._get_current_object()
            g.mark += ', changed in stop'
            self.over.set()

    app.add_task(MyTask)
    worker()
    run = app.client.start(MyTask)
    assert started.wait(5)
    run.stop()
    run.wait(timeout=SOON_S)
    assert run.output == ['made in __init__, changed in stop', 0]
    assert seen['init'] is seen['start'] is seen['stop']
    assert torn_down == [None]


def test_runs_do_not_share_their_application_context(app, worker):
    """Every run has a context of its own, however many of them run side by side."""
    web_app = Flask('web')
    both = gevent.event.Event()
    inside = []

    class MyTask(Task):
        @staticmethod
        def provide_context():
            return web_app.app_context()

        def __init__(self, number):
            g.number = number

        def start(self):
            inside.append(g.number)
            if len(inside) == 2:
                both.set()
            both.wait(5)
            return g.number

    app.add_task(MyTask)
    worker()
    runs = app.client.start_many([(MyTask, {'number': 1}), (MyTask, {'number': 2})])
    assert [run.output for run in app.client.wait(*runs, timeout=SOON_S)] == [1, 2]
