"""Reload: a new instance in the same attempt, under the same lease and token."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import Interrupted, PytaskError, State, Task


@pytest.fixture
def feed(app):
    """A long-living task that remembers its instances."""

    class Feed(Task):
        made, ended = [], []

        def __init__(self, url: str = 'first'):
            if url == 'unreachable':
                raise OSError('no route')
            self.url = url

        def start(self):
            self.made.append(self)
            try:
                gevent.sleep(60)
            except Interrupted as interruption:
                self.ended.append((self.url, interruption.reason))
                raise

    app.add_task(Feed)
    return Feed


def running_feed(app, feed, **options):
    run = app.client.start(feed, **options)
    wait_until(lambda: feed.made, 'it runs')
    return run


def test_new_data_is_taken_over_in_the_same_attempt(app, worker, redis, feed):
    worker()
    run = running_feed(app, feed)
    before = redis.hmget(f'task-{run.id}', 'attempt', 'token', 'started')
    assert run.reload({'url': 'second'}) == 'applied'
    wait_until(lambda: len(feed.made) == 2, 'the successor runs')
    assert [task.url for task in feed.made] == ['first', 'second']
    assert feed.ended == [('first', 'reload')]
    assert redis.hmget(f'task-{run.id}', 'attempt', 'token', 'started') == before
    assert (run.refresh().state, run.data) == (State.RUNNING, {'url': 'second'})


def test_a_reload_without_data_starts_anew_with_the_same(app, worker, feed):
    worker()
    run = running_feed(app, feed)
    assert run.reload() == 'applied'
    wait_until(lambda: len(feed.made) == 2, 'the successor runs')
    assert [task.url for task in feed.made] == ['first', 'first']


def test_a_published_word_reloads_from_the_data_that_stands_in_the_hash(app, worker, redis, feed):
    worker()
    run = running_feed(app, feed, run_id='42')
    redis.hset('task-42', 'data', '{"url": "edited"}')
    redis.publish('task-42-control', 'reload')
    wait_until(lambda: len(feed.made) == 2, 'the successor runs')
    assert feed.made[1].url == 'edited'
    assert run.refresh().attempt == 1


@pytest.mark.parametrize(
    ('data', 'why'), [({'uri': 'x'}, 'uri'), ({'url': 7}, 'expected str'), ({'url': 'unreachable'}, 'no route')]
)
def test_bad_data_leaves_the_old_one_going_and_says_why(app, worker, feed, data, why):
    worker()
    run = running_feed(app, feed)
    with pytest.raises(PytaskError, match='was not reloaded') as caught:
        run.reload(data)
    assert why in str(caught.value)
    assert (run.refresh().state, run.data) == (State.RUNNING, {})
    assert not feed.ended
    assert run.reload({'url': 'better'}) == 'applied'


def test_an_init_that_exits_does_not_end_the_worker(app, worker):
    class Exit(Task):
        def __init__(self, exits=False):
            if exits:
                raise SystemExit(3)

        def start(self):
            gevent.sleep(60)

    app.add_task(Exit)
    running = worker()
    run = app.client.start(Exit)
    wait_until(lambda: running.slots.taken, 'it runs')
    try:
        with pytest.raises(PytaskError, match='was not reloaded'):
            app.client.reload(run.id, {'exits': True}, wait=2)
    except SystemExit:
        pytest.fail('SystemExit of a new instance reached the main greenlet')
    assert run.refresh().state is State.RUNNING


def test_a_reload_is_told_as_an_event(app, worker, feed):
    worker()
    run = running_feed(app, feed)
    with gevent.Timeout(5):
        events = app.client.watch(run.id)
        run.reload({'url': 'second'})
        heard = next(event for event in events if event is not None)
        events.close()
    assert heard.event == 'reloaded'


def test_a_cooperative_task_is_stopped_orderly_before_its_successor_starts(app, worker):
    order = []

    class Feed(Task):
        def __init__(self, url='first'):
            self.url, self.over = url, gevent.event.Event()

        def start(self):
            order.append(f'start {self.url}')
            self.over.wait()
            gevent.sleep(0.05)
            order.append(f'end {self.url}')

        def stop(self):
            order.append(f'stop {self.url}')
            self.over.set()

    app.add_task(Feed)
    worker()
    run = app.client.start(Feed)
    wait_until(lambda: order, 'it runs')
    run.reload({'url': 'second'})
    wait_until(lambda: 'start second' in order, 'the successor runs')
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert order == ['start first', 'stop first', 'end first', 'start second', 'stop second', 'end second']


def test_the_children_of_the_old_instance_end_and_those_of_the_new_go_on(app, worker):
    children, ended = {}, []

    def child(url):
        try:
            gevent.sleep(60)
        finally:
            ended.append(url)

    class Parent(Task):
        def __init__(self, url='first'):
            self.url = url
            children[url] = self.spawn(child, url)

        def start(self):
            gevent.sleep(60)

    app.add_task(Parent)
    worker()
    run = app.client.start(Parent)
    wait_until(lambda: children, 'it runs')
    assert run.reload({'url': 'second'}) == 'applied'
    assert children['first'].dead
    assert ended in ([], ['first'])
    assert not children['second'].dead


def test_reloading_again_and_again(app, worker, feed):
    worker()
    run = running_feed(app, feed)
    for n in range(10):
        assert run.reload({'url': str(n)}) == 'applied'
    assert run.refresh().data == {'url': '9'}
    wait_until(lambda: len(feed.made) == 11, 'all had their turn')
    assert [task.url for task in feed.made] == ['first', *map(str, range(10))]


def test_a_reload_is_carried_out_once_however_it_is_heard(app, worker, feed):
    """The channel tells of it, and so does a heartbeat, which may come late."""
    running = worker()
    run = running_feed(app, feed)
    assert run.reload({'url': 'second'}) == 'applied'
    running.news.hear('RELOAD', running.slots.get(run.id))
    assert run.reload({'url': 'third'}) == 'applied'
    wait_until(lambda: feed.made[-1].url == 'third', 'the last successor runs')
    assert [task.url for task in feed.made] == ['first', 'second', 'third']


def test_reload_and_stop_at_once_end_stopped(app, worker, feed):
    """Whichever is heard first: a stop is never lost behind a reload."""
    worker()
    runs = app.client.start_many([(feed, {})] * 20)
    wait_until(lambda: len(feed.made) == 20, 'all of them run')
    for run in runs:
        app.client.reload(run.id, {'url': 'second'}, wait=0)
        run.stop()
    ended = app.client.wait(*runs, timeout=SOON_S)
    assert {run.state for run in ended} == {State.STOPPED}


def test_a_stop_while_the_old_instance_is_ending_is_not_forgotten(app, worker, redis):
    """Heard by a plain word only, which stands in no hash."""
    begun, ending = gevent.event.Event(), gevent.event.Event()

    class Slow(Task):
        def __init__(self):
            self.over = gevent.event.Event()

        def start(self):
            self.spawn(self.child)
            self.over.wait()

        def stop(self):
            self.over.set()

        def child(self):
            begun.set()
            try:
                gevent.sleep(60)
            finally:
                ending.set()
                gevent.sleep(0.3)

    app.add_task(Slow)
    worker()
    run = app.client.start(Slow, run_id='42')
    assert begun.wait(5)
    app.client.reload(run.id, wait=0)
    assert ending.wait(5)
    redis.publish('task-42-control', 'stop')
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_a_run_that_ends_by_itself_meanwhile_has_ended(app, worker):
    building = gevent.event.Event()
    over = gevent.event.Event()

    class Quick(Task):
        def __init__(self, slow=False):
            if slow:
                building.set()
                gevent.sleep(0.3)

        def start(self):
            over.wait()
            return 'my own end'

    app.add_task(Quick)
    running = worker()
    run = app.client.start(Quick)
    wait_until(lambda: running.slots.taken, 'it runs')
    app.client.reload(run.id, {'slow': True}, wait=0)
    assert building.wait(5)
    over.set()
    run.wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'my own end')


@pytest.mark.parametrize('end', ['stop', 'return'])
def test_an_instance_that_is_still_made_ends_with_the_run(app, worker, end):
    gate, builders = gevent.event.Event(), []

    class Slow(Task):
        def __init__(self, n: int = 0):
            if n:
                builders.append(gevent.getcurrent())
                gevent.sleep(60)

        def start(self):
            gate.wait()

    app.add_task(Slow)
    worker()
    run = app.client.start(Slow)
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
    asked = gevent.spawn(run.reload, {'n': 1})
    wait_until(lambda: builders, 'the new one is being made')
    run.stop() if end == 'stop' else gate.set()
    assert asked.get(timeout=SOON_S) == ('STOPPED' if end == 'stop' else 'SUCCESS')
    assert builders[0].dead


def test_pytasks_own_tasks_are_not_reloaded_by_a_published_word(app, worker, redis):
    running = worker()
    monitors = lambda: [live for live in running.slots.all() if live.task_name == 'pytask/monitor']  # noqa: E731
    [own] = wait_until(monitors, 'it begins')
    instance = wait_until(lambda: own.task, 'it runs')
    hear, heard = running.dispatcher.obey, []
    running.dispatcher.obey = lambda *command: hear(*command) or heard.append(command)
    redis.publish(f'task-{own.run_id}-control', 'reload')
    wait_until(lambda: heard, 'it was heard')
    assert own not in running.reloader._building
    assert own.task is instance
