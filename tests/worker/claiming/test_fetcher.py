"""The fetcher: slots are never exceeded, queues are served fairly, unknown tasks wait aside."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PyTask, State, Unavailable, current_task
from pytask.core.clock import monotonic_s
from pytask.worker.claiming.fetcher import LATE_PAUSE_S


@pytest.fixture
def make_app(server):
    """Make an app with other settings on this test's server."""
    made = []

    def make(**settings):
        app = PyTask(server.url, **{'lease': 2, **settings})
        made.append(app)
        return app

    yield make
    for app in made:
        app.client.close()


def test_concurrency_is_never_exceeded(make_app, worker):
    app = make_app(concurrency=7)
    now, most = [0], [0]

    @app.task
    def count():
        now[0] += 1
        most[0] = max(most[0], now[0])
        gevent.sleep(0.002)
        now[0] -= 1

    worker(app)
    runs = app.client.start_many([(count, {})] * 200)
    app.client.wait(*runs, timeout=20)
    assert most[0] == 7


def test_one_slot_runs_one_after_the_other_in_order(make_app, worker):
    app = make_app(concurrency=1)
    order = []

    @app.task
    def note(n: int):
        order.append(n)

    runs = app.client.start_many([(note, {'n': n}) for n in range(30)])
    worker(app)
    app.client.wait(*runs, timeout=SOON_S)
    assert order == list(range(30))


def test_what_waits_longest_is_claimed_first(make_app, worker):
    app = make_app()
    order = []

    @app.task
    def note(n: int):
        order.append(n)

    runs = [note.apply(n=n) for n in range(5)]
    worker(app)
    app.client.wait(*runs, timeout=SOON_S)
    assert order == list(range(5))


def test_several_queues_are_served_fairly(make_app, worker):
    """A queue that is always full does not starve the others."""
    app = make_app(queue=('full', 'other', 'third'), concurrency=4)
    order = []

    @app.task
    def note():
        order.append(current_task().client.get(current_task().id).queue)

    full = [app.client.start(note, queue='full') for _ in range(400)]
    others = [app.client.start(note, queue=name) for name in ('other', 'third') for _ in range(5)]
    worker(app)
    app.client.wait(*others, timeout=20)
    assert order.count('full') < 200
    app.client.wait(*full, timeout=20)


def test_only_the_queues_of_a_worker_are_served(make_app, worker, redis):
    app = make_app(queue=('mine',))

    @app.task
    def quick():
        return None

    worker(app)
    theirs, mine = app.client.start(quick, queue='theirs'), app.client.start(quick, queue='mine')
    mine.wait(timeout=SOON_S)
    assert theirs.refresh().state is State.WAIT
    assert redis.lrange('new-task-theirs', 0, -1) == [theirs.id]


def test_two_foreign_commands_start_a_run(make_app, worker, redis):
    app = make_app()
    app.task(name='hello-world')(lambda name: f'hello {name}')
    worker(app)
    redis.hset('task-42', mapping={'task': 'hello-world', 'data': '{"name": "you"}'})
    redis.lpush('new-task', 42)
    (run,) = app.client.wait('42', timeout=SOON_S)
    assert (run.state, run.output, run.attempt) == (State.SUCCESS, 'hello you', 1)


def test_an_id_pushed_twice_runs_once(make_app, worker, redis):
    app = make_app()
    ran = []

    @app.task
    def note():
        ran.append(True)
        gevent.sleep(0.05)

    worker(app)
    redis.hset('task-42', 'task', 'note')
    redis.lpush('new-task', *['42'] * 50)
    app.client.wait('42', timeout=SOON_S)
    wait_until(lambda: redis.llen('new-task') == 0, 'the line is empty')
    assert ran == [True]


def test_an_id_pushed_before_its_hash_still_runs(make_app, worker, redis):
    app = make_app()
    app.task(name='late')(lambda: 'there')
    worker(app)
    redis.lpush('new-task', '42')
    wait_until(lambda: redis.zscore('due', '42'), 'it is laid aside')
    redis.hset('task-42', 'task', 'late')
    (run,) = app.client.wait('42', timeout=SOON_S)
    assert run.output == 'there'


def test_junk_in_the_line_goes_to_dead_task_and_blocks_nobody(make_app, worker, redis):
    app = make_app()
    quick = app.task(name='quick')(lambda: 'fine')
    redis.set('task-text', 'no hash', ex=60)
    redis.lpush('new-task', 'text', 'x' * 300, 'a\nb', 'some-control', '', b'\xff')
    worker(app)
    assert quick.apply().wait(timeout=SOON_S).output == 'fine'
    wait_until(lambda: redis.llen('dead-task') == 6, 'all six are buried')


