"""Messages to runs: what hears them, in which order, how often, and what is answered."""

import json
import logging

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import (
    AskError,
    InputError,
    Interrupted,
    NotFound,
    RunEnded,
    State,
    Task,
    WaitTimeout,
    current_task,
)
from pytask.core.envelope import MAX_MESSAGES
from pytask.store.replies import KEPT_S


class Counted(Task):
    """A long-living task that adds up what it is told, and remembers that."""

    made, heard = [], []

    def __init__(self, total: int = 0):
        self.total = total

    def start(self):
        self.made.append(self)
        gevent.sleep(60)

    def on_add(self, n: int, *, note: str = ''):
        self.total += n
        self.heard.append(n)
        return self.total

    def on_reset_counter(self):
        self.total = 0

    def on_fail(self):
        raise LookupError('nothing there')

    def on_refuse(self):
        raise self.Error('not today')

    def on_odd(self):
        return object()

    def on_exit(self):
        raise SystemExit(3)


@pytest.fixture
def counter(app):
    class Counter(Counted):
        made, heard = [], []

    app.add_task(Counter)
    return Counter


def running(app, task, **options):
    run = app.client.start(task, **options)
    wait_until(lambda: run.refresh().state is State.RUNNING and task.made, 'it runs')
    return run


def inbox(redis, run):
    return redis.llen(f'inbox-{run.id}'), redis.hget(f'task-{run.id}', 'inbox')


def failures(stream):
    """Return the events of messages that failed, up to now."""
    found = []
    while (event := stream.read(timeout_s=0.3)) is not None:
        if event.event == 'message-failed':
            found.append((event.data['name'], event.data['error'].splitlines()[0]))
    return found


def test_a_message_calls_the_method_of_its_name(app, worker, redis, counter):
    worker()
    run = running(app, counter)
    assert run.send('add', {'n': 2}) == 'requested'
    assert app.client.send(run.id, 'add', {'n': '3'}) == 'requested'
    wait_until(lambda: counter.heard == [2, 3], 'both are handled')
    wait_until(lambda: inbox(redis, run) == (0, None), 'the inbox is empty')
    assert counter.made[0].total == 5


def test_ask_returns_what_it_returned(app, worker, counter):
    worker()
    run = running(app, counter, data={'total': 40})
    assert run.ask('add', {'n': 2}) == 42
    assert run.ask('reset-counter') is None
    assert app.client.ask(run.id, 'add', {'n': 1}, timeout=5) == 1


def test_messages_are_handled_one_after_the_other_in_order(app, worker, redis, counter):
    inside, seen = [], []

    def on_add(self, n):
        inside.append(n)
        assert len(inside) == 1
        gevent.sleep(0)
        seen.append(inside.pop())

    counter.on_add = on_add
    worker()
    run = running(app, counter)
    for n in range(300):
        assert run.send('add', {'n': n}) == 'requested'
    wait_until(lambda: len(seen) == 300, 'all are handled')
    assert seen == list(range(300))


def test_what_waits_hears_its_messages_when_it_starts(app, worker, redis, counter):
    run = app.client.start(counter)
    for n in range(3):
        assert run.send('add', {'n': n}) == 'requested'
    assert inbox(redis, run)[0] == 3
    worker()
    wait_until(lambda: counter.heard == [0, 1, 2], 'all are handled')


def test_a_message_runs_in_the_context_of_the_run_and_ends_with_it(app, worker, counter):
    found, ended = [], []

    def on_hang(self):
        found.append((current_task() is self, current_task().id))
        try:
            gevent.sleep(60)
        except Interrupted as interruption:
            ended.append(interruption.reason)
            raise

    counter.on_hang = on_hang
    worker()
    run = running(app, counter)
    run.send('hang')
    wait_until(lambda: found, 'it is handled')
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert found == [(True, run.id)]
    assert ended == ['stop']


def test_a_task_may_hear_everything(app, worker):
    class Any(Task):
        made = []

        def start(self):
            self.made.append(self)
            gevent.sleep(60)

        def on_message(self, name, data):
            return [name, data]

        def on_own(self):
            return 'own'

    app.add_task(Any)
    worker()
    run = running(app, Any)
    assert run.ask('what-ever', {'a': 1}) == ['what-ever', {'a': 1}]
    assert run.ask('message', {'a': 1}) == ['message', {'a': 1}]
    assert run.ask('own') == 'own'


