"""Paused queues and tasks, as workers and clients see them."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PyTask, PytaskError, State, Task

# A worker looks once a second; an entry it may not claim must stand there for longer than that.
LOOKS_S = 1.5


@pytest.fixture
def two(server):
    """An app whose workers serve two queues."""
    app = PyTask(server.url, lease=2, queue=('default', 'mail'))
    app.task(name='quick')(lambda: 'done')
    yield app
    app.client.close()


def test_nothing_of_a_paused_queue_starts_until_it_is_resumed(two, worker, redis):
    assert two.client.pause_queue('mail') == 'applied'
    worker(two)
    waiting = [two.client.start('quick', queue='mail') for _ in range(3)]
    assert two.client.start('quick').wait(timeout=SOON_S).state is State.SUCCESS
    gevent.sleep(LOOKS_S)
    assert {(run.refresh().state, run.reason) for run in waiting} == {(State.WAIT, 'queue mail is paused')}
    assert {run.reason for run in two.client.list(states=['WAIT'])} == {'queue mail is paused'}
    assert redis.llen('new-task-mail') == 3
    assert two.client.resume_queue('mail') == 'applied'
    assert {run.state for run in two.client.wait(*waiting, timeout=SOON_S)} == {State.SUCCESS}
    assert [run.refresh().reason for run in waiting] == ['', '', '']


def test_a_queue_may_be_paused_while_a_worker_waits_for_it(two, worker):
    worker(two)
    two.client.start('quick', queue='mail').wait(timeout=SOON_S)
    two.client.pause_queue('mail')
    run = two.client.start('quick', queue='mail')  # at once: no worker has looked since
    gevent.sleep(LOOKS_S)
    assert run.refresh().state is State.WAIT
    two.client.resume_queue('mail')
    assert run.wait(timeout=SOON_S).state is State.SUCCESS


def test_a_paused_queue_is_not_peeked_at(two, worker):
    running = worker(two)
    [default, mail] = sorted(running.fetcher.waiters, key=lambda waiter: waiter.queue)
    two.client.pause_queue('mail')
    wait_until(lambda: not mail.open.is_set(), 'the worker has learned it')
    assert default.open.is_set()
    two.client.resume_queue('mail')
    wait_until(mail.open.is_set, 'it looks again')


def test_the_default_queue_is_paused_by_its_name(app, worker):
    app.task(name='quick')(lambda: 'done')
    app.client.pause_queue('default')
    worker()
    run = app.client.start('quick')
    gevent.sleep(LOOKS_S)
    assert run.refresh().state is State.WAIT
    app.client.resume_queue('default')
    assert run.wait(timeout=SOON_S).state is State.SUCCESS


def test_what_runs_goes_on(app, worker):
    class Long(Task):
        def start(self):
            while not self.stopping.is_set():
                self.emit('turn')
                gevent.sleep(0.01)

    app.add_task(Long)
    worker()
    run = app.client.start('long')
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
    app.client.pause_queue('default')
    app.client.pause_task('long')
    events = run.events(timeout=10)
    assert [next(events).event for _ in range(150)] == ['turn'] * 150
    assert (run.refresh().state, run.reason) == (State.RUNNING, '')
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    app.client.resume_queue('default')
    app.client.resume_task('long')


@pytest.mark.parametrize('when', ['before', 'after'])
def test_runs_of_a_paused_task_wait_aside(app, worker, redis, when):
    ran = []

    @app.task
    def crawl():
        ran.append(True)

    app.task(name='quick')(lambda: 'done')
    if when == 'after':
        worker()
        app.client.start('quick').wait(timeout=SOON_S)
    assert app.client.pause_task(crawl) == 'applied'
    runs = app.client.start_many([(crawl, {})] * 300)
    if when == 'before':
        worker()
    wait_until(lambda: redis.llen('parked-crawl') == 300, 'they are laid aside')
    assert app.client.start('quick').wait(timeout=SOON_S).state is State.SUCCESS
    gevent.sleep(LOOKS_S)
    assert (ran, runs[0].refresh().state, runs[0].reason) == ([], State.WAIT, 'paused')
    assert app.client.resume_task(crawl) == 'applied'
    app.client.wait(*runs, timeout=20)
    assert (len(ran), runs[0].refresh().reason) == (300, '')


def test_what_is_paused_is_listed_by_kind(app):
    app.task(name='quick')(lambda: 'done')
    run = app.client.start('quick')
    run.pause()
    app.client.pause_task('quick')
    app.client.pause_queue('mail')
    found = app.client.paused()
    assert [pause[:2] for pause in found] == [('queue', 'mail'), ('task', 'quick'), ('run', run.id)]
    assert all(pause.since > 1e9 for pause in found)


def test_what_was_not_paused_is_not_found(app):
    assert (app.client.resume_queue('mail'), app.client.resume_task('quick')) == ('not_found', 'not_found')


@pytest.mark.parametrize('name', ['', 'a b', 'a\n', 'x' * 65])
def test_what_can_name_no_queue_is_refused(app, name):
    with pytest.raises(PytaskError, match='a queue must be'):
        app.client.pause_queue(name)
