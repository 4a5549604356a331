"""Stacks: where the greenlets of a run stand, and whose run it is that has the hub."""

import sys
import threading
from functools import partial

import gevent
import pytest
from gevent import monkey
from gevent.event import Event
from support import SOON_S, wait_until

from pytask import Task
from pytask.errors import NotFound, PytaskError
from pytask.worker.monitoring import stacks

start_thread = monkey.get_original('_thread', 'start_new_thread')
allocate_lock = monkey.get_original('_thread', 'allocate_lock')
hub_thread = monkey.get_original('_thread', 'get_ident')()
really_sleep = monkey.get_original('time', 'sleep')


def started(app, worker, task):
    """Start a run of this task; return its worker and its Live once it has said that it stands."""
    app.add_task(task)
    running = worker()
    run = app.client.start(task)
    live = wait_until(lambda: running.slots.get(run.id), 'it is held')
    wait_until(lambda: getattr(live.task, 'stands', False), 'it stands')
    return running, live


class Stand(Task):
    def start(self):
        self.spawn(self.poll)
        self.spawn(partial(self.poll))
        self.spawn(Event().wait)
        self.stands = True
        self.hold()

    def hold(self):
        gevent.sleep(60)  # here start stands

    def poll(self):
        gevent.sleep(60)  # here poll stands


def test_every_greenlet_is_shown_where_it_stands(app, worker):
    _, live = started(app, worker, Stand)
    wait_until(lambda: len(live.task.pytask_port.children) == 3, 'all are spawned')
    gevent.sleep(0)
    text = stacks.of_run(live)
    assert text.count('here start stands') == 1
    assert text.count('here poll stands') == 2
    assert text.splitlines()[0] == 'start'
    assert sorted(line for line in text.splitlines() if line.startswith('spawned')) == [
        'spawned poll', 'spawned poll', 'spawned wait',
    ]  # fmt: skip
    assert 'in start' in text
    assert '… 1 frame of gevent' in text
    assert 'perform' not in text


def test_in_full_it_shows_the_frames_of_libraries_too(app, worker):
    _, live = started(app, worker, Stand)
    text = stacks.of_run(live, is_full=True)
    assert '…' not in text
    assert 'gevent/hub.py:' in text


def test_what_runs_in_a_native_thread_is_shown(app, worker):
    let_go = []

    class Offload(Task):
        def start(self):
            self.stands = True
            self.offload(self.compute)

        def compute(self):
            while not let_go:
                really_sleep(0.01)  # here the thread stands

    _, live = started(app, worker, Offload)
    try:
        wait_until(lambda: 'here the thread stands' in stacks.of_run(live), 'the thread is shown')
        assert 'in a native thread' in stacks.of_run(live)
    finally:
        let_go.append(True)


def test_an_endless_recursion_is_told_by_its_last_frames():
    def dig(depth):
        return dig(depth - 1) if depth else stacks.of_frame(sys._getframe())

    lines = dig(500)
    assert lines[0].endswith(' frames before')
    assert len(lines) <= 2 * stacks.DEEPEST + 1


class Block(Task):
    """Holds the hub until a native thread has looked."""

    where = 'start'

    def start(self):
        self.stands = True
        if self.where == 'start':
            self.hold()
        else:
            self.spawn(Event().wait)
            gevent.sleep(0)
            self.spawn(self.hold).join()

    def hold(self):
        self.seen.append(None)
        looked_by = allocate_lock()
        looked_by.acquire()

        def look():
            frame = sys._current_frames()[hub_thread]
            self.seen.append((stacks.whose(frame, self.held()), stacks.place_of(frame)))
            looked_by.release()

        start_thread(look, ())
        looked_by.acquire()


@pytest.mark.parametrize('where', ['start', 'spawned'])
def test_the_run_that_has_the_hub_is_found(app, worker, where):
    running = worker()
    task = type('Block', (Block,), {'NAME': 'block', 'where': where, 'seen': [], 'held': running.slots.all})
    app.add_task(task)
    gevent.sleep(0)
    run = app.client.start(task)
    run.wait(timeout=SOON_S)
    live, place = task.seen[-1]
    assert live.run_id == run.id
    assert (place.function, place.file) == ('hold', __file__)
    assert str(place).startswith(f'tests/worker/monitoring/test_stacks.py:{place.line} in hold')


def test_nobody_is_blamed_for_what_is_nobodys(app, worker):
    """A child that waits inside compiled code stands nowhere, like one that runs."""
    running, _ = started(app, worker, Stand)
    seen = []
    start_thread(lambda: seen.append(stacks.whose(sys._current_frames()[hub_thread], running.slots.all())), ())
    while not seen:
        really_sleep(0.01)
    assert seen == [None]


@pytest.mark.parametrize(
    'file', [threading.__file__, gevent.__file__, stacks.__file__, '<frozen importlib>', '<string>']
)
def test_a_library_is_not_the_authors(file):
    assert not stacks.is_own(file)
    assert stacks.is_own(__file__)


def test_a_run_may_ask_for_its_own(app, worker):
    class Ask(Task):
        def start(self):
            return self.client.stack(self.id)

    app.add_task(Ask)
    worker()
    run = app.client.start(Ask).wait(timeout=SOON_S)
    assert 'return self.client.stack(self.id)' in run.output
    assert run.output.startswith(f'run {run.id} ask, attempt 1, on ')


def test_questions_that_are_not_in_order_are_dropped(app, worker, redis):
    running, live = started(app, worker, Stand)
    for question in (
        '{}',
        '{"run":1,"answer":2}',
        '{"run":"x","answer":""}',
        f'{{"run":"x","answer":"{"a" * 65}"}}',
    ):
        redis.publish(
            f'worker-{running.id}-control', question.replace('{', '{"command":"stack",', 1).replace(',}', '}')
        )
    assert 'here start stands' in app.client.stack(live.run_id, timeout=10)
    assert not redis.keys('answer-*')


def test_a_run_that_its_worker_does_not_hold_any_more_is_said_to_be_elsewhere(app, worker, redis):
    running, _ = started(app, worker, Stand)
    redis.hset('task-other', mapping={'task': 'stand', 'state': 'RUNNING', 'worker': running.id})
    redis.expire('task-other', 60)
    with pytest.raises(PytaskError, match=f'run other no longer runs on worker {running.id}; ask again'):
        app.client.stack('other')
    with pytest.raises(NotFound):
        app.client.stack('nowhere')
    redis.delete('task-other')
    redis.zrem('leases', 'other')  # where the monitor has found it without one meanwhile