@pytest.mark.parametrize(
    ('name', 'data', 'kind', 'says'),
    [
        (
            'ad',
            {},
            'PytaskError',
            "counter does not handle message 'ad'; did you mean add? (it handles add, exit, fail, odd,",
        ),
        ('add', {}, 'InputError', 'n  is missing'),
        ('add', {'n': 'many'}, 'InputError', 'n  expected int'),
        ('add', {'n': 1, 'm': 2}, 'InputError', 'm  is not an input'),
        ('fail', {}, 'LookupError', 'LookupError: nothing there'),
        ('refuse', {}, 'TaskError', 'not today'),
        ('odd', {}, 'PytaskError', 'the answer cannot be JSON'),
        ('exit', {}, 'SystemExit', 'SystemExit: 3'),
    ],
)
def test_what_goes_wrong_is_told_to_who_asked_and_the_run_goes_on(app, worker, counter, name, data, kind, says):
    worker()
    run = running(app, counter)
    with pytest.raises(AskError) as caught:
        run.ask(name, data)
    assert says in str(caught.value)
    assert caught.value.type == kind
    assert run.ask('add', {'n': 1}) == 1


def test_a_task_without_methods_says_so(app, worker):
    seen = []
    app.task(name='deaf')(lambda: seen.append(True) or gevent.sleep(60))
    worker()
    run = app.client.start('deaf')
    with pytest.raises(AskError, match='deaf handles no messages: it has no method on_partition'):
        run.ask('partition')


def test_a_message_that_fails_is_an_event_and_a_line_in_the_log(app, worker, redis, counter, caplog):
    caplog.set_level(logging.INFO, 'pytask')
    worker()
    run = running(app, counter)
    stream = app.client.store.events([run.id])
    for name in ('fail', 'nonsense', 'add'):
        run.send(name)
    assert run.ask('add', {'n': 1}) == 1
    told = failures(stream)
    stream.close()
    assert told[0] == ('fail', 'LookupError: nothing there')
    assert told[1][1].startswith("counter does not handle message 'nonsense'")
    assert told[2] == ('add', 'invalid inputs for `on_add`')
    assert f'run {run.id} counter: message fail failed: nothing there' in caplog.text
    assert inbox(redis, run) == (0, None)
    assert run.refresh().state is State.RUNNING


@pytest.mark.parametrize(
    'text',
    [
        '{"command":"send","name":"_add","data":{"n":1}}',
        '{"command":"send","name":"add now","data":{"n":1}}',
        '{"command":"send","name":5,"data":{"n":1}}',
        '{"command":"send","name":"add","data":[1]}',
        '{"command":"send","name":null}',
    ],
)
def test_what_is_no_message_fails(app, worker, redis, counter, text):
    worker()
    run = running(app, counter)
    stream = app.client.store.events([run.id])
    redis.publish(f'task-{run.id}-control', text)
    assert wait_until(lambda: failures(stream), 'it fails')
    stream.close()
    assert not counter.heard


def test_a_published_message_is_heard_and_may_be_asked(app, worker, redis, counter):
    worker()
    run = running(app, counter)
    redis.publish(f'task-{run.id}-control', '{"command":"send","name":"add","data":{"n":2}}')
    redis.publish(f'task-{run.id}-control', '{"command":"send","name":"add","data":{"n":3},"ask":"me"}')
    _, answer = redis.blpop('answer-me', 10)
    assert json.loads(answer) == {'value': 5}
    assert not redis.exists(f'inbox-{run.id}')


def test_a_published_giant_is_not_looked_into(app, worker, redis, counter):
    """A thousand of them would wait for their turn, in memory."""
    worker()
    run = running(app, counter)
    redis.publish(f'task-{run.id}-control', '{"command":"send","name":"add","data":{"n":1%s}}' % (200_000 * ' '))
    redis.publish(f'task-{run.id}-control', '{"command":"send","name":"add","data":{"n":2%s}}' % (60_000 * ' '))
    wait_until(lambda: counter.heard, 'one is handled')
    assert counter.heard == [2]


def test_a_message_published_to_pytasks_own_tasks_is_not_heard(app, worker, redis):
    running = worker()
    names = lambda: [live.run_id for live in running.slots.all() if live.task_name == 'pytask/cleanup']  # noqa: E731
    [cleanup] = wait_until(names, 'it runs')
    redis.publish(f'task-{cleanup}-control', '{"command":"send","name":"add"}')
    assert app.client.send(cleanup, 'add') == 'refused'
    with pytest.raises(AskError, match="pytask's own"):
        app.client.ask(cleanup, 'add')
    assert not running.inbox._boxes


