"""Events: in order, before the outcome, bounded, from wherever the task sends them."""

import json
import sys
from contextlib import contextmanager

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import State, Task


@pytest.fixture
def heard(redis):
    """Everything published for the test's own runs, as (event, data, seq) in the order of arrival."""
    subscription = redis.pubsub()
    subscription.psubscribe('task-*')
    subscription.get_message(timeout=5)
    events = []

    def listen():
        for message in subscription.listen():
            if '-control' not in message['channel'] and not message['channel'].startswith('task-pytask-'):
                event = json.loads(message['data'])
                events.append((event['event'], event['data'], event['seq']))

    reader = gevent.spawn(listen)
    yield events
    reader.kill()
    subscription.close()


@contextmanager
def impatient_threads():
    """Let native threads take turns as often as they can, so that a race between them shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def last(events, name):
    wait_until(lambda: events and events[-1][0] == name, f'the event {name}')
    return events


def test_events_stand_between_running_and_the_outcome_in_order(app, worker, heard):
    class Talk(Task):
        def start(self):
            self.emit('one')
            self.progress(1)
            self.emit('two', {'a': 1})
            self.message('three')
            return 'over'

    app.add_task(Talk)
    worker()
    app.client.start(Talk).wait(timeout=SOON_S)
    assert [(event, seq) for event, _, seq in last(heard, 'success')] == [
        ('running', 0), ('one', 1), ('progress', 2), ('two', 3), ('message', 4), ('success', 5),
    ]  # fmt: skip
    assert heard[-1][1] == 'over'


@pytest.mark.parametrize('state', ['stopped', 'error', 'exception'])
def test_events_leave_before_every_kind_of_outcome(app, worker, heard, state):
    class Talk(Task):
        def start(self):
            try:
                if state == 'stopped':
                    self.client.stop(self.id)
                    gevent.sleep(60)
                raise self.Error('x') if state == 'error' else ValueError('x')
            finally:
                self.emit('last words')

    app.add_task(Talk)
    worker()
    app.client.start(Talk).wait(timeout=SOON_S)
    assert [event for event, _, _ in last(heard, state)] == ['running', 'last words', state]


def test_a_flood_of_one_run_keeps_its_order_and_loses_none(app, worker, heard):
    class Flood(Task):
        def start(self):
            for n in range(10_000):
                self.emit('drop', n)

    app.add_task(Flood)
    worker()
    app.client.start(Flood).wait(timeout=20)
    told = [(data, seq) for event, data, seq in last(heard, 'success') if event == 'drop']
    assert told == [(n, n + 1) for n in range(10_000)]


def test_a_flood_does_not_hold_up_the_others(app, worker):
    class Flood(Task):
        def start(self):
            while not self.stopping.is_set():
                self.emit('drop', 'x' * 100)

        graceful = True

    @app.task
    def quick():
        return None

    app.add_task(Flood)
    worker()
    flood = app.client.start(Flood)
    for _ in range(5):
        assert quick.apply().wait(timeout=2).state is State.SUCCESS
    flood.stop()
    assert flood.wait(timeout=SOON_S).state is State.STOPPED


def test_a_flood_from_native_threads_keeps_each_threads_order(app, worker, heard):
    class Flood(Task):
        def start(self):
            threads = [self.spawn(self.offload, self.talk, name) for name in range(4)]
            gevent.joinall(threads, raise_error=True)

        def talk(self, name):
            for n in range(1000):
                self.emit('drop', [name, n])

    app.add_task(Flood)
    running = worker()
    with impatient_threads():
        run = app.client.start(Flood).wait(timeout=SOON_S)
    assert run.state is State.SUCCESS, run.output
    told = [(data, seq) for event, data, seq in last(heard, 'success') if event == 'drop']
    assert [seq for _, seq in told] == list(range(1, 4001))
    for name in range(4):
        assert [n for (thread, n), _ in told if thread == name] == list(range(1000))
    assert not running.writer._crashes


def test_what_many_threads_and_greenlets_count_is_told_in_its_order(app, worker, heard):
    class Count(Task):
        def start(self):
            counting = [self.spawn(self.offload, self.some) for _ in range(4)]
            counting += [self.spawn(self.some) for _ in range(4)]
            gevent.joinall(counting, raise_error=True)

        def some(self):
            for _ in range(500):
                self.inc_progress()

    app.add_task(Count)
    worker()
    with impatient_threads():
        run = app.client.start(Count).wait(timeout=30)
    assert (run.state, run.progress) == (State.SUCCESS, 4000), run.output
    told = [data['progress'] for event, data, _ in last(heard, 'success') if event == 'progress']
    assert told == list(range(1, 4001))


def test_emit_from_an_offloaded_function(app, worker, heard):
    class Talk(Task):
        def start(self):
            self.emit('here')
            self.offload(self.emit, 'there', {'from': 'a thread'})

    app.add_task(Talk)
    worker()
    app.client.start(Talk).wait(timeout=SOON_S)
    assert [event for event, _, _ in last(heard, 'success')] == ['running', 'here', 'there', 'success']


def test_a_giant_message_is_cut_and_jams_nobody(app, worker, heard):
    class Talk(Task):
        def start(self):
            self.message('x' * 10_000_000)
            self.emit('after')

    app.add_task(Talk)
    worker()
    app.client.start(Talk).wait(timeout=SOON_S)
    sizes = {event: len(data or '') for event, data, _ in last(heard, 'success')}
    assert sizes['message'] == 64 * 1024
    assert 'after' in sizes


def test_a_giant_event_is_published_whole(app, worker, heard):
    """An event may be larger than the buffer; it waits for its turn alone."""

    class Talk(Task):
        def start(self):
            self.emit('before')
            self.emit('giant', 'x' * 3_000_000)
            self.emit('after')

    app.add_task(Talk)
    worker()
    app.client.start(Talk).wait(timeout=SOON_S)
    sizes = [(event, len(data or '')) for event, data, _ in last(heard, 'success')]
    assert sizes == [('running', 2), ('before', 0), ('giant', 3_000_000), ('after', 0), ('success', 0)]


@pytest.mark.parametrize('value', [object(), {'a': object()}, float('nan')], ids=['object', 'inside', 'nan'])
def test_emitting_what_is_not_json_is_a_typeerror_in_the_task(app, worker, value):
    class Talk(Task):
        def start(self):
            try:
                self.emit('bad', value)
            except TypeError:
                return 'caught'

    app.add_task(Talk)
    worker()
    run = app.client.start(Talk).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'caught')


def test_events_of_many_runs_stay_in_order_within_each(app, worker, heard):
    @app.task
    def talk(name: int):
        from pytask import current_task

        for n in range(20):
            current_task().emit('drop', [name, n])
            gevent.sleep(0)

    worker()
    app.client.wait(*app.client.start_many([(talk, {'name': name}) for name in range(50)]), timeout=SOON_S)
    wait_until(lambda: sum(event == 'success' for event, _, _ in heard) == 50, 'all ended')
    for name in range(50):
        assert [data[1] for event, data, _ in heard if event == 'drop' and data[0] == name] == list(range(20))


def test_progress_stands_in_the_hash_when_the_run_has_ended(app, worker, redis):
    class Count(Task):
        def start(self):
            for n in range(100):
                self.progress(n + 1, target=100)

    app.add_task(Count)
    worker()
    run = app.client.start(Count).wait(timeout=SOON_S)
    assert redis.hmget(f'task-{run.id}', 'progress', 'target') == ['100', '100']


def test_an_emit_after_the_end_is_nobodys(app, worker, heard):
    """A native thread that outlives its run can not speak for it, and does no harm."""
    kept = []

    class Leave(Task):
        def start(self):
            kept.append(self)

    app.add_task(Leave)
    running = worker()
    app.client.start(Leave).wait(timeout=SOON_S)
    kept[0].emit('late')
    wait_until(lambda: not running.writer._line, 'the writer is done')
    assert [event for event, _, _ in heard] == ['running', 'success']
