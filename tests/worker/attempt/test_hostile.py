"""Hostile tasks beside innocent ones: what they throw, say and hold harms nobody else.

What they raise is in test_runner, what they leave behind in test_owned_greenlets, what they swallow in
test_stopper, what they do to the whole process in tests/system/test_mischief.
"""

import gevent
import pytest
from gevent import monkey
from support import SOON_S, wait_until

from pytask import Interrupted, State, Task, current_task
from pytask.worker.monitoring.backpressure import resident_bytes

really_sleep = monkey.get_original('time', 'sleep')
MIB = 2**20


@pytest.fixture
def innocent(app):
    @app.task
    def innocent():
        return 'unharmed'

    return innocent


def is_unharmed(*runs):
    return all((run.state, run.output, run.attempt) == (State.SUCCESS, 'unharmed', 1) for run in runs)


@pytest.mark.promise(4)
def test_a_message_of_100_mb_is_cut(app, worker, innocent):
    class Talk(Task):
        def start(self):
            self.message('x' * 100_000_000)

    app.add_task(Talk)
    worker()
    run = app.client.start(Talk)
    assert is_unharmed(innocent.apply().wait(timeout=20))
    assert run.wait(timeout=20).state is State.SUCCESS


@pytest.mark.promise(4)
def test_an_event_of_100_mb_is_the_tasks_own_trouble(app, worker, innocent):
    """It would cut off everybody who listens: Redis lets go of a subscriber 32 MB behind."""

    class Talk(Task):
        def start(self):
            self.emit('fits', 'x' * MIB)
            self.emit('giant', 'x' * 100_000_000)

    app.add_task(Talk)
    run = app.client.start(Talk)
    events = run.events(timeout=20)
    worker()
    assert 'fits' in [event.event for event in events]
    assert run.refresh().state is State.EXCEPTION
    assert (run.output['type'], run.output['message'][:21]) == ('ValueError', 'the event has 100,000')
    assert is_unharmed(innocent.apply().wait(timeout=20))


@pytest.mark.promise(4)
@pytest.mark.parametrize('say', ['emit', 'message', 'progress'])
@pytest.mark.parametrize('where', ['greenlets', 'threads'])
def test_a_hundred_thousand_events_leave_room_for_others(app, worker, innocent, say, where):
    """While one run says all it can, others go through, and what waits to be said stays small."""

    class Flood(Task):
        told = 0

        def start(self):
            talk = self.talk if where == 'greenlets' else self.talk_aside
            gevent.joinall([self.spawn(talk) for _ in range(4)], raise_error=True)

        def talk(self):
            for n in range(25_000):
                self.emit('drop', n) if say == 'emit' else getattr(self, say)(n)
                Flood.told += 1

        def talk_aside(self):
            self.offload(self.talk)

    app.add_task(Flood)
    running = worker()
    before = resident_bytes()
    run = app.client.start(Flood)
    beside, longest = [], 0
    while not run.refresh().is_ended:
        beside.append(innocent.apply().wait(timeout=SOON_S))
        live = running.slots.get(run.id)
        longest = max(longest, len(live.notes.line) if live is not None and live.notes is not None else 0)
    assert (run.state, Flood.told) == (State.SUCCESS, 100_000)
    assert is_unharmed(*beside)
    assert len(beside) > 3
    assert longest <= 1000
    assert resident_bytes() - before < 100 * MIB


@pytest.mark.promise(2)
def test_who_blocks_the_hub_for_longer_than_a_lease_harms_no_innocent(app, worker, redis):
    """A hundred runs beside it; the lease is 2 s."""
    begun = []

    @app.task
    def beside(n: int):
        begun.append(n)
        gevent.sleep(0.5)
        return 'unharmed'

    app.task(name='block')(lambda: really_sleep(3))
    worker()
    runs = app.client.start_many([(beside, {'n': n}) for n in range(100)])
    wait_until(lambda: len(begun) == 100, 'all have begun')
    block = app.client.start('block')
    assert is_unharmed(*app.client.wait(*runs, timeout=20))
    assert block.wait(timeout=20).attempt == 1
    assert sorted(begun) == list(range(100))


