"""The network breaks: no effect is repeated, nothing runs twice, a deaf worker notices."""

import logging
import socket
import time
from functools import partial

import gevent
import pytest
from fault_proxy import AFTER, BEFORE, CUT, HALVE, REPLIED, SWALLOW
from herd import SLOTS, Herd
from support import SOON_S, wait_until
from tools import BACK_S, Watch, check_ended_once, states

from pytask.client.starting import Launch
from pytask.store import Store

COMMANDS = ('BLMOVE', 'claim', 'emit', 'finish', 'renew', 'register', 'promote', 'PSUBSCRIBE', 'PUBLISH')


def start_runs(client, *, nap_s=0.3):
    runs = client.start_many([Launch('talker')] * 3 + [Launch('nap', {'seconds': nap_s})] * 3)
    return [run.id for run in runs]


def check_once(client, redis, journal, heard, ids):
    """Assert that every effect was had once, whatever was sent again."""
    client.wait(*ids, timeout=SOON_S)
    check_ended_once(client, redis, ids, heard=heard)
    assert journal.begins() == dict.fromkeys(ids, 1)
    assert {run.attempt for run in client.store.runs.read(ids)} == {1}
    assert (redis.llen('new-task'), redis.llen('dead-task'), redis.zcard('due'), redis.zcard('held')) == (
        0,
        0,
        0,
        0,
    )
    wait_until(lambda: not redis.zcard('leases'), 'no lease is left')


@pytest.mark.parametrize(
    ('when', 'harm'), [(BEFORE, CUT), (BEFORE, HALVE), (AFTER, HALVE), (AFTER, CUT), (REPLIED, CUT)]
)
def test_a_cut_at_any_command_repeats_no_effect(
    when, harm, make_app, proxy, worker, client, redis, journal, heard, monkeypatch, caplog
):
    monkeypatch.setattr('pytask.worker.control.listener.PROOF_EVERY_S', 0.2)
    worker(make_app(proxy.url, lease=2))
    ids = []
    for name in COMMANDS:
        if name == 'PSUBSCRIBE':  # this one needs a reason to be sent
            proxy.cut()
        rule = proxy.at(name, when, harm)
        ids += start_runs(client, nap_s=0.7 if name == 'renew' else 0.3)  # longer than from beat to beat
        if name != 'PSUBSCRIBE' or when == BEFORE:  # the answers to this one are not told from messages
            wait_until(lambda rule=rule: rule.hit, f'{name} is cut')
        client.wait(*ids[-6:], timeout=SOON_S)
    check_once(client, redis, journal, heard, ids)
    assert not any('crashed' in line for line in caplog.messages)


@pytest.mark.parametrize('name', ['claim', 'finish', 'renew', 'BLMOVE'])
def test_a_reply_that_never_comes_repeats_no_effect(
    name, make_app, proxy, worker, client, redis, journal, heard, monkeypatch
):
    monkeypatch.setattr('pytask.worker.worker.Store', partial(Store, timeout_s=2.0))
    worker(make_app(proxy.url, lease=6))
    rule = proxy.at(name, AFTER, SWALLOW)
    ids = start_runs(client, nap_s=2.0 if name == 'renew' else 0.3)
    wait_until(lambda: rule.hit, 'it is swallowed')
    ids += start_runs(client)
    check_once(client, redis, journal, heard, ids)


def test_a_grant_whose_answer_was_lost_twice_is_taken_up_soon(make_app, proxy, worker, client, journal):
    """The worker holds it and asks again, rather than letting it lie until its lease is over."""
    worker(make_app(proxy.url, lease=60))
    rule = proxy.at('claim', AFTER, CUT, times=2)
    run = client.start('quick')
    wait_until(lambda: rule.hit == 2, 'both answers are lost')
    run.wait(timeout=SOON_S)


def test_a_black_hole_fences_and_no_two_ever_run_at_once(
    proxy, start_worker, make_app, worker, server, client, redis, journal
):
    lease_s = 2.0
    runs = client.start_many([Launch('endless')] * 3)
    options = ('--redis', proxy.url, '--queue', 'default', '--queue', 'own')
    start_worker(*options, name='cut-off', lease=lease_s)
    wait_until(lambda: len(journal.begins()) == 3, 'they run', 20)
    worker(make_app(lease=lease_s))
    proxy.black_out()
    since = boot_s()
    wait_until(lambda: set(journal.begins().values()) == {2}, 'another worker runs them', SOON_S)
    journal.check_alone()
    lines = journal.lines()
    fenced = max(line.at for line in lines if line.what == 'end') - since
    taken = min(line.at for line in lines if line.attempt == 2) - since
    print(f'of a lease: fenced at {fenced / lease_s:.2f}, taken over at {taken / lease_s:.2f}')
    assert fenced < lease_s < taken + lease_s / 4
    assert fenced < taken
    proxy.heal()
    watch = Watch()
    assert client.start('quick', queue='own').wait(timeout=BACK_S).worker.startswith('cut-off')
    own = client.start('endless', queue='own')
    wait_until(lambda: own.refresh().state == 'RUNNING', 'it runs')
    stop_by_word(redis, client, own.id)
    assert watch.took('at work again after a black hole') < BACK_S
    assert states(client, [run.id for run in runs]) == ['RUNNING'] * 3
    client.stop_many([run.id for run in runs])
    client.wait(*runs, timeout=SOON_S)
    assert set(journal.begins().values()) <= {1, 2}
    journal.check_alone()


