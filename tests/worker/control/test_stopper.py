"""Stopping: asked, waited for, interrupted; whatever the task does, the run ends STOPPED."""

from contextlib import suppress

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import Interrupted, State, Task


class Probe(Task):
    """A task that tells when it is inside `start` and how it was ended."""

    def __init__(self):
        self.over = gevent.event.Event()

    def start(self):
        self.inside.set()
        try:
            return self.work()
        except BaseException as error:
            self.raised.append(error)
            raise
        finally:
            self.cleaned.append(True)

    def work(self):
        self.over.wait()
        return 'kept'


def probe(app, **members):
    """Make a task of its own out of Probe, with other members."""
    own = {'NAME': 'probe', 'inside': gevent.event.Event(), 'raised': [], 'cleaned': []}
    task = type('OwnProbe', (Probe,), own | members)
    app.add_task(task)
    return task


def started(app, task, **options):
    run = app.client.start(task, **options)
    assert task.inside.wait(5)
    return run


def let_go(self):
    self.over.set()


def test_a_task_with_stop_ends_by_itself_and_keeps_what_it_returned(app, worker):
    task = probe(app, stop=let_go)
    worker()
    run = started(app, task)
    assert run.stop() == 'requested'
    run.wait(timeout=SOON_S)
    assert (run.state, run.output, run.reason) == (State.STOPPED, 'kept', 'stop')
    assert not task.raised


def test_a_graceful_task_is_told_by_stopping(app, worker):
    def work(self):
        self.stopping.wait()
        return 'in order'

    task = probe(app, graceful=True, work=work)
    worker()
    run = started(app, task)
    run.stop()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.STOPPED, 'in order')


def test_a_task_with_neither_is_interrupted_at_once(app, worker):
    task = probe(app)
    worker()
    run = started(app, task)
    run.stop()
    with gevent.Timeout(1):
        run.wait()
    assert (run.state, run.output) == (State.STOPPED, None)
    assert [type(error) for error in task.raised] == [Interrupted]
    assert task.raised[0].reason == 'stop'
    assert task.cleaned == [True]


def test_a_stop_that_raises_is_logged_and_the_run_is_interrupted(app, worker, caplog):
    def stop(self):
        raise ValueError('stop is broken')

    task = probe(app, stop=stop)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert 'stop is broken' in caplog.text
    assert [error.reason for error in task.raised] == ['stop']


@pytest.mark.parametrize('kind', [SystemExit, KeyboardInterrupt, gevent.GreenletExit])
def test_a_stop_that_exits_does_not_end_the_worker(app, worker, kind):
    def stop(self):
        raise kind

    task = probe(app, stop=stop)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_a_stop_that_hangs_gets_grace_and_not_more(app, worker):
    def stop(self):
        gevent.sleep(60)

    task = probe(app, stop=stop, GRACE=0.2)
    worker()
    run = started(app, task)
    run.stop()
    with gevent.Timeout(2):
        run.wait()
    assert run.state is State.STOPPED
    assert [error.reason for error in task.raised] == ['stop']


def test_a_stop_that_hangs_ends_with_its_run(app, worker):
    ended = []

    def stop(self):
        try:
            gevent.sleep(60)
        finally:
            ended.append(True)

    task = probe(app, stop=stop, GRACE=0.1)
    worker()
    run = started(app, task)
    run.stop()
    run.wait(timeout=SOON_S)
    wait_until(lambda: ended, 'the hanging stop() is ended too', timeout=SOON_S)


def test_a_stop_that_hangs_does_not_delay_the_stop_of_another(app, worker):
    hanging = probe(app, NAME='hanging', stop=lambda self: gevent.sleep(60), GRACE=3)
    other = probe(app, NAME='other', stop=let_go, inside=gevent.event.Event())
    worker()
    first, second = started(app, hanging), started(app, other)
    app.client.stop_many([first.id, second.id])
    assert second.wait(timeout=1).state is State.STOPPED
    assert first.refresh().state is State.RUNNING


def test_grace_is_time_to_end_in(app, worker):
    def work(self):
        self.stopping.wait()
        gevent.sleep(0.3)
        return 'saved'

    task = probe(app, graceful=True, GRACE=5, work=work)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).output == 'saved'


def test_except_exception_does_not_swallow_a_stop(app, worker):
    def work(self):
        while True:
            with suppress(Exception):
                gevent.sleep(60)

    task = probe(app, work=work)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=1).state is State.STOPPED


def test_swallowing_one_interruption_is_followed_by_another(app, worker):
    def work(self):
        try:
            gevent.sleep(60)
        except BaseException as error:  # noqa: BLE001 - the stubborn task itself
            self.raised.append(error)
        gevent.sleep(60)

    task = probe(app, work=work)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=4).state is State.STOPPED
    assert [error.reason for error in task.raised] == ['stop', 'stop']


