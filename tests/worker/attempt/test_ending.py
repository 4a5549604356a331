"""The end of an attempt: start → finish → children → recorded; and the two ways to end."""

from contextlib import contextmanager, suppress

import gevent
import pytest
from support import SOON_S, InProcess, wait_until

from pytask import Interrupted, PyTask, State, Task
from pytask.worker import shutdown
from pytask.worker.attempt import children
from pytask.worker.control import stopper


@pytest.fixture
def life(app):
    """Add a task that notes its outcome and in which order its methods ran: `life(start, …)`."""

    def life(start, name='life', **members):
        def finish(self, outcome):
            self.order.append('finish')
            self.outcomes.append(outcome)
            self.finishing.set()

        own = {
            'NAME': name, 'order': [], 'outcomes': [], 'inside': gevent.event.Event(),
            'finishing': gevent.event.Event(), 'start': start, 'finish': finish,
        }  # fmt: skip
        made = type('Life', (Task,), own | members)
        app.add_task(made)
        return made

    return life


def started(app, task, **options):
    run = app.client.start(task, **options)
    assert task.inside.wait(5)
    return run


def forever(self):
    self.inside.set()
    gevent.sleep(60)


def wait_for_stopping(self):
    self.inside.set()
    self.stopping.wait()
    return 'in order'


# The finish hook: always.


def fail(self):
    raise ValueError('unexpected')


def complain(self):
    raise self.Error('expected')


def leave(self):
    raise SystemExit(3)


@pytest.mark.parametrize(
    ('start', 'state', 'kind'),
    [
        (lambda self: 'fine', State.SUCCESS, type(None)),
        (fail, State.EXCEPTION, ValueError),
        (complain, State.ERROR, Task.Error),
        (leave, State.EXCEPTION, SystemExit),
        (lambda self: object(), State.EXCEPTION, TypeError),
    ],
)
def test_finish_is_told_how_start_ended(app, worker, life, start, state, kind):
    task = life(start)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is state
    [outcome] = task.outcomes
    assert (outcome.state, type(outcome.exception)) == (state, kind)


def test_the_exception_is_live(app, worker, life):
    task = life(fail)
    worker()
    app.client.start(task).wait(timeout=SOON_S)
    trace = task.outcomes[0].exception.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_code is fail.__code__


def test_finish_runs_after_a_stop(app, worker, life):
    task = life(forever)
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    [outcome] = task.outcomes
    assert outcome.state is State.STOPPED
    assert (type(outcome.exception), outcome.exception.reason) == (Interrupted, 'stop')


def test_finish_runs_after_a_timeout(app, worker, life):
    task = life(forever, TIMEOUT=0.1)
    worker()
    assert started(app, task).wait(timeout=SOON_S).reason == 'timeout'
    assert [(o.state, o.reason, type(o.exception)) for o in task.outcomes] == [
        (State.EXCEPTION, 'timeout', TimeoutError)
    ]


def test_finish_runs_when_the_run_is_given_back(app, worker, life):
    task = life(forever)
    running = worker()
    run = started(app, task)
    running.shut_down('test')
    running.app.settings.__dict__['drain_s'] = 0  # frozen, but this is its dict
    wait_until(lambda: task.outcomes, 'it is told', timeout=SOON_S)
    assert task.outcomes[0].state is State.WAIT
    wait_until(lambda: run.refresh().state is State.WAIT, 'it is given back')


def test_finish_does_not_run_without_an_instance(app, worker, life):
    def init(self, n: int):
        raise OSError

    bad, broken = life(forever, name='bad', __init__=init), life(forever, name='broken', __init__=init)
    worker()
    app.client.registry = None  # a foreign hand checks nothing
    runs = app.client.start(bad, {'n': 'x'}), app.client.start(broken, {'n': 1})
    assert [run.state for run in app.client.wait(*runs, timeout=SOON_S)] == [State.ERROR, State.EXCEPTION]
    assert bad.outcomes == broken.outcomes == []


@pytest.mark.parametrize(
    'error',
    [ValueError('in finish'), SystemExit(1), KeyboardInterrupt(), gevent.GreenletExit(), gevent.Timeout(1)],
    ids=lambda error: type(error).__name__,
)
def test_what_finish_raises_is_logged_and_changes_nothing(app, worker, life, caplog, error):
    def finish(self, outcome):
        raise error

    task = life(lambda self: 'kept', finish=finish)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'kept')
    assert 'finish() failed' in caplog.text


def test_a_finish_that_is_no_method_is_left_alone(app, worker, life):
    task = life(lambda self: 'fine', finish='polished')
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).output == 'fine'


