"""A hundred restarts of Redis and a hundred kills of workers: nothing is lost or doubled, and nothing grows."""

import random
from collections import deque
from itertools import count

import gevent
import psutil
import pytest
from support import wait_until
from tools import BACK_S, Watch, check_ended_once, states, stats

from pytask.client.starting import Launch

VICTIMS, RUNS_A_TURN = 3, 10
# A worker ends, by design, where a run is not gone a quarter of a lease after its fence: the survivor of a busy
# machine has to be given that turn.
LEASE_S = 3.0


class Hunt:
    """Workers that are killed one after the other, while the next ones start."""

    def __init__(self, start_worker, client):
        self._start, self._client = start_worker, client
        self.victims, self.dead, self.ids = deque(), set(), []
        self._names = count()
        for _ in range(VICTIMS):
            self._start_one()

    def _start_one(self):
        name = f'victim{next(self._names)}x'
        process = self._start(name=name, lease=LEASE_S)
        process.name = name
        self.victims.append(process)

    def start_runs(self, chance):
        spans = [chance.uniform(0.02, 0.3) for _ in range(RUNS_A_TURN)]
        self.ids += [run.id for run in self._client.start_many([Launch('nap', {'seconds': s}) for s in spans])]

    def _held(self, victim):
        recent = self._client.store.runs.read(self.ids[-20 * RUNS_A_TURN :])
        return [run for run in recent if run.state == 'RUNNING' and run.worker.startswith(victim.name)]

    def _replace_the_stillborn(self):
        while self.victims[0].poll() is not None:  # Redis was away just when it started
            assert self.victims.popleft().returncode == 69
            self._start_one()

    def _has_first_timers_only(self):
        # What two workers have died with may be poison, by design: whom we kill has nobody of that kind.
        held = self._held(self.victims[0])
        return bool(held) and not any(run.crashes for run in held)

    def kill_one(self, chance):
        for _ in range(200):  # more work, until the oldest victim has some of it
            self._replace_the_stillborn()
            if self._has_first_timers_only():
                break
            self.start_runs(chance)
            gevent.sleep(0.1)
        victim = self.victims.popleft()
        victim.kill()
        victim.wait()
        self.dead.add(victim.pid)
        self._start_one()


def footprint(process, redis):
    """Connections as Redis sees them, descriptors, and megabytes of a process."""
    assert process.poll() is None, f'it ended with {process.returncode}: {process.log.read_text()[-2000:]}'
    of = psutil.Process(process.pid)
    ports = {found.laddr.port for found in of.net_connections()}
    seen = [one for one in redis.client_list() if int(one['addr'].rpartition(':')[2]) in ports]
    return len(seen), of.num_fds(), of.memory_info().rss / 2**20


@pytest.mark.timeout(420)
def test_a_hundred_restarts_and_a_hundred_kills(start_worker, server, client, redis, journal, turns):
    first_look, last = turns(20), turns(100)
    chance = random.Random(seed := random.randrange(2**32))
    print('seed', seed)
    survivor = start_worker('--queue', 'default', '--queue', 'own', name='survivor', lease=LEASE_S)
    endless = [run.id for run in client.start_many([Launch('endless', queue='own')] * 3)]
    wait_until(lambda: len(journal.begins()) == 3, 'the survivor is there', 20)
    hunt, watch, looks = Hunt(start_worker, client), Watch(), []
    for turn in range(1, last + 1):
        hunt.start_runs(chance)
        steps = [lambda: hunt.kill_one(chance), lambda: (server.kill(), server.start())]
        chance.shuffle(steps)
        for step in steps:
            step()
        if turn in (first_look, last):
            wait_until(lambda: set(states(client, hunt.ids)) == {'SUCCESS'}, 'all have ended so far', 30)
            looks.append(footprint(survivor, redis))
    assert len(hunt.dead) == last
    watch.took(f'{last} restarts and kills with {len(hunt.ids)} runs')
    check_ended_once(client, redis, hunt.ids)
    journal.check_alone(dead=hunt.dead)
    assert survivor.poll() is None
    assert 'crashed' not in survivor.log.read_text()
    print('connections, descriptors, MB after the first and the last turns:', looks)
    (connections, descriptors, megabytes), (connections_2, descriptors_2, megabytes_2) = looks
    assert connections_2 <= connections + 2
    assert descriptors_2 <= descriptors + 4
    assert megabytes_2 <= 1.1 * megabytes + 5
    assert states(client, endless) == ['RUNNING'] * 3
    assert {run.crashes or 0 for run in client.store.runs.read(endless)} == {0}
    client.stop_many(endless)
    client.wait(*endless, timeout=BACK_S)
    assert stats(redis) == {'SUCCESS:nap': len(hunt.ids), 'STOPPED:endless': 3}
