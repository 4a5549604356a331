"""A task that kills its process, and one that forks: what happens beside them goes on."""

import contextlib
import os
import signal

import gevent
import pytest
from support import SOON_S, wait_until
from tools import LEASE_S, Watch, check_ended_once, states, stats

from pytask.client.starting import Launch


class Supervisor:
    """Starts a worker again and again, as systemd would."""

    def __init__(self, start_worker):
        self._start = start_worker
        self.codes = []
        self._greenlet = gevent.spawn(self._run)

    def _run(self):
        while True:
            process = self._start('--drain', '0')
            self.codes.append(process.wait())

    def stop(self):
        self._greenlet.kill()


@pytest.fixture
def supervised(start_worker):
    supervisor = Supervisor(start_worker)
    yield supervisor
    supervisor.stop()


@pytest.mark.promise('A task kills its workers')
@pytest.mark.timeout(120)
def test_a_task_that_kills_its_worker_is_poison_and_no_innocent_is(client, redis, journal, supervised):
    innocent = [run.id for run in client.start_many([Launch('nap', {'seconds': 0.2})] * 100)]
    culprit = client.start('crasher')
    innocent += [run.id for run in client.start_many([Launch('nap', {'seconds': 0.2})] * 100)]
    watch = Watch()
    wait_until(lambda: set(states(client, innocent)) == {'SUCCESS'}, 'the innocent have ended well', 90)
    culprit.wait(timeout=60)
    watch.took('from the start to the last')
    assert (culprit.state, culprit.reason) == ('EXCEPTION', 'poison')
    # Two, then half as many suspects each time, then five alone: 2 + log2(200) + 5.
    assert len(supervised.codes) <= 15
    assert stats(redis)['SUCCESS:nap'] == 200
    journal.check_alone(dead={line.pid for line in journal.lines()})


@pytest.fixture
def no_stray_children(journal):
    """End what a worker has left behind: a child that did not exit goes on as its double."""
    yield
    for pid in {line.pid for line in journal.lines()} - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_fork_in_a_task_is_the_tasks_own_matter(
    processes, no_stray_children, start_worker, client, redis, journal, heard
):
    """The child sleeps, prints and exits, and neither records nor runs anything."""
    others = client.start_many([Launch('nap', {'seconds': 2 * LEASE_S})] * 5 + [Launch('talker')] * 5)
    ids = [run.id for run in others]
    victim = start_worker()
    wait_until(lambda: len(journal.begins()) == 10, 'they run', 20)
    fork = client.start('forker')
    fork.wait(timeout=SOON_S)
    assert (fork.state, fork.output) == ('SUCCESS', 3)
    later = client.start_many([Launch('talker')] * 5)
    ids += [fork.id, *(run.id for run in later)]
    client.wait(*ids, timeout=SOON_S)
    check_ended_once(client, redis, ids, heard=heard)
    assert journal.begins() == dict.fromkeys(ids, 1)
    # All that the child may note is that it left its own start.
    assert {line.run_id for line in journal.lines() if line.pid != victim.pid} <= {fork.id}
    assert victim.poll() is None
    assert redis.zcard('workers') == 1
