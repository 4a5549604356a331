"""Time limits: a run's own, its task's, and more time for a run."""

import time
from contextlib import contextmanager

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PytaskError, State, Task
from pytask.client.starting import Launch
from pytask.core.clock import monotonic_s
from pytask.errors import TaskError
from pytask.worker.attempt.timeouts import limit_of

FOREVER_S = 60


@pytest.fixture
def nap(app):
    class Nap(Task):
        def start(self):
            gevent.sleep(FOREVER_S)

    app.add_task(Nap)
    return Nap


@pytest.fixture
def short(app):
    class Short(Task):
        TIMEOUT = 0.2

        def __init__(self, seconds: float = FOREVER_S):
            self.seconds = seconds

        def start(self):
            gevent.sleep(self.seconds)
            return 'in time'

    app.add_task(Short)
    return Short


def is_timed_out(run):
    return (run.state, run.reason, run.output['type']) == (State.EXCEPTION, 'timeout', 'TimeoutError')


def test_a_run_has_a_limit_of_its_own(app, worker, redis, nap):
    worker()
    run = app.client.start(nap, timeout=0.2)
    assert redis.hget(f'task-{run.id}', 'timeout') == '0.2'
    assert is_timed_out(run.wait(timeout=SOON_S))


def test_many_are_started_with_limits_of_their_own(app, worker, nap, short):
    worker()
    runs = app.client.start_many(
        [Launch(nap, timeout=0.1), Launch(short, {'seconds': 0}), Launch(nap, timeout=0.2)]
    )
    ended = app.client.wait(*runs, timeout=SOON_S)
    assert [run.state for run in ended] == [State.EXCEPTION, State.SUCCESS, State.EXCEPTION]


def test_its_own_limit_stands_above_its_tasks(app, worker, short):
    worker()
    run = app.client.start(short, {'seconds': 0.5}, timeout=30).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'in time')


def test_each_attempt_has_all_of_it(app, worker, nap):
    worker()
    run = app.client.start(nap, timeout=0.2).wait(timeout=SOON_S)
    run.retry()
    wait_until(lambda: run.refresh().attempt == 2 and run.is_ended, 'it is timed out again')
    assert is_timed_out(run)


def test_it_is_real_for_init_and_for_what_waits_for_a_child(app, worker):
    class SlowInit(Task):
        def __init__(self):
            gevent.sleep(FOREVER_S)

        def start(self):
            return None

    class Joins(Task):
        def start(self):
            self.spawn(gevent.sleep, FOREVER_S)
            self.join()

    worker()
    runs = [app.client.start(app.add_task(task), timeout=0.2) for task in (SlowInit, Joins)]
    assert all(map(is_timed_out, app.client.wait(*runs, timeout=SOON_S)))


def test_it_is_real_for_a_context_that_is_not_entered(app, worker):
    @contextmanager
    def context():
        gevent.sleep(FOREVER_S)
        yield

    class Waits(Task):
        provide_context = staticmethod(context)

        def start(self):
            return None

    app.add_task(Waits)
    worker()
    assert is_timed_out(app.client.start(Waits, timeout=0.2).wait(timeout=SOON_S))


BAD = [0, -1, float('nan'), float('inf'), 1e12, True, '30', [], 0.0001]


@pytest.mark.parametrize('seconds', BAD, ids=repr)
def test_what_is_no_span_is_refused_before_anything_is_enqueued(app, redis, nap, seconds):
    with pytest.raises(PytaskError, match='must be between'):
        app.client.start(nap, timeout=seconds)
    with pytest.raises(PytaskError, match='must be between'):
        app.client.extend('1', seconds)
    assert redis.keys('*') == []


@pytest.mark.parametrize('text', ['soon', '0', '-3', 'nan', '+', ' ', '1 s'])
def test_a_limit_of_foreign_hands_that_is_none_is_an_error(app, worker, redis, nap, text):
    worker()
    redis.hset('task-1', mapping={'task': 'nap', 'data': '{}', 'timeout': text})
    redis.lpush('new-task', '1')
    (run,) = app.client.wait('1', timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, f'timeout must be more than 0 seconds, not {text!r}')


@pytest.mark.parametrize(
    ('given', 'own', 'limit'),
    [
        ('', None, None),
        ('', 5, 5),
        ('7', None, 7),
        ('7', 5, 7),
        ('+7', 5, 12),
        ('+7', None, None),
        ('inf', 5, float('inf')),
    ],
)
def test_which_limit_counts(given, own, limit):
    assert limit_of(given, own) == limit


def test_an_endless_limit_of_foreign_hands_is_a_long_one(app, worker, redis):
    app.task(name='quick')(lambda: 'fine')
    worker()
    redis.hset('task-1', mapping={'task': 'quick', 'timeout': '1e300'})
    redis.lpush('new-task', '1')
    assert app.client.wait('1', timeout=SOON_S)[0].output == 'fine'


def test_a_limit_that_is_none_raises():
    with pytest.raises(TaskError):
        limit_of('x', 3)


# More time.


def begun(app, running, task, **options):
    run = app.client.start(task, **options)
    return run, wait_until(lambda: (live := running.slots.get(run.id)) and live.task and live, 'it runs')


def test_a_run_is_given_more_time(app, worker, short):
    running = worker()
    run, live = begun(app, running, short, data={'seconds': 1})
    assert run.extend(30) == 'requested'
    wait_until(lambda: live.deadline.at > monotonic_s() + 20, 'its worker has heard')
    assert run.wait(timeout=SOON_S).output == 'in time'


