"""Messages to runs while workers die, and Redis with them: each at least once, in order."""

from __future__ import annotations

import pytest
from support import wait_until

TASKS = """
    import gevent
    from pathlib import Path
    from pytask import Task

    class Feed(Task):
        def start(self):
            gevent.sleep(600)

        def on_note(self, n: int, hold: float = 0):
            with Path('notes').open('a') as notes:
                notes.write(f'{n} {self.attempt}\\n')
            gevent.sleep(hold if self.attempt == 1 else 0)
            with Path('handled').open('a') as handled:
                handled.write(f'{n}\\n')
            return n
"""


def lines(processes, name):
    path = processes.folder / name
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def numbers(found):
    return [int(line[0]) for line in found]


def worker(processes):
    return processes.worker('--tasks', str(processes.tasks(TASKS)), '--lease', '1')


def test_a_worker_killed_in_the_middle_of_a_message_repeats_that_one_and_no_other(processes, client, redis):
    first = worker(processes)
    run = client.start('feed')
    for n in range(10):
        assert client.send(run.id, 'note', {'n': n, 'hold': 600 if n == 4 else 0}) == 'requested'
    wait_until(lambda: len(lines(processes, 'notes')) == 5, 'the fifth is being handled')
    first.kill()
    first.wait()
    assert client.send(run.id, 'note', {'n': 10}) == 'requested'  # while nobody has it
    worker(processes)
    wait_until(lambda: len(lines(processes, 'handled')) == 11, 'all are handled', 30)
    assert numbers(lines(processes, 'notes')) == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10]
    assert numbers(lines(processes, 'handled')) == list(range(11))
    assert client.ask(run.id, 'note', {'n': 99}) == 99
    wait_until(lambda: not redis.exists(f'inbox-{run.id}'), 'the inbox is empty')


def test_workers_killed_again_and_again_while_messages_come_in(processes, client):
    """Whatever was accepted is handled, in order, and what is repeated stands beside itself."""
    run, sent = client.start('feed'), 0
    for _ in range(4):
        killed = worker(processes)
        seen = len(lines(processes, 'handled'))
        for _ in range(50):
            sent += client.send(run.id, 'note', {'n': sent}) == 'requested'
        wait_until(lambda seen=seen: len(lines(processes, 'handled')) > seen, 'some are handled', 30)
        killed.kill()
        killed.wait()
    worker(processes)
    wait_until(lambda: lines(processes, 'handled')[-1] == [str(sent - 1)], 'the last one is handled', 30)
    handled = numbers(lines(processes, 'handled'))
    assert sorted(set(handled)) == list(range(sent))
    assert handled == sorted(handled), 'out of order'
    assert len(handled) <= sent + 4, 'more than one was repeated by a kill'


@pytest.mark.timeout(120)
def test_messages_outlive_restarts_of_redis(processes, server, client):
    worker(processes)
    run, sent = client.start('feed'), 0
    wait_until(lambda: client.get(run.id).state == 'RUNNING', 'it runs', 30)
    for _ in range(3):
        for _ in range(100):
            sent += client.send(run.id, 'note', {'n': sent}) == 'requested'
        server.kill()
        server.start()
    sent += client.send(run.id, 'note', {'n': sent}) == 'requested'
    wait_until(lambda: [str(sent - 1)] in lines(processes, 'handled'), 'the last one is handled', 40)
    handled = numbers(lines(processes, 'handled'))
    assert sorted(set(handled)) == list(range(sent))
    assert handled == sorted(handled), 'out of order'


def test_who_asks_is_answered_by_the_next_worker(processes, client):
    first = worker(processes)
    run = client.start('feed')
    client.send(run.id, 'note', {'n': 1, 'hold': 600})
    wait_until(lambda: lines(processes, 'notes'), 'it is handled')
    first.kill()
    first.wait()
    worker(processes)
    assert client.ask(run.id, 'note', {'n': 2}, timeout=30) == 2
    assert numbers(lines(processes, 'handled')) == [1, 2]