@pytest.mark.promise(4)
@pytest.mark.parametrize('done', [10**30, -(10**30), 10**5000], ids=['30 digits', 'negative', '5000 digits'])
def test_a_giant_progress_is_contained(app, worker, innocent, done):
    class Count(Task):
        def start(self):
            self.progress(done, target=done)

    app.add_task(Count)
    worker()
    run = app.client.start(Count).wait(timeout=SOON_S)
    assert run.is_ended
    assert is_unharmed(innocent.apply().wait(timeout=SOON_S))
    app.client.list(limit=None)


class Endless(Exception):
    def __str__(self):
        return str(self)

    __repr__ = __str__


class Leaving(Exception):
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


class Waiting(Exception):
    asked_in, seconds = [], 0.5

    def __str__(self):
        self.asked_in.append(current_task())
        gevent.sleep(self.seconds)
        return 'late'


class Interrupting(Exception):
    def __str__(self):
        raise Interrupted('stop')

    __repr__ = __str__


@pytest.mark.promise(4)
@pytest.mark.parametrize('kind', [Endless, Leaving, Interrupting])
@pytest.mark.parametrize('raises', ['error', 'cause', 'return'])
def test_the_text_of_what_it_leaves_may_do_anything(app, worker, innocent, kind, raises):
    @app.task
    def fail():
        if raises == 'error':
            raise kind
        if raises == 'cause':
            raise ValueError from kind()
        return kind()

    worker()
    run = fail.apply().wait(timeout=SOON_S)
    assert run.state is State.EXCEPTION
    assert is_unharmed(innocent.apply().wait(timeout=SOON_S))


@pytest.mark.promise(4)
@pytest.mark.parametrize('kind', [Endless, Leaving, Interrupting])
def test_the_text_of_what_its_greenlets_raise_may_do_anything(app, worker, innocent, kind):
    class Fail(Task):
        def start(self):
            self.spawn(self.fail)
            gevent.sleep(60)

        def fail(self):
            raise kind

    app.add_task(Fail)
    worker()
    run = app.client.start(Fail)
    assert is_unharmed(innocent.apply().wait(timeout=SOON_S))
    assert run.wait(timeout=SOON_S).state is State.EXCEPTION
    assert is_unharmed(innocent.apply().wait(timeout=SOON_S))


@pytest.mark.promise(3)
@pytest.mark.parametrize('kind', [Endless, Leaving, Interrupting])
def test_the_text_of_what_its_stop_raises_may_do_anything(app, worker, innocent, kind):
    class Fail(Task):
        def start(self):
            gevent.sleep(60)

        def stop(self):
            raise kind

    app.add_task(Fail)
    running = worker()
    run = app.client.start(Fail)
    wait_until(lambda: running.slots.get(run.id), 'it runs')
    assert run.stop(wait=10) == 'applied'
    assert is_unharmed(innocent.apply().wait(timeout=SOON_S))


@pytest.mark.promise(4)
def test_a_text_that_takes_its_time_holds_up_nobody(app, worker, innocent):
    @app.task
    def fail():
        raise Waiting

    running = worker()
    runs = [fail.apply() for _ in range(3)]
    assert is_unharmed(innocent.apply().wait(timeout=SOON_S))
    assert [run.state for run in app.client.wait(*runs, timeout=SOON_S)] == [State.EXCEPTION] * 3
    assert Waiting.asked_in
    assert None not in Waiting.asked_in  # by the run itself, and never by what writes it down
    assert not running.writer._crashes


@pytest.mark.promise(3)
def test_a_text_that_takes_for_ever_can_be_stopped(app, worker):
    @app.task
    def fail():
        error = Waiting()
        error.seconds = 60
        raise error

    running = worker()
    run = fail.apply()
    wait_until(lambda: running.slots.get(run.id), 'it runs')
    run.stop()
    assert run.wait(timeout=SOON_S).is_ended
