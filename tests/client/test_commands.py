"""Commands with a receipt: how long they may take, what is written down, what is true after them."""

import time

import gevent
import pytest
from support import SOON_S, InProcess, wait_until

from pytask import PyTask, PytaskError, State, Task


class Hold(Task):
    """Goes on until its gate is opened, also in `stop`; tells where it is."""

    GRACE = None

    def __init__(self, url: str = 'first'):
        self.url = url

    def start(self):
        self.begun.append(self.url)
        self.gate.wait()
        return self.url

    def stop(self):
        self.asked.append(self.url)
        self.written.append(self.redis.hget(f'task-{self.id}', 'stop'))


@pytest.fixture
def hold(app):
    task = type('Hold', (Hold,), {'begun': [], 'asked': [], 'written': [], 'gate': gevent.event.Event()})
    app.add_task(task)
    yield task
    task.gate.set()


@pytest.fixture
def run(app, worker, hold):
    worker()
    run = app.client.start(hold, run_id='42')
    wait_until(lambda: hold.begun, 'it runs')
    return run


# How long a stop may take


def test_grace_0_interrupts_at_once_and_asks_nobody(run, hold):
    assert run.stop(wait=5, grace=0) == 'applied'
    assert hold.asked == []


def test_grace_takes_the_place_of_the_tasks_own(run, hold):
    since = time.monotonic()
    assert run.stop(wait=5, grace=0.3) == 'applied'
    assert time.monotonic() - since >= 0.3
    assert hold.asked == ['first']


def test_a_later_stop_with_a_shorter_grace_hurries(run, hold):
    assert run.stop() == 'requested'
    wait_until(lambda: hold.asked, 'it was asked')
    assert run.stop(grace=60) == 'requested'
    assert run.stop(wait=0.2) == 'requested'
    assert run.stop(wait=5, grace=0.1) == 'applied'
    assert hold.asked == ['first']


def test_a_later_stop_with_a_longer_grace_delays_nothing(run, hold):
    assert run.stop(grace=0.2) == 'requested'
    assert run.stop(wait=5, grace=60) == 'applied'


def test_a_grace_read_back_from_the_hash_is_heeded(run, redis):
    redis.hset('task-42', mapping={'stop': 1, 'grace': '0.000'})
    wait_until(lambda: run.refresh().state is State.STOPPED, 'the heartbeat has told it')


def test_a_grace_that_foreign_hands_spoilt_is_none(run, hold, redis):
    redis.hset('task-42', mapping={'stop': 1, 'grace': 'soon'})
    wait_until(lambda: hold.asked, 'it was asked')
    assert run.stop(wait=5, grace=0) == 'applied'


@pytest.mark.parametrize('bad', [-1, float('nan'), float('inf')])
def test_a_span_that_is_none_is_an_error(app, bad):
    with pytest.raises(ValueError, match='grace must be 0 or more seconds'):
        app.client.stop('42', grace=bad)
    with pytest.raises(ValueError, match='wait must be 0 or more seconds'):
        app.client.stop('42', wait=bad)


# What a stop answers


def test_it_has_not_ended_yet(run):
    assert run.stop(wait=0.2) == run.stop(wait=0) == 'requested'
    assert run.refresh().state is State.RUNNING


def test_it_has_reached_another_end_first(app, worker, hold):
    running = worker()
    run = app.client.start(hold)
    wait_until(lambda: hold.begun, 'it runs')
    record, door = running.writer._send, gevent.event.Event()
    running.writer._send = lambda *args: door.wait() and record(*args)
    hold.gate.set()
    wait_until(lambda: running.slots.get(run.id).task is None, 'it has returned')
    gevent.spawn_later(0.1, door.set)
    assert run.stop(wait=5) == 'SUCCESS'


def test_of_many_each_has_its_own_answer(app, worker, hold):
    worker()
    runs = [app.client.start(hold), app.client.start(hold, queue='elsewhere')]
    wait_until(lambda: hold.begun, 'it runs')
    ids = [*(run.id for run in runs), 'none']
    assert app.client.stop_many(ids, wait=5, grace=0) == ['applied', 'applied', 'not_found']
    assert app.client.stop_many(ids, wait=5) == ['STOPPED', 'STOPPED', 'not_found']


def test_one_that_is_deleted_meanwhile_is_not_found(run, redis):
    waiter = gevent.spawn(run.stop, wait=10)
    wait_until(lambda: redis.hget('task-42', 'stop'), 'it was told')
    redis.delete('task-42')
    redis.zrem('leases', '42')
    assert waiter.get(timeout=SOON_S) == 'not_found'


# A bare word


@pytest.mark.parametrize('text', ['stop', '{"command": "stop"}'])
def test_a_bare_word_is_written_down_before_it_is_obeyed(run, hold, redis, text):
    redis.publish('task-42-control', text)
    wait_until(lambda: hold.written, 'it was asked')
    assert hold.written == [b'1']


