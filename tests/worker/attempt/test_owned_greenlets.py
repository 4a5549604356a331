"""Owned greenlets: whatever a run spawns ends with it, however the run ends."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import gevent
import pytest
from gevent import monkey
from support import SOON_S, wait_until

from pytask import Interrupted, State, Task


def family(app, end, **policy):
    """Add a task that spawns children every way there is, then ends as told; return what it left."""
    ended, started = [], gevent.event.Event()

    def child(name):
        try:
            gevent.sleep(60)
        except BaseException as error:
            ended.append((name, type(error)))
            raise

    class Family(Task):
        def start(self):
            self.spawn(child, 'owned')
            gevent.spawn(child, 'plain')
            gevent.spawn_later(0, child, 'later')
            gevent.spawn(lambda: gevent.spawn(child, 'grandchild').get())
            gevent.sleep(0.02)
            started.set()
            return end(self)

    for key, value in policy.items():
        setattr(Family, key, value)
    app.add_task(Family)
    return Family, started, ended


def fail(self):
    raise ValueError


def complain(self):
    raise self.Error('x')


ALL = ['grandchild', 'later', 'owned', 'plain']


@pytest.mark.parametrize(
    ('end', 'state'), [(lambda self: 'done', State.SUCCESS), (fail, State.EXCEPTION), (complain, State.ERROR)]
)
def test_children_end_with_the_run(app, worker, end, state):
    task, _, ended = family(app, end)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is state
    assert sorted(name for name, _ in ended) == ALL
    assert {kind for _, kind in ended} == {Interrupted}


@pytest.mark.parametrize(
    'policy', [{}, {'stop': lambda self: None, 'GRACE': 0.1}, {'graceful': True, 'GRACE': 0.1}], ids=','.join
)
def test_children_end_when_the_run_is_stopped(app, worker, policy):
    task, started, ended = family(app, lambda self: gevent.sleep(60), **policy)
    worker()
    run = app.client.start(task)
    assert started.wait(5)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert sorted(name for name, _ in ended) == ALL


def test_children_end_when_the_run_is_timed_out(app, worker):
    task, _, ended = family(app, lambda self: gevent.sleep(60), TIMEOUT=0.1)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).reason == 'timeout'
    assert sorted(name for name, _ in ended) == ALL


def test_children_end_at_a_shutdown(app, worker):
    task, started, ended = family(app, lambda self: gevent.sleep(60))
    running = worker()
    app.client.start(task)
    assert started.wait(5)
    running.shut_down('test')
    running.shut_down('now')
    wait_until(lambda: len(ended) == 4, 'the children end')


def test_join_waits_for_the_children(app, worker):
    done = []

    class Spawn(Task):
        def start(self):
            for n in range(3):
                self.spawn(self.work, n)
            self.join()
            return sorted(done)

        def work(self, n):
            gevent.sleep(0.02 * n)
            done.append(n)

    app.add_task(Spawn)
    worker()
    assert app.client.start(Spawn).wait(timeout=SOON_S).output == [0, 1, 2]


def test_join_raises_the_first_error_of_a_child(app, worker):
    class Spawn(Task):
        def start(self):
            self.spawn(gevent.sleep, 0.01)
            self.spawn(self.work)
            self.join()

        def work(self):
            gevent.sleep(0.02)
            raise LookupError('from a child')

    app.add_task(Spawn)
    worker()
    run = app.client.start(Spawn).wait(timeout=SOON_S)
    assert run.state is State.EXCEPTION
    assert (run.output['type'], run.output['message']) == ('LookupError', 'from a child')


def test_join_raises_the_error_of_a_child_that_died_before(app, worker):
    class Spawn(Task):
        def start(self):
            child = self.spawn(self.work)
            gevent.wait([child])
            self.join()

        def work(self):
            raise LookupError('from a child')

    app.add_task(Spawn)
    worker()
    run = app.client.start(Spawn).wait(timeout=SOON_S)
    assert (run.state, run.output and run.output['type']) == (State.EXCEPTION, 'LookupError')


def test_join_with_a_timeout_returns(app, worker):
    class Spawn(Task):
        def start(self):
            child = self.spawn(gevent.sleep, 60)
            self.join(timeout=0.05)
            return child.dead

    app.add_task(Spawn)
    worker()
    assert app.client.start(Spawn).wait(timeout=SOON_S).output is False


@pytest.mark.parametrize('kind', [SystemExit, KeyboardInterrupt])
def test_a_child_can_not_end_the_process(app, worker, kind):
    """gevent hands these two to the main greenlet; a run's must not get there."""

    class Spawn(Task):
        def start(self):
            gevent.spawn(self.work)
            gevent.sleep(0.05)
            return 'went on'

        def work(self):
            raise kind

    app.add_task(Spawn)
    worker()
    try:
        run = app.client.start(Spawn).wait(timeout=SOON_S)
    except (SystemExit, KeyboardInterrupt) as escaped:
        pytest.fail(f'{type(escaped).__name__} of a child greenlet reached the main greenlet')
    assert run.state in (State.SUCCESS, State.EXCEPTION)


