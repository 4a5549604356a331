"""Cost is a feature: how many commands a worker sends to Redis for the runs it handles."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PyTask, current_task
from pytask.store.lua_source import sources
from pytask.worker.writer import BATCH

SCRIPTS = {source.sha: source.name for source in sources()}
# What a worker says however little it has to do, and the client's own start.
BACKGROUND = {
    'register', 'renew', 'promote', 'recover', 'prune', 'start', 'TIME', 'ZRANGEBYSCORE', 'ZRANGE', 'ZCARD',
    'SMEMBERS', 'EXISTS', 'PUBLISH', 'ECHO', 'UNLINK', 'sweep',
}  # fmt: skip


class Ear:
    """Hears every command that clients send; not those inside scripts, which MONITOR marks as such."""

    def __init__(self, server):
        self._client = server.client()
        self._monitor = self._client.monitor()
        self._monitor.__enter__()
        self.heard = []
        self._reader = gevent.spawn(self._listen)

    def _listen(self):
        for entry in self._monitor.listen():
            if entry['client_type'] != 'lua':
                name, *rest = entry['command'].split(' ', 2)
                self.heard.append(SCRIPTS[rest[0]] if name.upper() == 'EVALSHA' else name.upper())

    def until(self, redis):
        """Return what was heard up to now."""
        redis.echo('end')
        wait_until(lambda: 'ECHO' in self.heard, 'everything said before was heard')
        return [name for name in self.heard if name not in BACKGROUND]

    def close(self):
        self._reader.kill()
        self._monitor.__exit__(None, None, None)
        self._client.close()


@pytest.fixture
def listen(server, redis):
    redis.ping()  # its connection is made before anybody listens
    ears = []

    def listen():
        ears.append(Ear(server))
        return ears[-1]

    yield listen
    for ear in ears:
        ear.close()


@pytest.fixture
def busy(server, worker):
    """A worker that has run once, so that all scripts are loaded."""
    app = PyTask(server.url, lease=2)
    app.task(name='nothing')(lambda: None)
    running = worker(app)
    app.client.start('nothing').wait(timeout=SOON_S)
    yield app, running
    app.client.close()


@pytest.mark.promise(6)
def test_a_batch_of_64_runs_costs_at_most_four_commands(busy, listen, redis):
    app, running = busy
    ear = listen()
    app.client.start_many([('nothing', {})] * 64 * 40)
    wait_until(lambda: running.report.counts['SUCCESS'] == 1 + 64 * 40, 'all have run')
    heard = [
        name for name in ear.until(redis) if name != 'HGETALL'
    ]  # the look at pauses, by the second and not by the run
    assert set(heard) <= {'claim', 'finish', 'BLMOVE'}
    assert len(heard) / 40 <= 4, heard


def test_an_idle_worker_looks_about_once_a_second(busy, listen, redis):
    """One waiting command, and no claims."""
    ear = listen()
    gevent.get_hub().join(timeout=2.5)
    heard = ear.until(redis)
    assert heard.count('claim') <= 1
    assert len(heard) <= 5


def test_an_entry_nobody_may_claim_does_not_make_a_worker_spin(busy, listen, redis):
    """Ids that were not accepted yet are laid aside; the line is empty, and the worker waits again."""
    ear = listen()
    redis.lpush('new-task', *[f'nobody-{n}' for n in range(100)])
    gevent.get_hub().join(timeout=1.0)
    assert len(ear.until(redis)) < 40


def test_start_many_is_one_round_trip(app, listen, redis):
    app.task(name='nothing')(lambda: None)
    app.client.start('nothing')
    ear = listen()
    app.client.start_many([('nothing', {})] * 300)
    redis.echo('end')
    wait_until(lambda: 'ECHO' in ear.heard, 'everything said before was heard')
    assert ear.heard == ['start', 'ECHO']


def test_a_worker_asks_little_while_its_queue_and_its_tasks_are_paused(busy, listen, redis):
    """Once a second it looks at what is paused: no waiting command, no claims."""
    app, running = busy
    app.client.pause_queue('default')
    app.client.pause_task('nothing')
    [waiter] = running.fetcher.waiters
    wait_until(lambda: not waiter.open.is_set(), 'the worker has learned it')
    app.client.start_many([('nothing', {})] * 100)
    gevent.get_hub().join(timeout=1.2)  # a wait that had begun is over
    ear = listen()
    gevent.get_hub().join(timeout=2.5)
    heard = ear.until(redis)
    assert set(heard) <= {'HGETALL'}
    assert len(heard) <= 4, heard
    app.client.resume_queue('default')
    wait_until(lambda: redis.llen('parked-nothing') == 100, 'they are laid aside')
    ear = listen()
    gevent.get_hub().join(timeout=2.5)
    heard = ear.until(redis)
    assert 'claim' not in heard
    assert len(heard) <= 8, heard
    app.client.resume_task('nothing')
    wait_until(lambda: running.report.counts['SUCCESS'] == 101, 'all have run')


def test_messages_are_kept_without_another_round_trip(server, worker, listen, redis):
    """They are kept where they are told: by one script, a batch at a time."""
    app = PyTask(server.url, lease=2)

    @app.task(name='talker')
    def talker(n: int):
        for said in range(n):
            current_task().message(f'{said}')

    running = worker(app)
    app.client.start('talker', {'n': 1}).wait(timeout=SOON_S)
    ear = listen()
    runs = app.client.start_many([('talker', {'n': 200})] * 10)
    wait_until(lambda: running.report.counts['SUCCESS'] == 1 + 10, 'all have run')
    heard = [name for name in ear.until(redis) if name != 'HGETALL']
    assert set(heard) <= {'claim', 'emit', 'finish', 'BLMOVE'}
    assert heard.count('emit') <= 2 * 10 * 200 / BATCH + 2, heard
    assert [message.text for message in runs[-1].messages] == [str(said) for said in range(200)]
    app.client.close()


def test_a_flow_costs_one_command_a_step_and_a_few_at_its_begin(busy, listen, redis):
    app, running = busy
    flow = app.client.flow(['nothing'] * 20)
    ear = listen()
    app.client.submit(flow)
    wait_until(lambda: running.report.counts['SUCCESS'] == 2, 'it has run')
    heard = ear.until(redis)
    assert heard.count('advance_flow') == 20
    assert [heard.count(name) for name in ('submit_flow', 'claim', 'HMGET', 'LINDEX', 'finish')] == [1] * 5
    assert set(heard) <= {'submit_flow', 'claim', 'HMGET', 'HGETALL', 'LINDEX', 'advance_flow', 'finish', 'BLMOVE'}
