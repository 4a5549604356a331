"""The client: start, see, wait, command; from any process, thread or fork."""

import subprocess
import sys
import threading
import time

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import (
    Client,
    InputError,
    NotFound,
    PytaskError,
    RunExists,
    State,
    Task,
    Unavailable,
    WaitTimeout,
)


@pytest.fixture
def client(app):
    return app.client


@pytest.fixture
def held(app):
    """A task whose runs go on until told to."""

    class Held(Task):
        over = gevent.event.Event()
        running = []

        def start(self):
            self.running.append(self.id)
            self.over.wait()
            return 'let go'

    app.add_task(Held)
    return Held


# Starting


def test_start_returns_at_once_with_a_waiting_run(client):
    run = client.start('anything', {'a': 1})
    assert (run.task, run.state, run.data, run.queue) == ('anything', State.WAIT, {'a': 1}, 'default')
    again = client.get(run.id)
    assert again.created == pytest.approx(time.time(), abs=5)
    assert (again.state, again.data, again.attempt) == (State.WAIT, {'a': 1}, 0)


def test_apply_takes_a_dict_or_names_whatever_they_are(app):
    @app.task
    def anything(**data):
        return data

    assert anything.apply({'self': 1}, cls=2).data == {'self': 1, 'cls': 2}
    assert anything.task_class.apply({'cls': 1}, self=2, data=3).data == {'cls': 1, 'self': 2, 'data': 3}
    with pytest.raises(TypeError, match='multiple values'):
        anything.apply({'a': 1}, a=2)