def test_a_child_that_swallows_one_interruption_ends_at_the_next(app, worker):
    swallowed = []

    class Stubborn(Task):
        def start(self):
            self.spawn(self.work)
            gevent.sleep(0.01)

        def work(self):
            try:
                gevent.sleep(60)
            except BaseException:  # noqa: BLE001 - the stubborn task itself
                swallowed.append(True)
            gevent.sleep(60)

    app.add_task(Stubborn)
    worker()
    assert app.client.start(Stubborn).wait(timeout=SOON_S).state is State.SUCCESS
    assert swallowed == [True]


def test_a_greenlet_of_the_process_is_nobodys_child(app, worker):
    """What the embedding program spawned is not a run's, and is left alone."""

    @app.task
    def short():
        return None

    worker()
    own = gevent.spawn(gevent.sleep, 60)
    short.apply().wait(timeout=SOON_S)
    assert not own.dead
    own.kill()


# An error in a child ends the run, unless somebody waits for the child.


def parent(app, start, work=fail, **members):
    """Add a task whose `start` is interrupted or not; return it and the reasons it was interrupted for."""
    reasons = []

    class Parent(Task):
        def start(self):
            try:
                return start(self)
            except Interrupted as interruption:
                reasons.append(interruption.reason)
                raise

    for key, value in {'work': work, **members}.items():
        setattr(Parent, key, value)
    app.add_task(Parent)
    return Parent, reasons


def spawns(self):
    self.spawn(self.work)
    gevent.sleep(60)


def spawns_plainly(self):
    gevent.spawn(self.work)
    gevent.sleep(60)


def spawns_a_grandchild(self):
    self.spawn(lambda: self.spawn(self.work) and gevent.sleep(60))
    gevent.sleep(60)


@pytest.mark.parametrize('start', [spawns, spawns_plainly, spawns_a_grandchild], ids=lambda f: f.__name__)
@pytest.mark.parametrize('policy', [{}, {'graceful': True}, {'stop': lambda self: None}], ids=','.join)
def test_an_error_of_a_child_ends_the_run_at_once(app, worker, start, policy):
    task, reasons = parent(app, start, **policy)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['type'], run.reason) == (State.EXCEPTION, 'ValueError', '')
    assert reasons == ['failed']


def test_an_expected_error_of_a_child_is_the_runs(app, worker):
    task, _ = parent(app, spawns, complain)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'x')


@pytest.mark.parametrize('kind', [SystemExit, KeyboardInterrupt, MemoryError, gevent.Timeout, RecursionError])
def test_whatever_a_child_raises_is_contained(app, worker, kind):
    def work(self):
        raise kind

    task, _ = parent(app, spawns, work)
    worker()
    try:
        run = app.client.start(task).wait(timeout=SOON_S)
    except (SystemExit, KeyboardInterrupt) as escaped:
        pytest.fail(f'{type(escaped).__name__} of a child greenlet reached the main greenlet')
    assert (run.state, run.output['type']) == (State.EXCEPTION, kind.__name__)


def test_a_child_may_leave(app, worker):
    """GreenletExit ends a greenlet, and is no error."""

    def work(self):
        raise gevent.GreenletExit

    task, _ = parent(app, lambda self: self.spawn(self.work) and gevent.sleep(0.05), work)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is State.SUCCESS


def joins(self):
    self.spawn(self.work)
    try:
        self.join()
    except ValueError:
        return 'caught'


def gets(self):
    try:
        gevent.spawn(self.work).get()
    except ValueError:
        return 'caught'


def pools(self):
    pool = gevent.pool.Pool(2)
    pool.spawn(self.work)
    pool.join()
    return 'caught'