def test_a_bare_word_is_told_to_nobody_again(run, hold, redis):
    heard = redis.pubsub()
    heard.subscribe('task-42-control')
    wait_until(lambda: heard.get_message(timeout=1), 'it listens')
    for _ in range(3):
        redis.publish('task-42-control', 'stop')
    wait_until(lambda: hold.asked, 'it was asked')
    assert [heard.get_message(timeout=1)['data'] for _ in range(3)] == ['stop'] * 3
    assert heard.get_message(timeout=0.3) is None
    assert hold.asked == ['first']
    heard.close()


def test_a_bare_word_may_carry_a_grace(run, hold, redis):
    redis.publish('task-42-control', '{"command": "stop", "grace": 0}')
    wait_until(lambda: run.refresh().state is State.STOPPED, 'it is over')
    assert hold.asked == []


def test_a_bare_word_is_obeyed_where_it_can_not_be_written_down(app, worker, hold, caplog):
    running = worker()
    run = app.client.start(hold)
    wait_until(lambda: hold.begun, 'it runs')

    def refuse(*_, **__):
        raise PytaskError('full')

    running.store.runs.command = refuse
    app.client.store.publish(f'task-{run.id}-control', '{"command": "stop", "grace": 0}')
    wait_until(lambda: run.refresh().state is State.STOPPED, 'it is over')
    assert 'is being stopped, but Redis did not store that: full' in caplog.text


def test_a_late_stop_never_hits_the_next_attempt(app, run, hold, redis):
    hold.gate.set()
    assert run.wait(timeout=SOON_S).state is State.SUCCESS
    hold.gate.clear()
    assert run.retry() == 'applied'
    wait_until(lambda: len(hold.begun) == 2, 'it runs again')
    redis.publish('task-42-control', '{"command": "stop", "attempt": 1, "grace": 0}')
    assert app.client.store.runs.command('42', 'stop', attempt=1) == 'STALE'
    hold.gate.set()
    assert run.wait(timeout=SOON_S).state is State.SUCCESS


@pytest.mark.parametrize('text', ['stop', '{"command": "stop", "attempt": 1}'])
def test_a_word_between_the_grant_and_the_start_is_heard(app, worker, hold, redis, text):
    running = worker()
    wait_until(lambda: not running.dispatcher._is_claiming, 'its first claim is answered: that may not get the run')
    claim, granted, door = running.store.queues.claim, gevent.event.Event(), gevent.event.Event()

    def slow_claim(*args):
        grant = claim(*args)
        if grant.runs:
            granted.set()
            door.wait()
        return grant

    running.store.queues.claim = slow_claim
    run = app.client.start(hold, run_id='42')
    assert granted.wait(5)
    redis.publish('task-42-control', text)
    wait_until(lambda: running.dispatcher._early, 'it was heard')
    door.set()
    wait_until(lambda: hold.asked or run.refresh().state is State.STOPPED, 'it is obeyed')
    assert run.stop(wait=5, grace=0) in ('applied', 'STOPPED')


# Workers, and what belongs to them


@pytest.fixture
def alone(server):
    app = PyTask(server.url, lease=2, drain=0)
    running = InProcess(app)
    running.start()
    yield running
    running.stop()
    app.client.close()


def test_a_worker_is_told_to_stop_and_does(alone, app):
    assert app.client.stop_worker(alone.worker.id) == 'requested'
    assert alone.greenlet.get(timeout=SOON_S) == 0
    assert app.client.stop_worker(alone.worker.id) == 'not_found'


def test_a_worker_that_did_not_hear_it_reads_it(alone, redis):
    redis.hset(f'worker-{alone.worker.id}', 'stop', 1)
    assert alone.greenlet.get(timeout=SOON_S) == 0


def test_a_worker_told_by_its_channel_and_its_hash_is_not_hurried(alone, app, hold):
    alone.worker.app.add_task(hold)
    assert app.client.stop_worker(alone.worker.id) == 'requested'
    wait_until(alone.worker.lifetime.stopping.is_set, 'it was told')
    alone.worker.news.hear('SHUT_DOWN', None)
    assert not alone.worker.lifetime.hurry.is_set()


def test_a_local_run_that_did_not_hear_it_is_told_by_the_heartbeat(app, worker, redis, hold):
    app.start_local_task(hold)
    worker()
    [run] = wait_until(lambda: app.client.list(task='hold'), 'it is listed')
    redis.hset(f'task-{run.id}', mapping={'stop': 1, 'grace': 0})
    wait_until(lambda: run.refresh().state is State.STOPPED, 'it is over')


# Reload