def test_junk_in_an_inbox_jams_nothing(app, worker, redis, counter):
    run = app.client.start(counter)
    run.send('add', {'n': 1})
    redis.lpush(f'inbox-{run.id}', 'x', '', '0123456789abcdef[]', b'\xff' * 30, '', '')
    worker()
    wait_until(lambda: counter.heard == [1], 'the good one is handled')
    wait_until(lambda: inbox(redis, run) == (0, None), 'the inbox is empty')


def test_an_inbox_of_another_type_harms_nobody(app, worker, redis, counter):
    run = app.client.start(counter)
    redis.set(f'inbox-{run.id}', 'mine')
    redis.hset(f'task-{run.id}', 'inbox', 'much')
    running = worker()
    wait_until(lambda: counter.made, 'it runs')
    wait_until(lambda: not running.inbox._boxes, 'nobody reads')
    redis.delete(f'inbox-{run.id}')
    assert run.ask('add', {'n': 1}) == 1


def test_a_message_during_a_reload_is_heard_by_the_successor(app, worker, redis, counter):
    began = []

    def on_slow(self):
        began.append(self)
        gevent.sleep(60 if len(began) == 1 else 0)

    counter.on_slow = on_slow
    worker()
    run = running(app, counter)
    run.send('slow')
    run.send('add', {'n': 1})
    wait_until(lambda: began, 'the old one handles it')
    assert run.reload({'total': 10}) == 'applied'
    wait_until(lambda: counter.heard, 'the next one is handled')
    assert began == counter.made
    assert counter.made[1].total == 11
    wait_until(lambda: inbox(redis, run) == (0, None), 'the inbox is empty')


def test_a_message_that_hangs_delays_those_of_its_run_only(app, worker, counter):
    counter.on_hang = lambda self: gevent.sleep(60)
    worker()
    run, other = running(app, counter), running(app, counter)
    run.send('hang')
    run.send('add', {'n': 1})
    assert other.ask('add', {'n': 2}) == 2
    assert counter.heard == [2]


def test_what_is_given_back_hears_its_messages_at_the_next_worker(app, worker, redis, counter):
    began = []

    def on_slow(self):
        began.append(self)
        gevent.sleep(60 if len(began) == 1 else 0)

    counter.on_slow = on_slow
    first = worker()
    run = running(app, counter)
    run.send('slow')
    run.send('add', {'n': 1})
    wait_until(lambda: began, 'it is handled')
    first.shut_down('test')
    first.shut_down('now')
    wait_until(lambda: run.refresh().state is State.WAIT, 'it is given back')
    assert inbox(redis, run)[0] == 2
    worker()
    wait_until(lambda: counter.heard == [1], 'both are handled')
    assert len(began) == 2


def test_a_run_that_is_lost_handles_nothing_more(app, worker, redis, counter):
    counter.on_hold = lambda self: gevent.sleep(0.3)
    running_worker = worker()
    run = running(app, counter)
    run.send('hold')
    run.send('add', {'n': 1})
    wait_until(lambda: running_worker.inbox._boxes, 'it begins')
    redis.hset(f'task-{run.id}', 'token', 'another')
    wait_until(lambda: not running_worker.inbox._boxes, 'it is over')
    assert (counter.heard, redis.llen(f'inbox-{run.id}')) == ([], 2)
    redis.delete(f'inbox-{run.id}', f'task-{run.id}', 'leases')


def test_what_is_not_handled_at_the_end_goes_with_the_run(app, worker, redis, counter, caplog):
    caplog.set_level(logging.INFO, 'pytask')
    counter.on_hang = lambda self: gevent.sleep(60)
    worker()
    run = running(app, counter)
    run.send('hang')
    run.send('add', {'n': 1})
    gevent.sleep(0)
    run.stop()
    run.wait(timeout=SOON_S)
    assert inbox(redis, run) == (0, None)
    wait_until(lambda: 'ended before it handled message hang' in caplog.text, 'it is told')
    run.retry()
    wait_until(lambda: len(counter.made) == 2, 'it runs again')
    assert run.ask('add', {'n': 5}) == 5