def test_an_unknown_task_is_parked_with_a_reason(make_app, worker, redis):
    app = make_app()
    app.task(name='hello')(lambda: None)
    worker(app)
    run = app.client.start('helo')
    wait_until(lambda: 'mean' in run.refresh().reason, 'it is parked, and explained')
    assert run.state is State.WAIT
    assert run.reason == 'no worker knows "helo"; did you mean "hello"?'
    assert redis.lrange('parked-helo', 0, -1) == [run.id]
    assert app.client.list(states=['WAIT'])[0].id == run.id


def test_a_parked_run_is_claimed_when_a_worker_knows_its_task(make_app, worker, redis):
    old, new = make_app(), make_app()
    old.task(name='known')(lambda: None)
    new.task(name='fresh')(lambda n: n)
    worker(old)
    runs = old.client.start_many([('fresh', {'n': n}) for n in range(20)])
    wait_until(lambda: redis.llen('parked-fresh') == 20, 'they are parked')
    worker(new)
    assert [run.output for run in old.client.wait(*runs, timeout=SOON_S)] == list(range(20))
    wait_until(lambda: not redis.exists('parked-fresh', 'parked-names'), 'nothing stays parked')


def test_a_parked_run_can_be_stopped(make_app, worker, redis):
    app = make_app()
    worker(app)
    run = app.client.start('nobody')
    wait_until(lambda: redis.llen('parked-nobody'), 'it is parked')
    assert run.stop() == 'applied'
    assert run.refresh().state is State.STOPPED


def test_parked_runs_do_not_block_the_known_ones_behind_them(make_app, worker):
    app = make_app(concurrency=2)
    quick = app.task(name='quick')(lambda: 'fine')
    app.client.start_many([('nobody', {})] * 100)
    run = quick.apply()
    worker(app)
    assert run.wait(timeout=SOON_S).output == 'fine'


def test_a_waiting_run_that_was_stopped_never_starts(make_app, worker):
    app = make_app()
    ran = []
    note = app.task(name='note')(lambda: ran.append(True))
    first, second = note.apply(), note.apply()
    assert first.stop() == 'applied'
    worker(app)
    second.wait(timeout=SOON_S)
    assert ran == [True]
    assert first.refresh().state is State.STOPPED


def test_two_workers_share_the_work_and_never_a_run(make_app, worker):
    ran = []

    def note(n):
        ran.append(n)
        gevent.sleep(0.001)

    apps = make_app(concurrency=5), make_app(concurrency=5)
    for app in apps:
        app.task(name='note')(note)
        worker(app)
    runs = apps[0].client.start_many([('note', {'n': n}) for n in range(300)])
    ended = apps[1].client.wait(*runs, timeout=20)
    assert sorted(ran) == list(range(300))
    assert len({run.worker for run in ended}) == 2


def test_a_worker_that_renews_no_leases_claims_nothing(make_app, worker, monkeypatch):
    """Where Redis has room for some of its connections only; it would begin runs and lose them, in turn."""
    app = make_app(lease=1)

    @app.task
    def note():
        return current_task().attempt

    running = worker(app)

    def fail(*_):
        raise Unavailable('max number of clients reached')

    monkeypatch.setattr(running.registration, 'register', fail)
    wait_until(running.heartbeat.late_s, 'no beat has got through for most of a lease')
    run = note.apply()
    wait_until(lambda: running.fetcher.waiters[0].may_claim, 'it has heard of it')
    now = monotonic_s()
    wait_until(lambda: running.fetcher.turned_at > now + 2 * LATE_PAUSE_S, 'it could have claimed')
    assert run.refresh().state == 'WAIT'
    monkeypatch.undo()
    assert run.wait(timeout=SOON_S).output == 1


def test_a_grant_that_comes_too_late_is_not_begun(make_app, worker, monkeypatch):
    """By then the lease may be over and another worker run it: a process that stood still for so long."""
    app = make_app(lease=1)
    begun = []

    @app.task
    def note():
        begun.append(current_task().attempt)

    running = worker(app)
    wait_until(running.claimer.between_claims.is_set, 'its first claim is answered: that may not get the run')
    claim, waits_s = running.store.queues.claim, [0.9]

    def late(who, line, limit):
        grant = claim(who, line, limit)
        if grant.runs and waits_s:
            gevent.sleep(waits_s.pop())
        return grant

    monkeypatch.setattr(running.store.queues, 'claim', late)
    run = note.apply()
    assert run.wait(timeout=SOON_S).state == 'SUCCESS'
    assert begun == [2]
