"""What a task can do while it runs: emit, progress, spawn, sleep, offload, look at itself."""

import threading
import time

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import State, Task, current_task


def test_a_task_may_emit_in_its_init(app, worker):
    """The run is attached before `__init__` is called, so events can leave from there."""

    class Early(Task):
        def __init__(self):
            self.emit('early', self.id)

        def start(self):
            return None

    app.add_task(Early)
    events = app.client.events
    run = app.client.start(Early)
    heard = events(run.id, timeout=5)
    worker()
    assert ('early', run.id) in [(event.event, event.data) for event in heard]


def test_outside_a_run_a_task_prints(capsys):
    """So a class can be tried in a Python prompt."""

    class Crawl(Task):
        def __init__(self, url):
            self.url = url

        def start(self):
            self.progress(1, target=2)
            self.emit('page', {'url': self.url})
            self.message('done')

    Crawl(url='x').start()
    assert capsys.readouterr().out == "progress 1 of 2\npage {'url': 'x'}\nmessage done\n"


def test_current_task_is_found_wherever_the_run_goes(app, worker):
    """In `start`, in greenlets it spawns either way, in functions run in a native thread."""

    class Look(Task):
        def start(self):
            places = [
                current_task(),
                self.spawn(current_task).get(),
                gevent.spawn(current_task).get(),
                gevent.spawn(lambda: gevent.spawn(current_task).get()).get(),
                self.offload(current_task),
            ]
            return [place is self for place in places]

    app.add_task(Look)
    worker()
    assert app.client.start(Look).wait(timeout=SOON_S).output == [True] * 5
    assert current_task() is None


def test_two_runs_see_themselves_in_current_task(app, worker):
    @app.task
    def who():
        gevent.sleep(0)
        return current_task().id

    worker()
    runs = [who.apply() for _ in range(20)]
    assert [run.output for run in app.client.wait(*runs, timeout=SOON_S)] == [run.id for run in runs]


def test_offload_runs_in_a_native_thread(app, worker):
    """For CPU work and blocking calls; the worker goes on meanwhile."""
    here = threading.get_ident()
    really_sleep = gevent.monkey.get_original('time', 'sleep')

    class Heavy(Task):
        def start(self):
            return self.offload(self.work, 20, plus=1)

        def work(self, n, plus):
            really_sleep(0.2)
            return [n + plus, threading.get_ident() != here]

    app.add_task(Heavy)
    worker()
    turns = 0
    run = app.client.start(Heavy)
    while not run.refresh().is_ended:
        gevent.sleep(0.01)
        turns += 1
    assert run.output == [21, True]
    assert turns > 5


def test_many_offloaded_calls_hold_up_nobody(app, worker):
    """They have threads of their own: what pytask itself needs threads for goes on."""
    really_sleep = gevent.monkey.get_original('time', 'sleep')

    class Heavy(Task):
        def start(self):
            self.offload(really_sleep, 1)

    @app.task
    def quick():
        return 'meanwhile'

    app.add_task(Heavy)
    running = worker()
    heavy = app.client.start_many([(Heavy, {})] * 30)
    wait_until(lambda: running.slots.taken == 30, 'all of them run')
    assert quick.apply().wait(timeout=0.9).output == 'meanwhile'
    assert {run.state for run in app.client.wait(*heavy, timeout=SOON_S)} == {State.SUCCESS}


def test_offload_raises_what_the_function_raised(app, worker):
    class Heavy(Task):
        def start(self):
            self.offload(int, 'x')

    app.add_task(Heavy)
    worker()
    run = app.client.start(Heavy).wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'ValueError')


def test_every_ticks_without_drift_until_told_to_stop(app, worker):
    """The time a turn takes does not add up, and being told to stop ends the loop."""
    ticks = []

    class Tick(Task):
        graceful = True

        def start(self):
            turns = 0
            for turns in self.every(0.1):  # noqa: B007 - the last number is the output
                ticks.append(time.monotonic())
                gevent.sleep(0.03)
            return turns

    app.add_task(Tick)
    worker()
    run = app.client.start(Tick)
    wait_until(lambda: len(ticks) >= 15, 'fifteen ticks')
    run.stop()
    run.wait(timeout=SOON_S)
    assert run.state is State.STOPPED
    assert run.output == len(ticks) - 1
    # A busy machine makes some ticks late; what adds up makes all of the last ones late.
    offsets = [at - 0.1 * turn for turn, at in enumerate(ticks[:15])]
    assert abs(min(offsets[:6]) - min(offsets[9:])) < 0.06


def test_sleep_ends_at_once_when_told_to_stop(app, worker):
    asleep = gevent.event.Event()

    class Sleep(Task):
        graceful = True

        def start(self):
            asleep.set()
            self.sleep(60)
            return self.stopping.is_set()

    app.add_task(Sleep)
    worker()
    run = app.client.start(Sleep)
    assert asleep.wait(5)
    run.stop()
    assert run.wait(timeout=SOON_S).output is True


@pytest.mark.parametrize(('done', 'target'), [(0.5, None), (1, 2.0), (True, None), ('1', None)])
def test_progress_is_counted_in_whole_units(app, worker, done, target):
    """A float would say something else on every machine that adds it up; it is a TypeError."""

    class Half(Task):
        def start(self):
            self.progress(done, target=target)

    app.add_task(Half)
    worker()
    run = app.client.start(Half).wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'TypeError')
    assert 'progress and target are whole numbers' in run.output['message']


def test_progress_and_messages_are_seen_by_who_watches(app, worker):
    class Count(Task):
        def start(self):
            self.progress(1, target=3)
            self.message('nearly there')
            self.progress(3)

    app.add_task(Count)
    run = app.client.start(Count)
    heard = app.client.events(run.id, timeout=5)
    worker()
    told = [(event.event, event.data) for event in heard if event.event in ('progress', 'message')]
    assert told == [
        ('progress', {'progress': 1, 'target': 3}), ('message', 'nearly there'),
        ('progress', {'progress': 3, 'target': None}),
    ]  # fmt: skip
    run.refresh()
    assert (run.progress, run.target) == (3, 3)


def test_a_run_knows_its_id_attempt_and_surroundings(app, worker):
    class Look(Task):
        def start(self):
            self.redis.set('seen', self.id, ex=60)
            follower = self.client.start('echo', {'text': 'from a task'})
            return [self.id, self.attempt, self.app is app, follower.id]

    @app.task
    def echo(text):
        return text

    app.add_task(Look)
    worker()
    run = app.client.start(Look).wait(timeout=SOON_S)
    assert run.output[:3] == [run.id, 1, True]
    (follower,) = app.client.wait(run.output[3], timeout=SOON_S)
    assert follower.output == 'from a task'


def test_a_task_may_use_the_names_of_its_port_for_itself(app, worker):
    """What an author assigns to `self` is theirs: `id`, `log` or `client` are no reserved words."""

    class Own(Task):
        def __init__(self, id, target):  # noqa: A002 - what this test is about
            self.id, self.target, self.log = id, target, []

        def start(self):
            self.emit('still works')
            return [self.id, self.target, self.log]

    app.add_task(Own)
    worker()
    assert app.client.start(Own, {'id': 7, 'target': 8}).wait(timeout=SOON_S).output == [7, 8, []]
