"""Greenlets are killed in the middle of commands: nobody gets another's answer, and no socket stays open."""

import itertools
import random
import time

import gevent
import pytest
from servers import REDIS_SERVER, TlsServer, UnixServer, Watched, make_certificates, needs_redis_server, why_no_tls
from support import SOON_S, TestServer, wait_until

from pytask.store import Database

SECONDS = 2.5
GREENLETS, CONNECTIONS = 24, 8
SCRIPT = 'return {ARGV[1], ARGV[2]}'


@pytest.fixture(params=['plain', 'unix', 'tls', 'sentinel'])
def place(request, tmp_path, tmp_path_factory):
    """A URL, and foreign hands at the server behind it."""
    if request.param == 'tls':
        if why_no_tls():
            pytest.skip(why_no_tls())
        running = TlsServer(REDIS_SERVER, tmp_path, make_certificates(tmp_path))
    elif request.param == 'sentinel':
        running = Watched(REDIS_SERVER, tmp_path, replicas=0, sentinels=1)
    elif request.param == 'unix':
        running = UnixServer(REDIS_SERVER, tmp_path_factory.mktemp('u'))
    else:
        running = TestServer(REDIS_SERVER, tmp_path)
    with running, running.client() as client:
        yield running.url, client


class Victims:
    """Greenlets that ask for unique tokens, one way or another, until they are killed and replaced."""

    def __init__(self, db, sha, chance):
        self.db, self.sha, self.chance = db, sha, chance
        self.tokens = itertools.count()
        self.asked = self.answered = self.killed = self.timed_out = 0
        self.wrong = []

    def live(self):
        while True:
            with gevent.Timeout(self.chance.choice([0, 0.0002, 0.001, 5]), False):
                self.ask()
                continue
            self.timed_out += 1

    def ask(self):
        token = b'%d-' % next(self.tokens) + b'x' * self.chance.choice([0, 10, 50_000])
        self.asked += 1
        way = self.chance.randrange(3)
        if way == 0:
            found, due = self.db.call('ECHO', token), token
        elif way == 1:
            found, due = self.db.call('EVALSHA', self.sha, 0, token, 'a'), [token, b'a']
        else:
            commands = [('ECHO', token), ('EVALSHA', self.sha, 0, 'b', token), ('ECHO', 'end')]
            found, due = self.db.pipe(commands), [token, [b'b', token], b'end']
        if found != due:
            self.wrong.append((str(due)[:60], str(found)[:60]))
        self.answered += 1


@needs_redis_server
@pytest.mark.timeout(120)
def test_a_kill_takes_nobody_elses_answer_and_leaks_no_connection(place, capsys):
    url, foreign = place
    seed = random.randrange(2**32)
    with capsys.disabled():
        print(f' [seed {seed}]', end='', flush=True)
    chance = random.Random(seed)
    db = Database(url, size=CONNECTIONS, timeout_s=5)
    others = len(foreign.client_list())
    victims = Victims(db, foreign.script_load(SCRIPT), chance)
    greenlets = [gevent.spawn(victims.live) for _ in range(GREENLETS)]
    limit = time.monotonic() + SECONDS
    # TLS is slow to connect anew, and the slower the busier the machine is.
    while time.monotonic() < limit or min(victims.answered, victims.killed, victims.timed_out) <= 20:
        gevent.sleep(chance.choice([0, 0, 0.0005, 0.002]))
        at = chance.randrange(GREENLETS)
        greenlets[at].kill(block=False)
        victims.killed += 1
        greenlets[at] = gevent.spawn(victims.live)
    gevent.killall(greenlets, timeout=SOON_S)
    assert victims.wrong == [], f'seed {seed}'
    # Every connection is in its pool, and can be taken and used.
    gevent.joinall(
        [gevent.spawn(db.call, 'ECHO', 'x') for _ in range(CONNECTIONS)], raise_error=True, timeout=SOON_S
    )
    assert db.client.connection_pool.pool.qsize() == CONNECTIONS
    wait_until(lambda: len(foreign.client_list()) - others <= CONNECTIONS, 'no more connections than the pool has')
    db.close()
    wait_until(lambda: len(foreign.client_list()) == others, 'all connections are closed')


@needs_redis_server
def test_a_subscription_that_is_killed_while_it_begins_leaves_nothing(place):
    url, foreign = place
    chance = random.Random(1)
    db = Database(url, timeout_s=5)
    others = len(foreign.client_list())

    def listen():
        subscription = db.subscription(channels=['worker-1-control'], patterns=['task-*-control'])
        try:
            while subscription.read(timeout_s=5) is None:
                pass
        finally:
            subscription.close()

    for _ in range(200):
        listening = gevent.spawn(listen)
        gevent.sleep(chance.choice([0, 0.0003, 0.001, 0.003]))
        listening.kill()
        assert isinstance(listening.value, gevent.GreenletExit), listening.exception
    listening = gevent.spawn(listen)
    wait_until(lambda: foreign.pubsub_numpat() == 1, 'one subscription is there')
    foreign.publish('task-1-control', 'stop')
    listening.get(timeout=SOON_S)
    db.close()
    wait_until(lambda: len(foreign.client_list()) == others, 'all connections are closed')
