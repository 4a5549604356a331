"""Fail-over with 200 live runs: the primary dies, or freezes and comes back sooner or later."""

import contextlib
import time
from collections import defaultdict
from itertools import pairwise

import pytest
from servers import REDIS_SERVER, Watched, needs_redis_server
from support import Processes, check_keys, wait_until

from pytask import Unavailable
from pytask.client.client import Client

pytestmark = [needs_redis_server, pytest.mark.timeout(240)]

RUNS = 200
LIMIT_S = 60  # generous: in practice all is well again within 10 s
TASKS = """
    import os, time
    from pytask import Task, task

    def journal(*words):
        # One write of a short line at the end of a file is whole, whoever else writes.
        descriptor = os.open(os.environ['JOURNAL'], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, (' '.join(map(str, words)) + '\\n').encode())
        os.close(descriptor)

    class Forever(Task):
        def start(self):
            journal('begin', self.id, self.attempt, time.monotonic())
            try:
                for _ in self.every(0.5):
                    pass
            finally:
                journal('end', self.id, self.attempt, time.monotonic())
        def stop(self):
            pass

    @task
    def hello():
        return 'hello'
"""


class Journal:
    def __init__(self, path):
        self.path = path

    def lines(self):
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def begun(self):
        return {line[1] for line in self.lines() if line[0] == 'begin'}

    def ended(self):
        return {line[1] for line in self.lines() if line[0] == 'end'}

    def doubles(self):
        """The runs of which two attempts were there at one time."""
        spans = defaultdict(dict)
        for what, run_id, attempt, at in self.lines():
            spans[run_id].setdefault(attempt, {})[what] = float(at)
        doubles = []
        for run_id, attempts in spans.items():
            in_order = sorted((span['begin'], span.get('end', float('inf'))) for span in attempts.values())
            if any(end > begin for (_, end), (begin, _) in pairwise(in_order)):
                doubles.append((run_id, in_order))
        return doubles


@pytest.fixture
def watched(tmp_path):
    # As docs/redis.rst has it: a primary that nobody follows any more refuses writes.
    options = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '3']
    with Watched(REDIS_SERVER, tmp_path / 'redis', options=options) as running:
        yield running


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / 'journal')


@pytest.fixture
def processes(watched, tmp_path, journal, monkeypatch):
    monkeypatch.setenv('JOURNAL', str(journal.path))
    with Processes(watched, tmp_path) as running:
        running.tasks(TASKS)
        yield running


@pytest.fixture
def client(watched):
    client = Client(watched.url)
    yield client
    client.close()


@pytest.mark.parametrize('harm', ['kill', 'freeze', 'pause'])
def test_a_worker_with_200_runs_is_back_at_work(watched, processes, client, journal, capsys, harm):
    worker = processes.worker('--concurrency', str(RUNS + 20))
    ids = [run.id for run in client.start_many([('forever', {})] * RUNS)]
    wait_until(lambda: len(journal.begun()) == RUNS, 'all run', LIMIT_S)
    rival = processes.worker()  # it would run them again if it were let
    old = watched.primary()
    with old.client() as foreign:
        assert foreign.zcard('leases') == RUNS
        assert foreign.wait(2, 5000) == 2  # both replicas know: what they do not is lost, as is said

    harmed_at = time.monotonic()
    old.kill() if harm == 'kill' else old.freeze()
    took = {}

    def mark(what, predicate):
        wait_until(predicate, what, LIMIT_S)
        took[what] = time.monotonic() - harmed_at

    mark('another primary', lambda: any(watched.role(s) == 'master' for s in watched.servers if s is not old))
    if harm == 'pause':  # no connection has noticed, and the old primary takes itself for the primary still
        old.thaw()
    primary = next(s for s in watched.servers if s is not old and watched.role(s) == 'master')
    with primary.client() as foreign:
        mark('a new run is accepted', lambda: is_accepted(client, 'fresh'))
        # What the old one accepts before it is told is lost, as is said: to be sure, start it again by its id.
        again = harm == 'pause'
        mark(
            'the new run is done',
            lambda: is_done(foreign, 'fresh') or (again and is_accepted(client, 'fresh') and None),
        )
        mark('both workers listen there', lambda: listeners(foreign) == 2)
        mark('all leases are renewed there', lambda: renewed(foreign) == RUNS)
        foreign.publish(f'task-{ids[0]}-control', 'stop')
        mark('a command that is only heard', lambda: foreign.hget(f'task-{ids[0]}', 'state') == 'STOPPED')
        interrupted = [i for i in ids[1:] if foreign.hget(f'task-{i}', 'attempt') != '1']

        if harm != 'kill':
            old.thaw()
            thawed_at = time.monotonic()
            wait_until(lambda: watched.role(old) == 'slave', 'the old primary has been told', LIMIT_S)
            took['the old one is a replica, after its return'] = time.monotonic() - thawed_at
            assert renewed(foreign) == RUNS - 1
            assert listeners(foreign) == 2

        asked_at = time.monotonic()
        assert set(client.stop_many(ids[1:])) <= {'requested', 'applied'}
        wait_until(lambda: journal.ended() >= set(ids), 'all have ended', LIMIT_S)
        wait_until(lambda: foreign.zcard('ended-STOPPED') == RUNS, 'all are recorded', LIMIT_S)
        took['all are stopped, after being told'] = time.monotonic() - asked_at
        assert foreign.zcard('leases') == 0
        check_keys(foreign)
    with capsys.disabled():
        print(f'\n  {harm}: {len(interrupted)} of {RUNS} interrupted; in seconds: ', end='')
        print(', '.join(f'{what} {seconds:.1f}' for what, seconds in took.items()))
    assert journal.doubles() == []
    for process in (worker, rival):
        process.terminate()
        assert process.wait(30) == 0, process.communicate()[1]


def is_accepted(client, run_id):
    with contextlib.suppress(Unavailable):
        return client.start('hello', {}, run_id=run_id)


def is_done(foreign, run_id):
    return foreign.hget(f'task-{run_id}', 'state') == 'SUCCESS'


def listeners(foreign):
    return sum(count == 1 for _, count in foreign.pubsub_numsub(*foreign.pubsub_channels('worker-*-control')))


def renewed(foreign):
    """How many leases have at least half of their length before them."""
    seconds, _ = foreign.time()
    return foreign.zcount('leases', (seconds + 7.5) * 1000, '+inf')
