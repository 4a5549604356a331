"""A run that comes back to the worker that still runs it: the old attempt ends first."""

import gevent
from support import wait_until

from pytask import Task

alive, most = set(), []


class Endless(Task):
    def start(self):
        alive.add(self.attempt)
        most.append(len(alive))
        try:
            gevent.sleep(60)
        finally:
            alive.discard(self.attempt)


def take_away(redis, run_id):
    """Do what `recover` does: this process stood still for longer than the lease, or was cut off."""
    with redis.pipeline() as pipe:
        pipe.zrem('leases', run_id)
        pipe.hdel(f'task-{run_id}', 'token')
        pipe.hset(f'task-{run_id}', 'state', 'WAIT')
        pipe.lpush('new-task', run_id)
        pipe.execute()


def test_a_run_that_comes_back_never_runs_beside_its_older_self(app, worker, redis):
    alive.clear()
    most.clear()
    app.add_task(Endless)
    serving = worker()
    run = app.client.start(Endless)
    wait_until(lambda: alive == {1}, 'it runs')
    take_away(redis, run.id)
    wait_until(lambda: alive and 1 not in alive, 'a later attempt runs, and the first has ended')
    assert max(most) == 1
    assert serving.slots.taken == 1
    run.stop()
    wait_until(lambda: run.refresh().is_ended, 'it is stopped')
    wait_until(lambda: serving.slots.taken == 0, 'its slot is free')