def test_what_it_raises_after_being_told_to_stop_does_not_matter(app, worker):
    def work(self):
        self.stopping.wait()
        raise ValueError('in the middle of stopping')

    task = probe(app, graceful=True, work=work)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_a_stop_does_not_wait_for_an_offloaded_call(app, worker):
    """The thread can not be ended, and goes on alone; the run is over."""
    lock = gevent.monkey.get_original('_thread', 'allocate_lock')()
    lock.acquire()

    def work(self):
        self.offload(lock.acquire, True, 10)

    task = probe(app, work=work)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=2).state is State.STOPPED
    lock.release()


def test_a_task_whose_attributes_raise_is_stopped_all_the_same(app, worker):
    def no_attribute(self, name):
        raise KeyError(name)

    task = probe(app, __getattr__=no_attribute)
    worker()
    assert started(app, task).stop(wait=5) == 'applied'


def test_a_grace_that_is_none_is_no_grace(app, worker):
    def work(self):
        self.GRACE = '10'
        type(self).inside.set()
        self.over.wait()

    task = probe(app, work=work, stop=lambda self: None)
    worker()
    assert started(app, task).stop(wait=5) == 'applied'


def test_a_stop_before_the_first_step_means_no_step(app, worker):
    task = probe(app)
    running = worker()
    stop = running.stopper.end
    launch = running.launcher.launch
    running.launcher.launch = lambda *args, **kwargs: stop(launch(*args, **kwargs), 'stop')
    run = app.client.start(task).wait(timeout=SOON_S)
    assert run.state is State.STOPPED
    assert not task.inside.is_set()


def test_a_stop_during_init_interrupts_it(app, worker):
    inside = gevent.event.Event()

    class Slow(Task):
        def __init__(self):
            inside.set()
            gevent.sleep(60)

        def start(self):
            return None

        def stop(self):
            raise AssertionError('there is no instance yet')

    app.add_task(Slow)
    worker()
    run = app.client.start(Slow)
    assert inside.wait(5)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED


@pytest.mark.parametrize('text', ['stop', ' stop\n', '{"command": "stop"}', '{"command": "stop", "attempt": 1}'])
def test_a_published_word_stops_a_run(app, worker, redis, text):
    task = probe(app)
    worker()
    run = started(app, task, run_id='42')
    assert redis.publish('task-42-control', text) == 1
    assert run.wait(timeout=SOON_S).state is State.STOPPED


@pytest.mark.parametrize(
    'text', ['{"command": "stop", "attempt": 7}', 'halt', '{"command": 1}', '[]', '', b'\xff', '{"attempt": 1}']
)
def test_what_is_no_stop_for_this_attempt_is_dropped(app, worker, redis, text):
    task = probe(app)
    running = worker()
    run = started(app, task, run_id='42')
    redis.publish('task-42-control', text)
    redis.publish('task-42-control', 'stop')
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    # Both words were read one after the other by one reader, and only the second one ended the run.
    assert len(task.raised) == 1
    assert running.report.counts['STOPPED'] == 1


def test_a_stop_for_another_attempt_leaves_the_run_going(app, worker, redis):
    task = probe(app)
    running = worker()
    run = started(app, task, run_id='42')
    redis.publish('task-42-control', '{"command": "stop", "attempt": 7}')
    redis.publish('task-none-control', 'stop')
    proved_at = running.listener._asked_at = 0.0
    wait_until(lambda: running.listener._proved_at > proved_at, 'the listener has read on')
    assert run.refresh().state is State.RUNNING


def test_a_stop_is_durable_while_nobody_listens(app, worker, redis):
    """The word was not heard; the next heartbeat reads it in the hash."""
    task = probe(app)
    worker()
    run = started(app, task)
    redis.hset(f'task-{run.id}', 'stop', 1)
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_stopping_twice_is_stopping_once(app, worker):
    calls = []

    def stop(self):
        calls.append(True)
        gevent.sleep(0.1)
        self.over.set()

    task = probe(app, stop=stop)
    worker()
    run = started(app, task)
    assert [run.stop(), run.stop(), run.stop()] == ['requested'] * 3
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert calls == [True]
    assert run.stop() == 'STOPPED'


def test_three_hundred_runs_stop_at_once(app, worker):
    @app.task
    def wait():
        gevent.sleep(60)

    running = worker()
    runs = app.client.start_many([(wait, {})] * 300)
    wait_until(lambda: running.slots.taken == 300, 'all of them run')
    answers = app.client.stop_many([run.id for run in runs])
    assert answers == ['requested'] * 300
    with gevent.Timeout(5):
        ended = app.client.wait(*runs)
    assert {run.state for run in ended} == {State.STOPPED}
    wait_until(lambda: running.slots.taken == 0, 'the slots are free')


def test_a_stop_that_comes_too_late_changes_nothing(app, worker):
    @app.task
    def quick():
        return 'done'

    worker()
    run = quick.apply().wait(timeout=SOON_S)
    assert run.stop() == 'SUCCESS'
    assert run.refresh().output == 'done'