def test_what_is_interrupted_is_not_begun_again_by_a_run_that_is_ending(app, worker, redis):
    began = []

    class Slow(Task):
        made = []

        def start(self):
            self.made.append(self)
            try:
                gevent.sleep(60)
            finally:
                gevent.sleep(0.3)

        def on_hang(self):
            began.append(self)
            gevent.sleep(60)

    app.add_task(Slow)
    worker()
    run = running(app, Slow)
    run.send('hang')
    wait_until(lambda: began, 'it is handled')
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    assert len(began) == 1


def test_an_instance_that_a_reload_is_ending_hears_nothing_more(app, worker, redis):
    class Slow(Task):
        made = []

        def __init__(self, name='first'):
            self.name, self.ended = name, gevent.event.Event()

        def start(self):
            self.made.append(self)
            self.ended.wait()
            gevent.sleep(0.3)

        def stop(self):
            self.ended.set()

        def on_name(self):
            return self.name

    app.add_task(Slow)
    worker()
    run = running(app, Slow)
    assert run.ask('name') == 'first'
    app.client.reload(run.id, {'name': 'second'}, wait=0)
    assert Slow.made[0].ended.wait(5)
    assert run.ask('name') == 'second'


def test_ended_runs_and_those_that_are_not_there_hear_nothing(app, worker, redis):
    app.task(name='quick')(lambda: None)
    worker()
    run = app.client.start('quick').wait(timeout=SOON_S)
    assert run.send('add') == 'SUCCESS'
    with pytest.raises(RunEnded, match=f'run {run.id} has ended: SUCCESS') as caught:
        run.ask('add')
    assert caught.value.state == 'SUCCESS'
    assert app.client.send('42', 'add') == 'not_found'
    with pytest.raises(NotFound, match="no run '42'"):
        app.client.ask('42', 'add')
    assert not redis.keys('inbox-*')


def test_who_asks_learns_that_the_run_has_ended(app, worker, redis, counter):
    counter.on_hang = lambda self: gevent.sleep(60)
    worker()
    run = running(app, counter)
    gevent.spawn(lambda: wait_until(lambda: inbox(redis, run)[0], 'it is asked') and run.stop())
    with pytest.raises(RunEnded, match='STOPPED'):
        run.ask('hang', timeout=50)


def test_the_last_answer_of_a_run_that_ends_with_it_arrives(app, worker):
    class Last(Task):
        made = []

        def start(self):
            self.made.append(self)
            self.end = gevent.event.Event()
            self.end.wait()

        def on_end(self):
            self.end.set()
            return 'bye'

    app.add_task(Last)
    worker()
    for _ in range(20):
        run = running(app, Last)
        assert run.ask('end') == 'bye'
        assert run.wait(timeout=SOON_S).state is State.SUCCESS


def test_an_ask_that_nobody_answers_in_time(app, worker, redis, counter):
    run = app.client.start(counter)
    with pytest.raises(WaitTimeout, match=r"has not answered 'add' within 0\.1 s; it is WAIT"):
        run.ask('add', {'n': 1}, timeout=0.1)
    worker()
    wait_until(lambda: counter.heard == [1], 'it is handled late')
    [key] = wait_until(lambda: redis.keys('answer-*'), 'it is answered')
    assert 0 < redis.ttl(key) <= KEPT_S


@pytest.mark.parametrize('name', ['_private', '', 'two words', 'a.b', 7, 'x' * 65])
def test_a_bad_name_is_refused_at_once(app, redis, name):
    with pytest.raises(InputError, match='cannot name a message'):
        app.client.send('42', name)


@pytest.mark.parametrize(
    ('data', 'why'), [([1], 'not a dict'), ({'a': {1}.__iter__()}, 'not JSON'), ({'a': 'x' * 65_536}, 'the limit')]
)
def test_bad_data_is_refused_at_once(app, redis, data, why):
    with pytest.raises(InputError, match=why):
        app.client.send('42', 'add', data)


def test_a_burst_is_bounded_and_what_was_taken_is_handled_in_order(app, worker, redis, counter):
    run = app.client.start(counter)
    answers = [run.send('add', {'n': n}) for n in range(MAX_MESSAGES + 20)]
    assert answers == ['requested'] * MAX_MESSAGES + ['full'] * 20
    with pytest.raises(AskError, match='too many unhandled messages'):
        run.ask('add', {'n': 1})
    worker()
    sent = [n for n in range(2000, 12_000) if run.send('add', {'n': n}) == 'requested']
    expected = [*range(MAX_MESSAGES), *sent]
    wait_until(lambda: len(counter.heard) == len(expected), 'all are handled', 50)
    assert counter.heard == expected
    wait_until(lambda: inbox(redis, run) == (0, None), 'the inbox is empty')