def test_ids_are_short_sortable_and_never_the_same(client):
    ids = [client.new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {len(run_id) for run_id in ids} == {16}


def test_start_many_accepts_pairs(client):
    runs = client.start_many([('a', {'n': 1}), ('b', {})])
    assert [(run.task, run.data) for run in runs] == [('a', {'n': 1}), ('b', {})]


def test_start_many_of_nothing_is_nothing(client):
    assert client.start_many([]) == []


def test_one_bad_launch_starts_none(app, client, redis):
    @app.task
    def typed(n: int):
        return n

    with pytest.raises(InputError):
        client.start_many([(typed, {'n': 1}), (typed, {'n': 'x'})])
    assert redis.llen('new-task') == 0


def test_the_same_start_again_is_the_same_run(client, redis):
    first = client.start('pay', {'order': 7}, run_id='order-7')
    again = client.start('pay', {'order': 7}, run_id='order-7')
    assert (first.id, again.id) == ('order-7', 'order-7')
    assert redis.lrange('new-task', 0, -1) == ['order-7']


def test_the_same_start_again_after_the_end_shows_the_end(app, client, worker):
    app.task(name='pay')(lambda order: order)
    worker()
    client.start('pay', {'order': 7}, run_id='order-7').wait(timeout=SOON_S)
    again = client.start('pay', {'order': 7}, run_id='order-7')
    assert (again.state, again.output, again.attempt) == (State.SUCCESS, 7, 1)


@pytest.mark.parametrize(('task', 'data'), [('pay', {'order': 8}), ('refund', {'order': 7})])
def test_another_start_under_the_same_id_is_refused(client, task, data):
    client.start('pay', {'order': 7}, run_id='order-7')
    with pytest.raises(RunExists, match="'order-7' already exists with another task or other data"):
        client.start(task, data, run_id='order-7')


@pytest.mark.parametrize('run_id', ['x' * 257, 'a\nb', 'some-control'])
def test_what_can_not_be_an_id_is_refused(client, run_id):
    with pytest.raises(PytaskError, match='not an id'):
        client.start('anything', run_id=run_id)


def test_a_run_id_may_be_any_text(app, client, worker):
    app.task(name='echo')(lambda: 'fine')
    worker()
    for run_id in ('42', 'ünïcode', 'with blank', 'a:b/c*?[x]', "'; DROP", 'x' * 256):
        assert client.start('echo', run_id=run_id).wait(timeout=SOON_S).output == 'fine'


# Seeing


def test_get_of_an_unknown_run_is_not_found(client):
    with pytest.raises(NotFound, match="no run 'none'"):
        client.get('none')


def test_list_filters_by_state_task_and_queue(app, client, worker, held):
    app.task(name='quick')(lambda: None)
    worker()
    running = client.start(held)
    waiting = client.start(held, queue='elsewhere')
    done = client.start('quick').wait(timeout=SOON_S)
    wait_until(lambda: held.running, 'it runs')

    def ids(**filters):
        return [run.id for run in client.list(**filters) if not run.is_local]

    assert ids(states=['RUNNING']) == [running.id]
    assert ids(states=['WAIT'], queues=['elsewhere']) == [waiting.id]
    assert ids(states=[State.SUCCESS, State.ERROR]) == [done.id]
    assert ids(task='held', queues=['default', 'elsewhere']) == [running.id, waiting.id]
    assert ids(states=['WAIT'], queues=['nowhere']) == []
    held.over.set()


def test_list_shows_the_newest_ended_first_and_at_most_so_many(app, client, worker):
    app.task(name='quick')(lambda: None)
    worker()
    runs = [client.start('quick').wait(timeout=SOON_S).id for _ in range(5)]
    assert [run.id for run in client.list(states=['SUCCESS'], limit=3)] == runs[:1:-1]


def test_list_pages_through_everything(client):
    started = {run.id for run in client.start_many([('x', {})] * 450)}
    assert {run.id for run in client.list(states=['WAIT'], limit=None)} == started
    assert len(client.list()) == 50


def test_an_unknown_state_is_an_error(client):
    with pytest.raises(ValueError, match='DONE'):
        client.list(states=['DONE'])


# Waiting


def test_wait_is_pushed(app, client, worker, held):
    """No polling: the end is known within a moment of its being recorded."""
    worker()
    run = client.start(held)
    wait_until(lambda: held.running, 'it runs')
    waiter = gevent.spawn(run.wait, 10)
    gevent.get_hub().join(timeout=0.1)
    held.over.set()
    with gevent.Timeout(0.5):
        assert waiter.get().output == 'let go'


def test_wait_for_many(app, client, worker):
    app.task(name='echo')(lambda n: n)
    runs = client.start_many([('echo', {'n': n}) for n in range(200)])
    worker()
    ended = client.wait(*runs[:100], *[run.id for run in runs[100:]], timeout=SOON_S)
    assert [run.output for run in ended] == list(range(200))


def test_wait_for_an_ended_run_returns_at_once(app, client, worker):
    app.task(name='echo')(lambda: 'there')
    worker()
    run = client.start('echo').wait(timeout=SOON_S)
    with gevent.Timeout(0.5):
        assert client.wait(run.id)[0].output == 'there'


def test_wait_times_out_and_the_run_goes_on(client):
    run = client.start('nobody')
    with pytest.raises(WaitTimeout, match=f'not ended after 0.2 s: {run.id}'):
        run.wait(timeout=0.2)
    assert run.refresh().state is State.WAIT


def test_a_wait_timeout_is_a_timeout_error_too(client):
    run = client.start('nobody')
    with pytest.raises(TimeoutError):
        client.wait(run, timeout=0)


def test_wait_for_an_unknown_run_is_not_found(client):
    with pytest.raises(NotFound):
        client.wait('none', timeout=1)


def test_wait_for_a_run_that_is_deleted_meanwhile_is_not_found(client, redis):
    run = client.start('nobody')
    gevent.spawn_later(0.1, redis.delete, f'task-{run.id}', 'new-task')
    with pytest.raises(NotFound):
        run.wait(timeout=8)


def test_wait_survives_a_lost_event(client, redis):
    """The hash is the truth and is read again within five seconds; events are hints."""
    run = client.start('nobody')
    waiter = gevent.spawn(run.wait, 10)
    gevent.get_hub().join(timeout=0.2)
    redis.hset(f'task-{run.id}', mapping={'state': 'SUCCESS', 'output': '"by hand"'})
    redis.zadd('ended-SUCCESS', {run.id: 1})
    with gevent.Timeout(6):
        assert waiter.get().output == 'by hand'


def test_events_come_in_order_and_end_with_the_run(app, client, worker):
    class Talk(Task):
        def start(self):
            self.emit('page', {'n': 1})
            self.progress(1, target=1)
            return 'over'

    app.add_task(Talk)
    run = client.start(Talk)
    events = run.events(timeout=10)
    worker()
    heard = list(events)
    assert [event.event for event in heard] == ['running', 'page', 'progress', 'success']
    assert {event.run_id for event in heard} == {run.id}
    assert [event.data for event in heard[1:]] == [{'n': 1}, {'progress': 1, 'target': 1}, 'over']


def test_a_slow_reader_of_events_misses_none(app, client, worker):
    """Also what was said before the first `next`, and what is still unread when the run has ended."""

    class Talk(Task):
        def start(self):
            for n in range(500):
                self.emit('page', n)

    app.add_task(Talk)
    run = client.start(Talk)
    events = run.events(timeout=10)
    worker()
    client.wait(run, timeout=SOON_S)
    assert [event.data for event in events if event.event == 'page'] == list(range(500))


def test_events_of_several_runs(app, client, worker):
    app.task(name='quick')(lambda: None)
    runs = [client.start('quick') for _ in range(3)]
    events = client.events(*[run.id for run in runs], timeout=5)
    worker()
    assert sorted(event.run_id for event in events if event.event == 'success') == [run.id for run in runs]


# Commands


def test_stop_of_a_waiting_run_is_applied(client):
    run = client.start('nobody')
    assert run.stop() == 'applied'
    run.refresh()
    assert (run.state, run.reason) == (State.STOPPED, 'stop')


def test_stop_of_a_running_run_is_requested(client, worker, held):
    worker()
    run = client.start(held)
    wait_until(lambda: held.running, 'it runs')
    assert run.stop() == 'requested'
    assert run.wait(timeout=SOON_S).state is State.STOPPED


@pytest.mark.parametrize('end', ['SUCCESS', 'ERROR', 'EXCEPTION', 'STOPPED'])
def test_a_command_for_an_ended_run_answers_its_state(client, redis, end):
    run = client.start('nobody')
    redis.hset(f'task-{run.id}', 'state', end)
    redis.zadd(f'ended-{end}', {run.id: 1})
    assert run.stop() == end
    assert run.reload() == end


def test_a_command_for_an_unknown_run_is_not_found(client):
    for command in (client.stop, client.reload, client.retry, client.stop_worker):
        assert command('none') == 'not_found'
    assert client.stop('none', wait=1, grace=0) == 'not_found'
    assert client.stop_many(['none']) == client.remove('none') == ['not_found']


def test_reload_of_a_waiting_run_changes_its_data(app, client, worker):
    app.task(name='echo')(lambda n: n)
    run = client.start('echo', {'n': 1})
    assert run.reload({'n': 2}) == 'applied'
    worker()
    assert run.wait(timeout=SOON_S).output == 2


def test_reload_that_takes_longer_than_the_wait_is_requested(app, client, worker):
    built = gevent.event.Event()

    class Slow(Task):
        def __init__(self, slow=False):
            if slow:
                built.wait()

        def start(self):
            gevent.sleep(60)

    app.add_task(Slow)
    running = worker()
    run = client.start(Slow)
    wait_until(lambda: running.slots.taken, 'it runs')
    assert client.reload(run.id, {'slow': True}, wait=0.2) == 'requested'
    built.set()


def test_reload_with_what_is_not_json_is_an_error(client):
    run = client.start('nobody')
    with pytest.raises((PytaskError, TypeError)):
        run.reload({'a': object()})


def test_retry_runs_an_ended_run_again(app, client, worker):
    tries = []

    @app.task
    def flaky(n):
        tries.append(n)
        if len(tries) == 1:
            raise ValueError('once')
        return 'at last'

    worker()
    run = flaky.apply(n=7).wait(timeout=SOON_S)
    assert run.state is State.EXCEPTION
    assert run.retry() == 'applied'
    run.wait(timeout=SOON_S)
    assert (run.state, run.output, run.attempt, tries) == (State.SUCCESS, 'at last', 2, [7, 7])
    assert client.list(states=['EXCEPTION']) == []


def test_retry_of_a_run_that_has_not_ended_answers_its_state(client, worker, held):
    waiting = client.start('nobody')
    assert waiting.retry() == 'WAIT'
    worker()
    run = client.start(held)
    wait_until(lambda: held.running, 'it runs')
    assert run.retry() == 'RUNNING'
    held.over.set()


def test_remove_deletes_ended_runs_only(app, client, worker, redis):
    app.task(name='quick')(lambda: None)
    worker()
    done, waiting = client.start('quick').wait(timeout=SOON_S), client.start('quick', queue='elsewhere')
    assert client.remove(done.id, waiting.id, 'none') == ['applied', 'WAIT', 'not_found']
    with pytest.raises(NotFound):
        done.refresh()
    assert redis.zcard('ended-SUCCESS') == 0


# Wherever it is used


def test_nobody_there_says_where_it_looked():
    client = Client('redis://user:secret@127.0.0.1:1/0')
    with pytest.raises(Unavailable, match=r'cannot use Redis at redis://user:\*\*\*@127.0.0.1:1/0'):
        client.start('anything')


def test_a_client_is_safe_in_greenlets(app, client, worker):
    app.task(name='echo')(lambda n: n)
    worker()

    def use(n):
        return client.start('echo', {'n': n}).wait(timeout=SOON_S).output

    users = [gevent.spawn(use, n) for n in range(60)]
    gevent.joinall(users, timeout=SOON_S)
    assert [user.value for user in users] == list(range(60))


def test_a_prefix_is_a_world_of_its_own(server, client):
    other = Client(server.url, 'other:')
    run = other.start('anything')
    with pytest.raises(NotFound):
        client.get(run.id)
    assert [found.id for found in other.list()] == [run.id]
    other.close()


PLAIN = """
import sys
from pytask import Client
client = Client(sys.argv[1])
events = client.events('mine', timeout=10)
run = client.start('echo', {'text': 'plain'}, run_id='mine')
heard = [event.event for event in events]
print(run.refresh().output, heard[-1], 'gevent' in sys.modules, 'gevent.monkey' in sys.modules)
"""

FORKED = """
import os, sys
from pytask import Client
client = Client(sys.argv[1])
before = client.start('echo', {'text': 'parent'})
child = os.fork()
if child == 0:
    code = 1
    try:
        run = client.start('echo', {'text': 'child'})
        assert run.wait(timeout=10).output == 'child'
        assert client.wait(before, timeout=10)[0].output == 'parent'
        code = 0
    finally:
        os._exit(code)
ids = [client.start('echo', {'text': 'parent'}).wait(timeout=10).output for _ in range(20)]
_, status = os.waitpid(child, 0)
print(set(ids), os.waitstatus_to_exitcode(status))
"""

THREADED = """
import sys, threading
from pytask import Client
client = Client(sys.argv[1])
outputs = []
def use(n):
    outputs.append(client.start('echo', {'text': n}).wait(timeout=20).output)
threads = [threading.Thread(target=use, args=(n,)) for n in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(outputs) == list(range(40)))
"""


@pytest.fixture
def script(app, worker, server):
    """Run a script in a process of its own, unpatched, against a worker that echoes."""
    app.task(name='echo')(lambda text: text)
    worker()

    def run(source):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore::DeprecationWarning', '-c', source, server.url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_in_a_plain_process(script):
    assert script(PLAIN) == 'plain success False False'


def test_after_a_fork(script):
    assert script(FORKED) == "{'parent'} 0"


def test_in_many_threads(script):
    assert script(THREADED) == 'True'


def test_in_a_native_thread_of_a_patched_process(app, client, worker):
    """Offloaded functions and foreign threads use the same client."""

    class Offload(Task):
        def start(self):
            return self.offload(self.ask)

        def ask(self):
            return [
                self.client.start('echo', {'text': 'x'}).wait(timeout=SOON_S).output,
                threading.get_ident() != here,
            ]

    here = threading.get_ident()
    app.task(name='echo')(lambda text: text)
    app.add_task(Offload)
    worker()
    assert client.start(Offload).wait(timeout=SOON_S).output == ['x', True]