def test_after_a_reload_that_was_interrupted_a_stop_interrupts_too(app, worker):
    class Plain(Task):
        begun = []

        def __init__(self, n: int = 0):
            self.n = n

        def start(self):
            self.begun.append(self.n)
            gevent.sleep(60)

    app.add_task(Plain)
    worker()
    run = app.client.start(Plain)
    wait_until(lambda: Plain.begun, 'it runs')
    for n in (1, 2):
        assert run.reload({'n': n}) == 'applied'
    assert run.stop(wait=5) == 'applied'
    assert Plain.begun == [0, 1, 2]


def test_a_reload_while_the_first_instance_is_made_comes_after_that(app, worker, redis):
    door = gevent.event.Event()

    class Slow(Task):
        begun = []

        def __init__(self, n: int = 0):
            self.n = n
            door.wait()

        def start(self):
            self.begun.append(self.n)
            gevent.sleep(60)

    app.add_task(Slow)
    running = worker()
    run = app.client.start(Slow)
    wait_until(lambda: running.slots.taken, 'it begins')
    asked = gevent.spawn(run.reload, {'n': 1})
    wait_until(lambda: redis.hget(f'task-{run.id}', 'reload_id'), 'it was told')
    door.set()
    assert asked.get(timeout=SOON_S) == 'applied'
    assert Slow.begun[-1] == 1
    assert run.stop(wait=5) == 'applied'


def test_a_second_reload_while_the_first_is_built_comes_after_it(app, worker, redis):
    door, building = gevent.event.Event(), gevent.event.Event()

    class Slow(Task):
        begun = []

        def __init__(self, n: int = 0):
            self.n = n
            if n == 1:
                building.set()
                door.wait()

        def start(self):
            self.begun.append(self.n)
            gevent.sleep(60)

    app.add_task(Slow)
    worker()
    run = app.client.start(Slow)
    wait_until(lambda: Slow.begun, 'it runs')
    first = gevent.spawn(run.reload, {'n': 1}, wait=2)
    assert building.wait(5)
    second = gevent.spawn(run.reload, {'n': 2})
    wait_until(lambda: redis.hget(f'task-{run.id}', 'reload_data') == '{"n":2}', 'it was told')
    door.set()
    assert second.get(timeout=SOON_S) == 'applied'
    assert first.get(timeout=SOON_S) in ('applied', 'requested')
    assert (Slow.begun[-1], run.refresh().data) == (2, {'n': 2})
    assert run.stop(wait=5) == 'applied'


def test_a_reload_overtaken_by_a_stop_leaves_nothing_of_the_new_instance(app, worker):
    children = []

    class Parent(Task):
        GRACE = None

        def __init__(self, n: int = 0):
            children.append(self.spawn(gevent.sleep, 60))

        def start(self):
            gevent.sleep(60)

        def stop(self):
            return None

    app.add_task(Parent)
    worker()
    run = app.client.start(Parent)
    wait_until(lambda: children, 'it runs')
    run.reload({'n': 1}, wait=0)
    wait_until(lambda: len(children) == 2, 'the new instance is made')
    assert run.stop(wait=5, grace=0) == 'applied'
    wait_until(lambda: all(child.dead for child in children), 'all have ended')


def test_an_end_meanwhile_is_the_answer_at_once(run, hold):
    asked = gevent.spawn(run.reload, {'url': 'second'}, wait=30)
    wait_until(lambda: hold.asked, 'the old one was asked to end')
    assert run.stop(grace=0) == 'requested'
    assert asked.get(timeout=SOON_S) == 'STOPPED'


def test_a_reload_that_a_shutdown_overtakes_is_done_by_the_next_worker(server, app, hold):
    app.add_task(hold)
    first = InProcess(PyTask(server.url, lease=2, drain=0))
    first.worker.app.add_task(hold)
    first.start()
    run = app.client.start(hold)
    wait_until(lambda: hold.begun, 'it runs')
    asked = gevent.spawn(run.reload, {'url': 'second'}, wait=20)
    wait_until(lambda: hold.asked, 'the old one was asked to end')
    first.stop()
    assert asked.get(timeout=20) == 'applied'
    assert (run.refresh().state, run.data, run.attempt) == (State.WAIT, {'url': 'second'}, 1)
    assert run.stop() == 'applied'
    first.worker.app.client.close()


def test_a_refusal_is_told_when_redis_is_back(app, worker, hold):
    running = worker()
    run = app.client.start(hold)
    wait_until(lambda: hold.begun, 'it runs')
    tell, times = running.store.runs.reloaded, []

    def reloaded(*answer):
        from pytask import Unavailable

        times.append(answer)
        if len(times) < 3:
            raise Unavailable('away')
        return tell(*answer)

    running.store.runs.reloaded = reloaded
    with pytest.raises(PytaskError, match='was not reloaded'):
        run.reload({'uri': 'wrong'})
    assert len(times) == 3
    assert run.stop(wait=5, grace=0) == 'applied'