def test_a_worker_that_has_not_heard_looks_before_it_ends_a_run(app, worker, short):
    running = worker()
    running.dispatcher._of_runs.pop('extend')
    run, _ = begun(app, running, short, data={'seconds': 1})
    run.extend(30)
    assert run.wait(timeout=SOON_S).output == 'in time'


def test_what_was_given_is_over_too(app, worker, short):
    running = worker()
    run, _ = begun(app, running, short)
    since = time.monotonic()
    run.extend(1)
    assert is_timed_out(run.wait(timeout=SOON_S))
    assert time.monotonic() - since >= 0.9


def test_it_is_never_less_than_it_has(app, worker, nap):
    running = worker()
    run, live = begun(app, running, nap, timeout=50)
    run.extend(0.1)
    assert run.extend(100) == 'requested'
    wait_until(lambda: live.deadline.at > monotonic_s() + 60, 'both were heard')
    run.stop()
    run.wait(timeout=SOON_S)


def test_a_run_without_limit_stays_without(app, worker, nap):
    running = worker()
    run, live = begun(app, running, nap)
    assert run.extend(0.1) == 'requested'
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert live.deadline is None


@pytest.mark.parametrize('seconds', ['-1', '"x"', 'null', '[]', 'true', '0', '1e99'])
def test_a_published_word_that_is_no_span_is_dropped(app, worker, redis, short, seconds):
    running = worker()
    run, _ = begun(app, running, short)
    redis.publish(f'task-{run.id}-control', f'{{"command": "extend", "seconds": {seconds}}}')
    redis.publish(f'task-{run.id}-control', 'extend')
    assert is_timed_out(run.wait(timeout=SOON_S))


def test_a_published_word_is_heard(app, worker, redis, short):
    running = worker()
    run, live = begun(app, running, short, data={'seconds': 1})
    redis.publish(f'task-{run.id}-control', '{"command": "extend", "seconds": 30}')
    wait_until(lambda: live.deadline is None or live.deadline.at > monotonic_s() + 20, 'its worker has heard')
    assert run.wait(timeout=SOON_S).output == 'in time'


def test_more_time_is_for_the_attempt_it_was_given_to(app, worker, nap):
    running = worker()
    run, _ = begun(app, running, nap, timeout=0.3)
    run.extend(2)
    assert run.wait(timeout=SOON_S).ended - run.started >= 2
    run.retry()
    wait_until(lambda: run.refresh().attempt == 2 and run.is_ended, 'it is timed out again')
    assert run.ended - run.started < 2


def test_a_waiting_run_is_given_more_of_its_total(app, worker, nap, short):
    own, of_task, none = (
        app.client.start(nap, timeout=0.1),
        app.client.start(short, {'seconds': 1}),
        app.client.start(short),
    )
    assert [run.extend(30) for run in (own, of_task)] == ['applied'] * 2
    worker()
    assert of_task.wait(timeout=SOON_S).output == 'in time'
    assert is_timed_out(none.wait(timeout=SOON_S))
    assert own.refresh().state is State.RUNNING
    own.stop()
    own.wait(timeout=SOON_S)


def test_who_has_ended_or_is_not_there_is_told(app, worker, nap):
    app.task(name='quick')(lambda: None)
    worker()
    run = app.client.start('quick').wait(timeout=SOON_S)
    assert run.extend(10) == 'SUCCESS'
    assert app.client.extend('nobody', 10) == 'not_found'


def test_pytasks_own_are_refused(app, worker):
    worker()
    own = wait_until(lambda: [run for run in app.client.list() if run.task == 'pytask/monitor'], 'it runs')
    assert own[0].extend(10) == 'refused'


def test_while_redis_is_away_nobody_is_timed_out(server, app, worker, short):
    """There may be more time; if there is none, the lease ends it all the same."""
    running = worker()
    run, live = begun(app, running, short)
    server.freeze()
    try:
        gevent.sleep(0.5)
        assert live.end.reason in ('', 'lost')
    finally:
        server.thaw()
    wait_until(lambda: run.refresh().is_ended, 'it is timed out once Redis answers')
    assert is_timed_out(run)


def test_the_command_line_gives_limits_and_more_time(processes):
    tasks = processes.tasks("""
        import gevent
        from pytask import Task
        class Nap(Task):
            def start(self):
                gevent.sleep(60)
    """)
    processes.worker('--tasks', str(tasks))
    done = processes.run('run', 'nap', '--timeout', '0.3')
    assert (done.returncode, 'timeout' in done.stderr) == (1, True), done.stderr
    processes.run('start', 'nap', '--id', 'here', '--timeout', '30')
    processes.run('start', 'nap', '--id', 'there', '--timeout', '5', '--queue', 'other')
    done = [processes.run('extend', run_id, '60') for run_id in ('here', 'ther', 'nowhere')]
    assert [one.returncode for one in done] == [0, 0, 3]
    assert [one.stdout.split() for one in done[:2]] == [['here', 'requested'], ['there', 'applied']]
    for words in (
        ['start', 'nap', '--timeout', '-1'],
        ['run', 'nap', '--timeout', 'nan'],
        ['extend', 'here', 'soon'],
    ):
        refused = processes.run(*words)
        assert refused.returncode == 2
        assert 'is not a number of seconds above 0' in refused.stderr
