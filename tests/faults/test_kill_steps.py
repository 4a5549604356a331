"""A worker is killed, at every step of everything it does: what it held is run again, and ends once."""

import pytest
from fault_proxy import AFTER, BEFORE, CUT, MOMENTS
from support import wait_until
from tools import check_ended_once

from pytask.client.starting import Launch

STEPS = ('begin_local', 'claim', 'renew', 'emit', 'finish')


def start_runs(client):
    """Some that talk and are soon over, some that last longer than a heartbeat."""
    runs = client.start_many([Launch('talker')] * 4 + [Launch('nap', {'seconds': 0.6})] * 4)
    return [run.id for run in runs]


def check_after_kill(client, redis, journal, heard, ids):
    client.wait(*ids, timeout=30)
    check_ended_once(client, redis, ids, heard=heard)
    begins = journal.begins()
    assert set(begins) == set(ids)
    assert max(begins.values()) <= 2
    crashed = [run for run in client.store.runs.read(ids) if run.crashes]
    assert all((run.crashes, run.attempt) == (1, 2) for run in crashed)


@pytest.fixture
def kill_at(proxy, start_worker):
    """Start a worker that is killed at a step, and return the rule that does it."""

    def kill_at(step, when, *arguments, nth=1, **options):
        def kill():
            victim.kill()
            victim.wait()
            return CUT

        rule = proxy.at(step, when, kill, nth=nth)
        victim = start_worker('--redis', proxy.url, *arguments, **options)
        rule.victim = victim
        return rule

    return kill_at


@pytest.mark.parametrize('when', MOMENTS)
@pytest.mark.parametrize('step', STEPS)
def test_a_kill_at_any_step(step, when, kill_at, client, redis, journal, heard, worker):
    ids = start_runs(client)
    victim = kill_at(step, when, nth=2 if step == 'emit' else 1).victim
    assert victim.wait(20) == -9
    worker()
    check_after_kill(client, redis, journal, heard, ids)
    journal.check_alone(dead={victim.pid})


@pytest.mark.parametrize('when', MOMENTS)
def test_a_kill_while_runs_are_given_back(when, kill_at, client, redis, journal, heard, worker):
    ids = start_runs(client)
    victim = kill_at('release', when, '--drain', '0').victim
    wait_until(lambda: len(journal.begins()) == len(ids), 'all have begun', 20)
    victim.terminate()
    assert victim.wait(10) == -9
    worker()
    check_after_kill(client, redis, journal, heard, ids)


@pytest.mark.parametrize('place', ['enter', 'init', 'start', 'leave'])
def test_a_kill_inside_of_a_task(place, start_worker, client, redis, journal, heard, worker):
    deadly = client.start('deadly').id
    ids = [deadly, *start_runs(client)]
    victim = start_worker(environment={'KILL_AT': place})
    assert victim.wait(20) == -9
    worker()
    check_after_kill(client, redis, journal, heard, ids)
    run = client.get(deadly)
    assert (run.attempt, run.crashes) == (2, 1)


def test_only_what_was_granted_and_not_recorded_counts_as_a_crash(kill_at, client, make_app, journal, worker):
    moments = [('claim', BEFORE), ('claim', AFTER), ('finish', BEFORE), ('finish', AFTER)]
    queues = [f'{step}-{when}' for step, when in moments]
    runs = [client.start('quick', queue=queue) for queue in queues]
    for (step, when), queue in zip(moments, queues, strict=True):
        assert kill_at(step, when, '--queue', queue, name=queue).victim.wait(20) == -9
    worker(make_app(queue=queues))
    client.wait(*runs, timeout=20)
    assert [(run.refresh().attempt, run.crashes or 0) for run in runs] == [(1, 0), (2, 1), (2, 1), (1, 0)]