def waits(self):
    gevent.joinall([self.spawn(self.work)])
    gevent.sleep(0.05)
    return 'caught'


@pytest.mark.parametrize('start', [joins, gets, pools, waits], ids=lambda f: f.__name__)
def test_who_waits_for_a_child_may_catch_its_error(app, worker, start):
    task, reasons = parent(app, start)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output, reasons) == (State.SUCCESS, 'caught', [])


def test_a_child_that_fails_because_the_run_was_stopped_changes_nothing(app, worker):
    def work(self):
        self.stopping.wait()
        raise ValueError('the socket is closed')

    def start(self):
        begun.set()
        self.spawn(self.work)
        self.stopping.wait()
        gevent.sleep(0.1)
        return 'in order'

    begun = gevent.event.Event()
    task, reasons = parent(app, start, work, graceful=True)
    worker()
    run = app.client.start(task)
    assert begun.wait(5)
    run.stop()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output, reasons) == (State.STOPPED, 'in order', [])


def test_a_child_that_fails_while_it_is_ended_is_only_logged(app, worker, caplog):
    def work(self):
        try:
            gevent.sleep(60)
        finally:
            raise ValueError('cleaning up failed')

    task, _ = parent(app, lambda self: self.spawn(self.work) and gevent.sleep(0.02), work)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is State.SUCCESS
    assert 'cleaning up failed' in caplog.text


def test_a_child_of_init_that_fails_ends_the_run(app, worker):
    def init(self):
        self.spawn(fail, self)
        gevent.sleep(60)

    task, _ = parent(app, lambda self: None, __init__=init)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'ValueError')


def test_a_child_of_an_old_instance_does_not_end_the_new_one(app, worker):
    made = []

    def work(self):
        try:
            gevent.sleep(60)
        finally:
            raise ValueError('the old one')

    def start(self):
        made.append(self.spawn(self.work))
        gevent.sleep(60)

    task, reasons = parent(app, start, work)
    worker()
    run = app.client.start(task)
    wait_until(lambda: made and made[0].started, 'it runs')
    assert run.reload() == 'applied'
    wait_until(lambda: len(made) == 2, 'the successor runs')
    assert (made[0].dead, made[1].dead, reasons) == (True, False, ['reload'])
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED


@pytest.mark.parametrize(
    'kill', [lambda child: child.kill(), lambda child: child.kill(block=False)], ids=['waits', 'goes on']
)
def test_a_child_that_is_killed_before_its_first_step_is_forgotten(app, worker, kill):
    def start(self):
        child = self.spawn(self.work)
        kill(child)
        gevent.sleep(0.05)
        return [child.dead, len(self.pytask_port.children)]

    task, _ = parent(app, start)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, [True, 0])


def test_children_of_an_instance_that_could_not_be_made_end_with_the_run(app, worker):
    spawned = []

    def init(self):
        spawned.append(self.spawn(gevent.sleep, 60))
        gevent.sleep(0.01)
        raise OSError

    task, _ = parent(app, lambda self: None, __init__=init)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is State.EXCEPTION
    assert spawned[0].dead


def test_threads_that_serve_other_runs_too_do_not_end_with_the_first(app, worker):
    """In a patched process they are greenlets: those of an executor, or of a library."""
    executor = ThreadPoolExecutor(1)

    class Uses(Task):
        TIMEOUT = 5

        def start(self):
            return executor.submit(lambda: 42).result()

    app.add_task(Uses)
    worker()
    assert app.client.start(Uses).wait(timeout=SOON_S).output == 42
    assert app.client.start(Uses).wait(timeout=SOON_S).output == 42
    executor.shutdown()


def test_a_greenlet_of_a_native_thread_does_not_hold_up_the_end(app, worker):
    door, left = monkey.get_original('_thread', 'allocate_lock')(), []
    door.acquire()

    def body():
        left.append(gevent.spawn(gevent.sleep, 60))
        door.acquire()
        left[0].kill()
        gevent.get_hub().destroy(destroy_loop=True)

    class Leaves(Task):
        def start(self):
            monkey.get_original('_thread', 'start_new_thread')(copy_context().run, (body,))
            wait_until(lambda: left, 'it has one')

    app.add_task(Leaves)
    running = worker()
    assert app.client.start(Leaves).wait(timeout=SOON_S).state is State.SUCCESS
    assert not running.stopper.unkillable
    door.release()
