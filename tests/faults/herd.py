"""Runs of every kind in one worker, before an outage; and what must be true of them after it."""

from __future__ import annotations

import gevent
from support import SOON_S, wait_until
from tools import BACK_S, Watch, log_lines, states, stats

from pytask.client.starting import Launch
from pytask.errors import Unavailable

SLOTS = 6


class Herd:
    """Endless, running and waiting runs; the worker has as many slots as there are of the first two."""

    def __init__(self, client, redis, journal, log):
        self.client, self.redis, self.journal, self._log = client, redis, journal, log
        self.endless, self.running, self.waiting = [], [], []

    @property
    def naps(self):
        return self.running + self.waiting

    def start(self):
        """Start them all; with the worker there already, and its slots full at the end."""
        runs = [Launch('endless')] * 2 + [Launch('nap', {'seconds': 0.7})] * 4
        ids = [run.id for run in self.client.start_many(runs)]
        self.endless, self.running = ids[:2], ids[2:]
        waiting = self.client.start_many([Launch('nap', {'seconds': 0.05})] * 5)
        self.waiting = [run.id for run in waiting]
        wait_until(lambda: len(self.journal.begins()) >= len(ids), 'they run')

    def log(self, what):
        return log_lines(self._log(), what)

    def check_back(self, what):
        """Assert that the worker is at work soon, and hears: from now on, which is when Redis is back."""
        watch = Watch()
        run = wait_until(self._start_first, 'a run is accepted', BACK_S)
        run.wait(timeout=BACK_S)
        self._stop_by_word(BACK_S)
        assert watch.took(f'at work again after {what}') < BACK_S

    def _start_first(self):
        # At the front of its queue, so that the span is the worker's, not that of those who wait.
        try:
            run_id = self.client.new_id()
            self.redis.hset(f'task-{run_id}', mapping={'task': 'quick', 'data': '{}'})
            self.redis.rpush('new-task', run_id)
            return self.client.get(run_id)
        except (Unavailable, self._errors()):
            return None

    @staticmethod
    def _errors():
        import redis

        return redis.RedisError

    def _stop_by_word(self, limit_s):
        """Stop an endless run by a bare PUBLISH, which only a living subscription hears."""
        run_id = self.endless.pop()

        def is_stopped():
            self.redis.publish(f'task-{run_id}-control', 'stop')
            gevent.sleep(0.05)
            return states(self.client, [run_id]) == ['STOPPED']

        wait_until(is_stopped, 'a stop reaches a run', limit_s)

    def check_runs(self, *, attempts):
        """Assert that nothing was lost and nothing ended twice; then stop the rest, durably."""
        wait_until(lambda: set(states(self.client, self.naps)) == {'SUCCESS'}, 'all have ended', SOON_S)
        assert stats(self.redis)['SUCCESS:nap'] == len(self.naps)
        assert states(self.client, self.endless) == ['RUNNING']
        everything = self.client.store.runs.read(self.endless + self.naps)
        assert {run.attempt for run in everything} <= attempts
        assert {run.crashes or 0 for run in everything} == {0}, 'an outage is no crash of the worker'
        for run_id in self.endless:
            assert self.client.stop(run_id) == 'requested'
        self.client.wait(*self.endless, timeout=SOON_S)
        assert states(self.client, self.endless) == ['STOPPED']
        self.journal.check_alone()
        assert max(self.journal.begins().values()) <= max(attempts)

    def check_log(self, *, outages):
        """Assert that it said what is wrong, once, and that nothing of its own broke."""
        away = len(self.log('cannot use Redis'))
        wait_until(lambda: len(self.log('Redis is back')) >= away, 'the end of the outage is told')
        assert (away, len(self.log('Redis is back'))) in [(n, n) for n in outages], '\n'.join(self.log(''))
        assert not self.log('crash'), '\n'.join(self.log('crash'))
        assert not self.log('subscription receives nothing')
