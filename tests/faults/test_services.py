"""A loop inside a worker crashes: once, and nothing is noticed; again and again, and the worker ends visibly."""

import gevent
import pytest
from support import SOON_S, InProcess, wait_until
from tools import LEASE_S, states

from pytask.client.starting import Launch
from pytask.worker.worker import EXIT_BROKEN

SERVICES = ('writer', 'listener', 'fetcher', 'peek default', 'pytask/monitor', 'pytask/cleanup', 'pytask/scheduler')


def service_of(worker, name):
    everything = [
        worker.writer, worker.listener, worker.fetcher, *worker.fetcher.waiters, *worker.local_runs._supervisors,
    ]  # fmt: skip
    return next(service for service in everything if service.name == name)


def sabotage(service, times):
    """Let so many turns of a service raise; return a list of those that did."""
    turn, raised = service.turn, []

    def crash():
        if len(raised) < times:
            raised.append(True)
            raise KeyError('sabotage')
        turn()

    service.turn = crash
    if hasattr(service, '_live'):  # a turn of these is as long as their task runs
        gevent.kill(service._greenlet, KeyError('sabotage'))
    return raised


@pytest.mark.parametrize('name', SERVICES)
def test_a_loop_that_crashes_goes_on(name, worker, client, redis, journal, caplog):
    running = worker()
    before = client.start('endless')
    wait_until(lambda: before.refresh().state == 'RUNNING', 'it runs')
    raised = sabotage(service_of(running, name), 2)
    wait_until(lambda: len(raised) == 2, 'it has crashed twice')
    assert client.start('quick').wait(timeout=SOON_S).output == 'quick'
    assert redis.publish(f'task-{before.id}-control', 'stop') or name == 'listener'
    before.stop()
    assert before.wait(timeout=SOON_S).state == 'STOPPED'
    told = [line for line in caplog.messages if f'service {name} crashed and is restarted' in line]
    assert len(told) >= 2
    assert 'KeyError' in told[0]
    assert set(journal.begins().values()) == {1}


@pytest.mark.parametrize('name', SERVICES)
def test_a_loop_that_crashes_again_and_again_ends_the_worker_visibly(
    name, make_app, worker, client, redis, journal, caplog, monkeypatch
):
    monkeypatch.setattr('pytask.worker.shutdown.STOP_LIMIT_S', 3.0)  # without a writer no run is ever let go
    runs = client.start_many([Launch('endless'), Launch('nap', {'seconds': 2})])
    ids = [run.id for run in runs]
    broken = InProcess(make_app(drain=0))
    running = broken.start()
    wait_until(lambda: set(states(client, ids)) == {'RUNNING'}, 'they run')
    sabotage(service_of(running, name), 1_000_000)
    assert broken.greenlet.get(timeout=40) == EXIT_BROKEN
    assert f'service {name} keeps crashing; this worker shuts down' in caplog.messages
    # What it held is taken over, by the lease where it could not be given back.
    assert redis.zcard('workers') == 0 or name == 'writer'
    worker()
    wait_until(lambda: set(states(client, ids)) <= {'RUNNING', 'SUCCESS'}, 'they run again')
    assert runs[1].wait(timeout=SOON_S).state == 'SUCCESS'
    runs[0].stop()
    assert runs[0].wait(timeout=SOON_S).state == 'STOPPED'
    journal.check_alone()


def test_a_heartbeat_that_crashes_takes_the_process_with_it(start_worker, client, redis, journal, worker):
    """Better than a worker whose leases end unnoticed."""
    nap = client.start('nap', {'seconds': LEASE_S})
    victim = start_worker()
    wait_until(journal.begins, 'it runs', 20)
    client.start('saboteur')
    assert victim.wait(10) == EXIT_BROKEN
    assert 'the heartbeat crashed' in victim.log.read_text()
    worker()
    nap.wait(timeout=SOON_S)
    assert (nap.state, nap.attempt, nap.crashes) == ('SUCCESS', 2, 1)
