"""The heartbeat: leases are kept while tasks block the hub, and given up when Redis can not renew them."""

import errno

import gevent
import gevent.socket
import pytest
from gevent import monkey
from support import SOON_S, wait_until

from pytask import Interrupted, PyTask, State, Task
from pytask.worker.heartbeat import Heartbeat

really_sleep = monkey.get_original('time', 'sleep')
really_close = monkey.get_original('os', 'close')  # at once: gevent's waits for its loop


@pytest.fixture
def quick_app(server):
    app = PyTask(server.url, lease=1)
    yield app
    app.client.close()


def test_a_lease_is_renewed_while_its_run_goes_on(quick_app, worker, redis):
    quick_app.task(name='wait')(lambda: gevent.sleep(60))
    running = worker(quick_app)
    run = quick_app.client.start('wait')
    first = wait_until(lambda: redis.zscore('leases', run.id), 'it is leased')
    wait_until(lambda: redis.zscore('leases', run.id) > first + 1000, 'a later deadline than the first lease had')
    assert run.refresh().attempt == 1
    assert running.slots.taken == 1
    run.stop()
    run.wait(timeout=SOON_S)
    assert redis.zscore('leases', run.id) is None


def test_a_task_that_blocks_the_hub_for_two_leases_keeps_its_lease(server, worker, redis):
    apps = [PyTask(server.url, lease=0.8) for _ in range(2)]
    ran = []

    def block():
        ran.append(True)
        really_sleep(1.6)
        return 'still mine'

    for app in apps:
        app.task(name='block')(block)
        worker(app)
    run = apps[0].client.start('block').wait(timeout=SOON_S)
    assert (run.state, run.output, run.attempt) == (State.SUCCESS, 'still mine', 1)
    assert ran == [True]
    for app in apps:
        app.client.close()


def test_a_worker_stays_registered_while_its_hub_is_blocked(quick_app, worker, redis):
    alive = []

    @quick_app.task
    def block():
        really_sleep(1.5)
        alive.extend(redis.zrangebyscore('workers', redis.time()[0] * 1000, '+inf'))

    running = worker(quick_app)
    block.apply().wait(timeout=SOON_S)
    assert alive == [running.id]


def test_a_socket_closed_while_the_heartbeat_begins_to_wait_does_not_end_the_process(
    quick_app, worker, monkeypatch
):
    heartbeat, seen = worker(quick_app).heartbeat, []
    monkeypatch.setattr(heartbeat, '_beat', lambda: seen.append(what_comes_of_a_closed_socket()))
    heartbeat.hurry()
    assert wait_until(lambda: seen, 'it beats')[0] == errno.EBADF
    monkeypatch.undo()


def what_comes_of_a_closed_socket():
    if gevent.get_hub().loop.backend == 'epoll':
        return 'an aborted process'
    ours, other = gevent.socket.socketpair()

    def read():
        with pytest.raises(OSError, match='descriptor') as caught:
            ours.recv(1)
        return caught.value.errno

    reading, closing = gevent.spawn(read), gevent.spawn(really_close, ours.fileno())
    gevent.joinall([reading, closing])
    ours.detach()
    other.close()
    return reading.value


class Long(Task):
    def start(self):
        self.ended.append('begun')
        try:
            gevent.sleep(60)
        except Interrupted as interruption:
            self.ended.append(interruption.reason)
            raise


@pytest.fixture
def long_task(quick_app):
    task = type('Long', (Long,), {'NAME': 'long', 'ended': []})
    quick_app.add_task(task)
    return task


def test_a_run_whose_lease_can_not_be_renewed_is_interrupted_and_run_again(quick_app, worker, server, long_task):
    worker(quick_app)
    run = quick_app.client.start(long_task)
    wait_until(lambda: long_task.ended, 'it runs')
    server.freeze()
    try:
        wait_until(lambda: len(long_task.ended) == 2, 'it is interrupted at the fence', timeout=SOON_S)
    finally:
        server.thaw()
    wait_until(lambda: len(long_task.ended) == 3, 'it runs again')
    assert long_task.ended == ['begun', 'lost', 'begun']
    run.refresh()
    assert (run.state, run.attempt, run.crashes) == (State.RUNNING, 2, 0)


def test_a_short_freeze_is_survived(quick_app, worker, server, long_task):
    running = worker(quick_app)
    run = quick_app.client.start(long_task)
    wait_until(lambda: long_task.ended, 'it runs')
    server.freeze()
    gevent.get_hub().join(timeout=0.3)
    server.thaw()
    renewed = running.slots.get(run.id).lease.renewed_at
    wait_until(lambda: running.slots.get(run.id).lease.renewed_at > renewed, 'it is renewed')
    assert (long_task.ended, run.refresh().attempt) == (['begun'], 1)


def test_a_run_whose_hash_was_deleted_is_interrupted(quick_app, worker, redis, long_task):
    running = worker(quick_app)
    run = quick_app.client.start(long_task)
    wait_until(lambda: long_task.ended, 'it runs')
    redis.delete(f'task-{run.id}')
    wait_until(lambda: len(long_task.ended) == 2, 'it is interrupted')
    assert long_task.ended == ['begun', 'lost']
    wait_until(lambda: not running.slots.taken and not redis.zcard('leases'), 'slot and lease are free')
    assert not redis.exists(f'task-{run.id}')


def test_a_run_taken_over_by_another_worker_is_interrupted_and_can_not_write(quick_app, worker, redis, long_task):
    running = worker(quick_app)
    run = quick_app.client.start(long_task)
    wait_until(lambda: long_task.ended, 'it runs')
    redis.hset(f'task-{run.id}', mapping={'token': '2:x:other', 'attempt': 2, 'worker': 'other'})
    wait_until(lambda: not running.slots.taken, 'the slot is free')
    assert long_task.ended == ['begun', 'lost']
    run.refresh()
    assert (run.state, run.worker, run.attempt) == (State.RUNNING, 'other', 2)
    redis.delete(f'task-{run.id}')
    redis.zrem('leases', run.id)


def test_a_worker_carries_on_by_itself_after_an_outage(quick_app, worker, server):
    quick = quick_app.task(name='quick')(lambda: 'fine')
    worker(quick_app)
    assert quick.apply().wait(timeout=SOON_S).output == 'fine'
    server.freeze()
    gevent.get_hub().join(timeout=1.2)
    server.thaw()
    assert quick.apply().wait(timeout=SOON_S).output == 'fine'


def test_nothing_is_claimed_before_it_beats(quick_app, worker, monkeypatch):
    """Its thread makes a hub, which needs descriptors; a run may take them all, and libev then ends the process."""
    order, beat = [], Heartbeat._beat

    def slowly(heartbeat):
        really_sleep(0.3)
        order.append('beat')
        beat(heartbeat)

    monkeypatch.setattr(Heartbeat, '_beat', slowly)
    quick_app.task(name='quick')(lambda: order.append('run'))
    run = quick_app.client.start('quick')
    worker(quick_app)
    run.wait(timeout=SOON_S)
    assert order.index('beat') < order.index('run')