def boot_s():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stop_by_word(redis, client, run_id):
    def is_stopped():
        redis.publish(f'task-{run_id}-control', 'stop')
        gevent.sleep(0.05)
        return states(client, [run_id]) == ['STOPPED']

    wait_until(is_stopped, 'a stop reaches the run', BACK_S)


@pytest.fixture(params=['at once', 'after a refusal'])
def break_off(request, proxy):
    """Break the network off right after a good renewal; return a list with the moment of it.

    At once is a black hole; after a refusal the first beat fails fast and the next ones slowly.
    """
    renewed = []

    def refuse_and_swallow(lease_s):
        proxy.refuse()
        gevent.sleep(0.35 * lease_s)
        proxy.black_out()
        proxy.accept()

    def replied(lease_s):
        renewed.append(boot_s())
        if request.param == 'at once':
            proxy.black_out()
        else:
            gevent.spawn(refuse_and_swallow, lease_s)

    def break_off(lease_s):
        proxy.at('renew', REPLIED, lambda: replied(lease_s), nth=2)
        return renewed

    return break_off


def test_a_fence_comes_before_the_lease_is_over(break_off, make_app, proxy, worker, client, journal):
    """Counted from the last good renewal, however the beats after it fail."""
    lease_s = 2.0
    renewed = break_off(lease_s)
    worker(make_app(proxy.url, lease=lease_s))
    run = client.start('endless')
    [ended] = wait_until(lambda: [line for line in journal.lines() if line.what == 'end'], 'it is fenced')
    proxy.heal()
    fenced = (ended.at - renewed[0]) / lease_s
    print(f'fenced at {fenced:.2f} of a lease')
    wait_until(lambda: journal.begins()[run.id] == 2, 'it runs again')
    run.stop()
    run.wait(timeout=BACK_S)
    assert 0.7 < fenced < 1


def test_what_can_not_be_fenced_ends_with_its_process_before_another_runs_it(
    break_off, proxy, start_worker, make_app, worker, client, journal
):
    lease_s = 2.0
    renewed = break_off(lease_s)
    run = client.start('blocker')
    victim = start_worker('--redis', proxy.url, lease=lease_s)
    wait_until(journal.begins, 'it runs', 20)
    worker(make_app(lease=lease_s))
    assert victim.wait(15) == 70
    died = boot_s()
    assert run.wait(timeout=SOON_S).state == 'SUCCESS'
    again = next(line.at for line in journal.lines() if line.attempt == 2)
    died_at = (died - renewed[0]) / lease_s
    print(f'died at {died_at:.2f}, run again at {(again - renewed[0]) / lease_s:.2f} of a lease')
    assert died < again
    assert died_at < 1.2  # when it is over, and a little for a busy machine


def test_a_slow_network_loses_no_lease(make_app, proxy, worker, client, redis, journal, caplog):
    caplog.set_level(logging.INFO, 'pytask')
    proxy.delay_s = 0.2
    herd = Herd(client, redis, journal, lambda: '\n'.join(caplog.messages))
    worker(make_app(proxy.url, lease=5, concurrency=SLOTS))
    herd.start()
    herd.check_back('nothing, but 200 ms away')
    herd.check_runs(attempts={1})
    herd.check_log(outages={0})
    assert not herd.log('lease is lost')


def test_a_half_open_subscription_is_noticed(make_app, proxy, worker, client, redis, journal, caplog, monkeypatch):
    monkeypatch.setattr('pytask.worker.control.listener.PROOF_EVERY_S', 0.5)
    monkeypatch.setattr('pytask.worker.control.listener.PROOF_WITHIN_S', 1.5)
    worker(make_app(proxy.url, lease=5))
    runs = client.start_many([Launch('endless')] * 2)
    wait_until(lambda: len(journal.begins()) == 2, 'they run')
    proxy.silence_listeners()
    redis.publish(f'task-{runs[0].id}-control', 'stop')
    wait_until(lambda: any('subscription receives nothing' in line for line in caplog.messages), 'it has noticed')
    stop_by_word(redis, client, runs[1].id)
    assert runs[0].refresh().state == 'RUNNING'  # that word was lost, as words may be; a durable stop is not
    assert runs[0].stop() == 'requested'
    assert runs[0].wait(timeout=BACK_S).state == 'STOPPED'


def test_a_slow_reader_of_events_slows_nobody(server, worker, client, redis, journal, caplog):
    redis.config_set('client-output-buffer-limit', 'pubsub 2mb 1mb 1')
    worker()
    slow = socket.create_connection(('127.0.0.1', server.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b'PSUBSCRIBE task-[^-]*\r\n')
    wait_until(lambda: redis.pubsub_numpat() == 2, 'it listens, beside the worker')
    endless = client.start('endless')
    flood = client.start('flood', {'events': 3000, 'size': 10_000})
    ids = start_runs(client)
    # By their hashes: on a busy machine a subscription of this process may be a slow reader, too.
    wait_until(lambda: states(client, [*ids, flood.id]) == ['SUCCESS'] * (len(ids) + 1), 'all have ended', 30)
    assert (flood.refresh().output, flood.attempt) == (3000, 1)
    check_ended_once(client, redis, [*ids, flood.id])
    assert redis.pubsub_numpat() == 1  # the server has cut it off
    slow.close()
    assert endless.refresh().attempt == 1
    stop_by_word(redis, client, endless.id)
    assert set(journal.begins().values()) == {1}
    assert not caplog.messages