def test_published_messages_are_bounded(app, worker, redis, counter, caplog):
    counter.on_hang = lambda self: gevent.sleep(60)
    running_worker = worker()
    run = running(app, counter)
    run.send('hang')
    pipe = redis.pipeline(transaction=False)
    for n in range(MAX_MESSAGES + 50):
        pipe.publish(f'task-{run.id}-control', f'{{"command":"send","name":"add","data":{{"n":{n}}}}}')
    pipe.execute()
    wait_until(lambda: 'dropped a published message' in caplog.text, 'it is told')
    [box] = running_worker.inbox._boxes.values()
    assert len(box.published) <= MAX_MESSAGES


def test_a_local_run_hears_too(app, worker, redis):
    heard = []

    class Local(Task):
        def start(self):
            gevent.sleep(60)

        def on_add(self, n: int):
            heard.append(n)
            return n

    app.add_task(Local)
    app.start_local_task('local', {})
    running = worker()
    live = wait_until(lambda: [live for live in running.slots.all() if live.task_name == 'local'], 'it runs')[0]
    assert app.client.ask(live.run_id, 'add', {'n': 1}) == 1
    assert heard == [1]


def test_a_message_whose_nudge_was_lost_is_found_by_the_heartbeat(app, worker, redis, counter):
    worker()
    run = running(app, counter)
    redis.rpush(f'inbox-{run.id}', '0123456789abcdef{"name":"add","data":{"n":1}}')
    redis.hset(f'task-{run.id}', 'inbox', 1)
    wait_until(lambda: counter.heard == [1], 'it is handled')


@pytest.mark.parametrize('graceful', [False, True])
def test_a_run_that_returns_hears_nothing_more_and_ends(app, worker, redis, graceful):
    """What it has not handled by then is neither handled by what is left of it nor told as failed."""
    heard = []

    class Short(Task):
        made = []

        def start(self):
            self.made.append(self)
            self.end = gevent.event.Event()
            self.end.wait()

        def on_end(self):
            self.end.set()
            gevent.sleep(0.2 if self.graceful else 60)

        def on_add(self, n: int):
            heard.append(n)

    Short.graceful = graceful
    app.add_task(Short)
    worker()
    run = running(app, Short)
    stream = app.client.store.events([run.id])
    run.send('end')
    for n in range(50):
        run.send('add', {'n': n})
    assert run.wait(timeout=SOON_S).state is State.SUCCESS
    assert failures(stream) == []
    stream.close()
    assert (heard, inbox(redis, run)) == ([], (0, None))


def test_a_sign_that_comes_before_the_grant_is_kept(app, worker, redis, counter):
    running_worker = worker()
    redis.hset('task-42', mapping={'task': 'counter', 'data': '{}'})
    redis.publish('task-42-control', '{"command":"send"}')
    wait_until(lambda: '42' in running_worker.inbox._missed, 'it is heard')
    redis.rpush('inbox-42', '0123456789abcdef{"name":"add","data":{"n":1}}')
    redis.lpush('new-task', '42')
    wait_until(lambda: counter.heard == [1], 'it is handled')
    assert not running_worker.inbox._missed
    for n in range(2000):
        redis.publish(f'task-{n}-control', 'send')
    wait_until(lambda: '1999' in running_worker.inbox._missed, 'all are heard')
    assert len(running_worker.inbox._missed) == 1000


def test_a_local_run_hears_after_a_subscription_anew_what_it_missed(app, worker, redis, counter):
    app.start_local_task('counter', {})
    running = worker()
    live = wait_until(lambda: [live for live in running.slots.all() if live.task_name == 'counter'], 'it runs')[0]
    app.client.ask(live.run_id, 'reset-counter')  # so that it is subscribed
    wait_until(lambda: not running.inbox._boxes, 'nobody reads')
    redis.rpush(f'inbox-{live.run_id}', '0123456789abcdef{"name":"add","data":{"n":1}}')
    redis.hset(f'task-{live.run_id}', 'inbox', 1)
    assert not counter.heard
    redis.client_kill_filter(_type='pubsub')
    wait_until(lambda: counter.heard == [1], 'it is handled')