def test_the_order_is_start_finish_children_recorded(app, worker, life):
    def start(self):
        self.order.append('start')
        self.spawn(child, self)
        gevent.sleep(0.01)

    def child(self):
        try:
            gevent.sleep(60)
        finally:
            self.order.append('child')

    task = life(start)
    running = worker()
    record = running.writer._record

    def recorded(batch):
        if any(getattr(item, 'outcome', None) for item in batch):
            task.order.append('recorded')
        record(batch)

    running.writer._record = recorded
    app.client.start(task).wait(timeout=SOON_S)
    assert task.order == ['start', 'finish', 'child', 'recorded']


def test_finish_runs_inside_the_context_and_may_emit(app, worker, life):
    @contextmanager
    def context():
        task.order.append('enter')
        yield
        task.order.append('exit')

    def finish(self, outcome):
        self.order.append('finish')
        self.emit('closing', outcome.state)
        self.spawn(gevent.sleep, 60)

    task = life(lambda self: None, provide_context=staticmethod(context), finish=finish)
    worker()
    heard = app.client.watch('1', timeout=5)
    app.client.start(task, run_id='1')
    assert [e.event for e in heard if e is not None] == ['running', 'closing', 'success']
    assert task.order == ['enter', 'finish', 'exit']


# What is aimed at start does not hit finish.


def slow_finish(self, outcome):
    self.finishing.set()
    try:
        gevent.sleep(0.5)
    except BaseException as error:
        self.order.append(error)
        raise
    self.order.append('finished')


def test_an_interruption_aimed_at_start_does_not_hit_finish(app, worker, life, monkeypatch):
    """One comes each second while a run does not end; here each 50 ms."""
    monkeypatch.setattr(stopper, 'PATIENCE_S', 0.05)
    task = life(forever, finish=slow_finish)
    running = worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert task.order == ['finished']
    assert not running.stopper.unkillable


def test_nor_does_one_that_was_on_its_way_when_start_returned(app, worker, life):
    """And those children that a graceful run waits for are left alone, too."""
    task = life(family(work), graceful=True, finish=slow_finish)
    running = worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    run.stop()
    live = running.slots.get(run.id)
    wait_until(lambda: live.end.reason, 'it is told')
    running.stopper.interrupt(live, live.task)
    run.wait(timeout=SOON_S)
    assert sorted(task.order) == ['begun', 'child', 'finished']  # none of them interrupted


def test_a_context_that_hangs_after_it_is_interrupted_all_the_same(app, worker, life, monkeypatch):
    monkeypatch.setattr(stopper, 'PATIENCE_S', 0.05)

    @contextmanager
    def context():
        try:
            yield
        finally:
            gevent.sleep(60)

    task = life(forever, finish=slow_finish, provide_context=staticmethod(context))
    worker()
    run = started(app, task)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert task.order == ['finished']


def test_a_stop_while_its_context_is_left_comes_too_late(app, worker, life):
    leaving, done = gevent.event.Event(), []

    @contextmanager
    def context():
        yield
        leaving.set()
        gevent.sleep(0.2)
        done.append('committed')

    task = life(lambda self: 'done', provide_context=staticmethod(context))
    worker()
    run = app.client.start(task)
    assert leaving.wait(5)
    assert run.stop(wait=5) == 'SUCCESS'
    assert (run.refresh().output, done) == ('done', ['committed'])


def test_a_stop_while_finish_runs_leaves_it_alone_and_comes_too_late(app, worker, life):
    task = life(lambda self: 'done', finish=slow_finish)
    worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    assert run.stop() == 'requested'
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'done')
    assert task.order == ['finished']


def hanging_finish(self, outcome):
    self.finishing.set()
    try:
        gevent.sleep(60)
    except BaseException as error:
        self.order.append(error.reason)
        raise


def test_a_finish_that_hangs_gets_grace_and_not_more(app, worker, life):
    task = life(lambda self: 'done', finish=hanging_finish, GRACE=0.1)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'done')
    assert task.order == ['timeout']


def test_a_finish_without_limit_is_cut_short_by_a_second_signal(app, worker, life):
    task = life(lambda self: 'done', finish=hanging_finish, GRACE=None)
    running = worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    running.shut_down('one')
    running.shut_down('two')
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'done')
    assert task.order == ['shutdown']


def test_a_finish_is_cut_short_when_the_lease_is_lost(app, worker, life, redis):
    task = life(lambda self: 'done', finish=hanging_finish, GRACE=None)
    worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    redis.hset(f'task-{run.id}', mapping={'token': "another's", 'state': 'STOPPED'})
    redis.zrem('leases', run.id)
    wait_until(lambda: task.order, 'it is interrupted')
    assert task.order == ['lost']
    redis.delete(f'task-{run.id}')


