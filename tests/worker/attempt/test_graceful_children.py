"""A graceful run whose `start` has returned goes on in its greenlets, and obeys as any other."""

import time

import gevent
import pytest
from support import wait_until

from pytask import PytaskError, Task


@pytest.fixture
def serve(app, worker):
    """Run a graceful task that goes on in a greenlet: `serve(GRACE=…, work=…)`; ended afterwards."""
    runs = []

    def serve(**members):
        class Serve(Task):
            graceful = True
            greenlets, turns, asked = [], 0, []

            def __init__(self, n: int = 0):
                pass

            def start(self):
                self.greenlets.append(self.spawn(self.work))
                return 'left'

            def work(self):
                gevent.sleep(60)

        for name, value in members.items():
            setattr(Serve, name, value)
        app.add_task(Serve)
        running = worker()
        runs.append(app.client.start(Serve))
        wait_until(lambda: has_returned(running.slots.get(runs[0].id)), 'its start has returned')
        return Serve, runs[0], running

    yield serve
    for run in runs:
        assert run.stop(wait=5, grace=0) in ('applied', 'STOPPED')


def has_returned(live):
    return live is not None and live.task is not None and live.task.pytask_port.changed is not None


def test_a_command_says_how_long_its_greenlets_may_take(serve):
    _, run, _ = serve(GRACE=None)
    since = time.monotonic()
    assert run.stop(wait=0) == 'requested'
    assert run.stop(wait=5, grace=0.3) == 'applied'
    assert time.monotonic() - since >= 0.3
    assert run.refresh().output == 'left'


def test_its_stop_is_called(serve):
    task, run, _ = serve(GRACE=None, stop=lambda self: self.asked.append(self) or self.greenlets[0].kill())
    assert run.stop(wait=5) == 'applied'
    assert len(task.asked) == 1


def test_its_greenlets_halt(serve):
    def work(self):
        while True:
            type(self).turns += 1
            self.sleep(0.001)

    task, run, running = serve(work=work)
    assert run.pause() == 'requested'
    wait_until(lambda: running.slots.get(run.id).halt, 'it is told')
    gevent.sleep(0.1)
    before = task.turns
    gevent.sleep(0.2)
    assert task.turns == before
    assert run.resume() == 'requested'
    wait_until(lambda: task.turns > before, 'it goes on')


def test_a_reload_comes_too_late_and_says_so(serve):
    task, run, _ = serve()
    with pytest.raises(PytaskError, match='its start has returned'):
        run.reload({'n': 1})
    assert run.refresh().data == {}
    assert len(task.greenlets) == 1
    assert not task.greenlets[0].dead
