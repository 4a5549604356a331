"""The hub monitor: what counts as a block of the event loop, and what does not."""

import time

import gevent
import pytest
from gevent import monkey
from support import SOON_S, wait_until

from pytask import Task
from pytask.worker.monitoring import hub_monitor

really_sleep = monkey.get_original('time', 'sleep')


@pytest.fixture
def looking(app, worker, monkeypatch):
    """A hub monitor that looks when it is told to, by the test's own clocks: `pass_s(seconds, cpu)`."""
    running = worker()
    one = hub_monitor.HubMonitor(running.slots, running.report, running.backpressure)
    times = {'monotonic_s': 0.0, 'cpu_s': 0.0}
    monkeypatch.setattr(hub_monitor, 'monotonic_s', lambda: times['monotonic_s'])
    monkeypatch.setattr(hub_monitor, 'cpu_s', lambda: times['cpu_s'])
    one.told = []
    monkeypatch.setattr(one, '_tell', lambda: one.told.append(one.lag_s))

    def pass_s(seconds, cpu):
        times['monotonic_s'] += seconds
        times['cpu_s'] += cpu
        one._look()

    one.pass_s = pass_s
    one._looked_at = one._cpu_at = 0.0
    one.pass_s(0.2, 0)  # asks the hub for a sign, and gets none
    return one


def test_half_a_second_without_a_sign_is_a_block(looking):
    looking.pass_s(0.2, 0)
    looking.pass_s(0.2, 0)
    assert not looking.told
    looking.pass_s(0.2, 0)
    assert looking.told == [pytest.approx(0.6)]


def test_a_process_that_stood_still_did_not_block(looking):
    looking.pass_s(3600, 0.1)
    assert not looking.told
    assert looking.lag_s < 0.3


def test_a_look_that_comes_late_since_something_computed_counts_in_full(looking):
    """One call into C that keeps the interpreter to itself."""
    looking.pass_s(3, 2.5)
    assert looking.told == [2.5]  # the rest may be others'


def test_what_began_and_ended_while_nobody_could_look_counts_too(looking):
    looking._turned()
    looking.pass_s(3, 4)
    assert looking.told == [3]
    looking._turned()
    looking.pass_s(0.3, 0.3)  # late, as threads are
    assert looking.told == [3]


def test_a_sign_begins_it_all_anew(looking):
    looking.pass_s(0.2, 0)
    looking.pass_s(0.2, 0)
    looking._turned()
    for _ in range(2):
        looking.pass_s(0.2, 0)
    assert not looking.told
    assert looking.lag_s == pytest.approx(0.2)


def test_a_block_that_lasts_is_told_again_and_its_end_once(app, worker, caplog, monkeypatch):
    monkeypatch.setattr(hub_monitor, 'AGAIN_S', 0.4)
    told = []
    monkeypatch.setattr(hub_monitor, 'tell_at_once', told.append)
    app.task(name='block')(lambda: really_sleep(2))
    worker()
    run = app.client.start('block').wait(timeout=SOON_S)
    wait_until(lambda: 'blocked the event loop' in caplog.text, 'its end is told')
    assert all(text.startswith(f'run {run.id} block is blocking the event loop (') for text in told)
    assert len(told) > 1
    assert len(set(told)) == len(told)
    assert caplog.text.count(f'run {run.id} block blocked the event loop for ') == 1
    assert f'at tests/worker/monitoring/{__file__.rpartition("/")[2]}:' in caplog.text


def test_what_blocks_in_no_run_is_told_without_one(worker, caplog):
    running = worker()
    gevent.spawn(lambda: really_sleep(1)).join()
    wait_until(lambda: 'code outside any run blocked the event loop for ' in caplog.text, 'it is told')
    assert 'at tests/worker/monitoring/test_hub_monitor.py:' in caplog.text
    gevent.spawn(really_sleep, 1).join()  # without a frame of Python
    wait_until(lambda: 's at compiled code' in caplog.text, 'it is told')
    assert running.hub_monitor.block() is None


def test_a_stop_that_blocks_is_its_runs(app, worker, caplog):
    class Slow(Task):
        GRACE = 1.5

        def start(self):
            gevent.sleep(60)

        def stop(self):
            really_sleep(1)

    app.add_task(Slow)
    running = worker()
    run = app.client.start(Slow)
    wait_until(lambda: running.slots.get(run.id), 'it runs')
    run.stop()
    assert run.wait(timeout=30).state == 'STOPPED'
    wait_until(lambda: f'run {run.id} slow blocked the event loop for ' in caplog.text, 'it is told')


def test_one_call_that_keeps_the_interpreter_to_itself_is_named_afterwards(app, worker, caplog):
    """No thread has a turn while it lasts."""

    def add_up(seconds):
        begun = time.process_time()
        sum(range(10**6))
        share = time.process_time() - begun
        sum(range(int(10**6 * seconds / share)))  # one call, and no thread has a turn; then they have
        for _ in range(10**7):
            pass

    app.task(name='add')(lambda: add_up(2))
    worker()
    run = app.client.start('add').wait(timeout=30)
    wait_until(lambda: f'run {run.id} add blocked the event loop for ' in caplog.text, 'it is told')
    assert ' in add_up' in caplog.text