def test_a_finish_that_swallows_its_interruption_is_interrupted_again(app, worker, life, monkeypatch):
    monkeypatch.setattr(stopper, 'PATIENCE_S', 0.05)

    def finish(self, outcome):
        for _ in range(2):
            with suppress(BaseException):
                gevent.sleep(60)
            self.order.append('swallowed')

    task = life(lambda self: 'done', finish=finish, GRACE=0.05)
    running = worker()
    assert app.client.start(task).wait(timeout=SOON_S).output == 'done'
    assert task.order == ['swallowed'] * 2
    assert not running.stopper.unkillable


def test_a_timer_that_start_left_ticking_may_hit_finish_but_not_the_outcome(app, worker, life):
    def start(self):
        gevent.Timeout(0.05).start()
        return 'done'

    task = life(start, finish=slow_finish)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'done')
    assert [type(error) for error in task.order] == [gevent.Timeout]


# A reload is no end; a fork is no run.


def test_a_reload_is_no_end(app, worker, life):
    def start(self):
        self.order.append('start')
        forever(self)

    task = life(start)
    worker()
    run = started(app, task)
    assert run.reload() == 'applied'
    wait_until(lambda: task.order == ['start', 'start'], 'the successor runs')
    run.stop()
    run.wait(timeout=SOON_S)
    assert task.order == ['start', 'start', 'finish']


def test_a_reload_while_finish_runs_is_not_carried_out(app, worker, life):
    task = life(lambda self: 'done', finish=slow_finish)
    worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    app.client.reload(run.id, wait=0)
    run.wait(timeout=SOON_S)
    assert (run.state, run.output, task.order) == (State.SUCCESS, 'done', ['finished'])


def test_what_a_reload_is_making_ends_with_the_run(app, worker, life):
    """Its instance is not ready when the run is over, and has spawned."""
    building, spawned = [], []

    def init(self, again=False):
        if again:
            spawned.append(self.spawn(gevent.sleep, 60))
            building.append(gevent.getcurrent())
            gevent.sleep(60)

    task = life(lambda self: gevent.sleep(0.2), __init__=init, finish=lambda self, outcome: None)
    worker()
    run = app.client.start(task)
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
    app.client.reload(run.id, {'again': True}, wait=0)
    assert run.wait(timeout=SOON_S).state is State.SUCCESS
    assert [one.dead for one in building + spawned] == [True, True]


def test_a_shutdown_during_a_reload_ends_the_old_and_the_new(server, worker):
    app = PyTask(server.url, lease=2, drain=0)
    begun, ending, spawned = gevent.event.Event(), gevent.event.Event(), []

    class Slow(Task):
        def __init__(self):
            spawned.append(self.spawn(gevent.sleep, 60))

        def start(self):
            begun.set()
            try:
                gevent.sleep(60)
            finally:
                ending.set()
                with suppress(Interrupted):
                    gevent.sleep(0.5)

    app.add_task(Slow)
    running = worker(app)
    run = app.client.start(Slow)
    assert begun.wait(5)
    app.client.reload(run.id, wait=0)
    assert ending.wait(5)
    running.shut_down('test')
    wait_until(lambda: run.refresh().state is State.WAIT, 'it is given back')
    assert [child.dead for child in spawned] == [True, True]
    app.client.close()


def test_finish_does_not_run_in_a_fork(processes, server):
    tasks = processes.tasks("""
        import os
        from pytask import Task
        class Forks(Task):
            def start(self):
                pid = os.fork()
                if pid:
                    os.waitpid(pid, 0)
                return os.getpid()
            def finish(self, outcome):
                with open('finished', 'a') as file:
                    file.write(f'{os.getpid()} ')
    """)
    worker = processes.worker('--tasks', str(tasks))
    done = processes.run('run', 'forks')
    assert done.stdout.strip() == str(worker.pid), done.stderr
    assert (processes.folder / 'finished').read_text().split() == [str(worker.pid)]


# Two ways to end.


@pytest.fixture
def deploy(server):
    """Run a task in a worker of its own, shut that down at once, and return the run and the worker's code."""
    apps = []

    def deploy(task, told=(), **settings):
        app = PyTask(server.url, **{'lease': 2, 'drain': 0, **settings})
        apps.append(app)
        app.add_task(task)
        running = InProcess(app)
        running.start()
        run = started(app, task)
        for tell in told:
            tell(run)
        running.worker.shut_down('deploy')
        code = running.greenlet.get(timeout=20)
        return run.refresh(), code

    yield deploy
    for app in apps:
        app.client.close()


def stop_heard(run):
    run.stop()
    gevent.sleep(0.2)


def test_a_graceful_run_told_to_stop_is_stopped_with_its_value(app, worker, life):
    task = life(wait_for_stopping, graceful=True)
    worker()
    run = started(app, task)
    run.stop()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output, run.reason) == (State.STOPPED, 'in order', 'stop')


def test_a_graceful_run_told_of_a_shutdown_has_its_own_outcome(deploy, life):
    run, code = deploy(life(wait_for_stopping, graceful=True))
    assert (run.state, run.output, code) == (State.SUCCESS, 'in order', 0)


def raise_when_told(self):
    wait_for_stopping(self)
    raise self.Error('could not save')


def test_a_graceful_run_may_end_as_an_error_at_a_shutdown(deploy, life):
    run, _ = deploy(life(raise_when_told, graceful=True))
    assert (run.state, run.output) == (State.ERROR, 'could not save')


def test_a_graceful_run_told_to_stop_and_then_of_a_shutdown_is_stopped(deploy, life):
    def start(self):
        wait_for_stopping(self)
        gevent.sleep(0.5)
        return 'saved'

    run, _ = deploy(life(start, graceful=True), told=[stop_heard])
    assert (run.state, run.output) == (State.STOPPED, 'saved')


def test_a_graceful_run_told_of_a_shutdown_and_then_to_stop_is_stopped(server, worker, life):
    def start(self):
        wait_for_stopping(self)
        self.closing.set()
        self.gate.wait()
        return 'saved'

    app = PyTask(server.url, lease=2, drain=0)
    task = life(start, graceful=True, closing=gevent.event.Event(), gate=gevent.event.Event())
    app.add_task(task)
    running = worker(app)
    run = started(app, task)
    running.shut_down('deploy')
    assert task.closing.wait(5)
    assert run.stop() == 'requested'
    live = running.slots.get(run.id)
    wait_until(lambda: live.end.reason == 'stop', 'it is told')
    task.gate.set()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.STOPPED, 'saved')
    app.client.close()


def test_a_graceful_run_that_overstays_is_interrupted_and_given_back(deploy, life):
    def start(self):
        wait_for_stopping(self)
        gevent.sleep(60)

    run, _ = deploy(life(start, graceful=True, GRACE=0.1))
    assert (run.state, run.reason) == (State.WAIT, 'shutdown')


@pytest.mark.parametrize('start', [wait_for_stopping, raise_when_told, forever], ids=lambda start: start.__name__)
def test_every_other_run_is_given_back_at_a_deploy_whatever_it_says_then(deploy, life, start):
    task = life(start, stop=lambda self: None, GRACE=0.2)
    run, _ = deploy(task)
    assert (run.state, run.reason, run.output) == (State.WAIT, 'shutdown', None)
    assert [outcome.state for outcome in task.outcomes] == [State.WAIT]


def test_a_run_that_was_told_nothing_yet_ends_by_itself_while_the_worker_drains(deploy, life):
    def start(self):
        self.inside.set()
        gevent.sleep(0.2)
        return 'finished'

    run, _ = deploy(life(start), drain=10)
    assert (run.state, run.output) == (State.SUCCESS, 'finished')


def test_no_grace_sets_no_limit_on_a_stop(app, worker, life):
    def start(self):
        wait_for_stopping(self)
        gevent.sleep(0.5)
        return 'at last'

    task = life(start, graceful=True, GRACE=None)
    worker()
    run = started(app, task)
    run.stop()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.STOPPED, 'at last')


@pytest.mark.parametrize('told', [[], [stop_heard]], ids=['shutdown', 'stop, then shutdown'])
def test_no_grace_does_not_hold_up_a_deploy(deploy, life, monkeypatch, told):
    monkeypatch.setattr(shutdown, 'HURRY_AFTER_S', 0.3)
    cleaned = []

    def start(self):
        try:
            forever(self)
        finally:
            cleaned.append(True)

    run, code = deploy(life(start, graceful=True, GRACE=None), told=told)
    assert (run.state, code) == (State.STOPPED if told else State.WAIT, 0)
    assert cleaned == [True]


# Children of a graceful run.


def family(child):
    def start(self):
        self.spawn(child, self)
        self.spawn(gevent.sleep, 0)
        gevent.sleep(0.01)
        self.inside.set()
        return 'mine'

    return start


def work(self):
    self.order.append('begun')
    try:
        gevent.sleep(0.3)
    except BaseException as error:
        self.order.append(error.reason)
        raise
    self.order.append('child')


def test_the_children_of_a_graceful_run_are_joined_after_finish(app, worker, life):
    task = life(family(work), graceful=True)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'mine')
    assert task.order == ['begun', 'finish', 'child']


def test_those_of_a_plain_run_are_interrupted(app, worker, life):
    task = life(family(work))
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'mine')
    assert task.order == ['begun', 'finish', 'ended']


def test_those_of_a_graceful_run_that_failed_are_interrupted(app, worker, life):
    def start(self):
        family(work)(self)
        raise ValueError

    task = life(start, graceful=True)
    worker()
    assert app.client.start(task).wait(timeout=SOON_S).state is State.EXCEPTION
    assert task.order == ['begun', 'finish', 'ended']


def until_told(self):
    try:
        self.stopping.wait()
        gevent.sleep(0.3)
        self.order.append('child')
    except BaseException as error:
        self.order.append(error.reason)
        raise


def test_being_told_does_not_interrupt_the_children_of_a_graceful_run(app, worker, life):
    task = life(family(until_told), graceful=True)
    worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    run.stop()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.STOPPED, 'mine')
    assert task.order == ['finish', 'child']


def test_a_child_that_fails_since_it_was_told_leaves_the_others_their_time(app, worker, life):
    def start(self):
        self.spawn(self.fails)
        return family(until_told)(self)

    def fails(self):
        self.stopping.wait()
        raise OSError('the socket is closed')

    task = life(start, graceful=True, fails=fails)
    worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    run.stop()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output, task.order) == (State.STOPPED, 'mine', ['finish', 'child'])


def test_nor_does_a_shutdown_and_its_own_outcome_counts(deploy, life):
    task = life(family(until_told), graceful=True)
    run, _ = deploy(task)
    assert (run.state, run.output) == (State.SUCCESS, 'mine')
    assert task.order == ['finish', 'child']


def test_once_told_they_have_grace(app, worker, life):
    task = life(family(lambda self: hanging_finish(self, None)), graceful=True, GRACE=0.2)
    worker()
    run = app.client.start(task)
    assert task.finishing.wait(5)
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert task.order == ['finish', 'ended']


def test_a_graceful_run_is_timed_out_while_its_children_go_on(app, worker, life):
    task = life(family(work), graceful=True, TIMEOUT=0.1, GRACE=0.05)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.reason) == (State.EXCEPTION, 'timeout')
    assert task.order == ['begun', 'finish', 'ended']


def test_a_second_signal_interrupts_them(app, worker, life):
    task = life(family(work), graceful=True, GRACE=None)
    task.start = family(lambda self: hanging_finish(self, None))
    running = worker()
    run = app.client.start(task)
    wait_until(lambda: task.outcomes, 'it is told')
    running.shut_down('one')
    running.shut_down('two')
    assert run.wait(timeout=SOON_S).output == 'mine'
    assert task.order == ['finish', 'shutdown']


def test_a_child_that_fails_while_it_is_joined_ends_a_graceful_run(app, worker, life):
    def start(self):
        self.spawn(self.fails)
        self.spawn(work, self)
        gevent.sleep(0.01)

    def fails(self):
        self.finishing.wait()
        raise LookupError('from a child')

    task = life(start, graceful=True, fails=fails)
    worker()
    run = app.client.start(task).wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'LookupError')
    assert task.order == ['begun', 'finish', 'ended']
    assert task.outcomes[0].state is State.SUCCESS  # that of `start`


# None outlives its run.


def test_a_child_that_ignores_everything_keeps_its_run_from_being_recorded(app, worker, monkeypatch):
    """It goes on, so the run does: the worker has to be started again."""
    monkeypatch.setattr(children, 'CHILD_GRACE_S', 0.05)
    let_go = []

    class Stubborn(Task):
        def start(self):
            self.spawn(self.ignore)
            gevent.sleep(0.01)
            return 'done'

        def ignore(self):
            while not let_go:
                with suppress(BaseException):
                    gevent.sleep(60)

    app.add_task(Stubborn)
    running, restarts = worker(), []
    monkeypatch.setattr(running.stopper, '_restart', restarts.append)  # the rest is shown with real processes
    run = app.client.start(Stubborn)
    wait_until(lambda: running.stopper.unkillable, 'it counts as unkillable')
    assert len(restarts) == 1
    assert run.refresh().state is State.RUNNING
    let_go.append(True)
    assert run.wait(timeout=SOON_S).output == 'done'
