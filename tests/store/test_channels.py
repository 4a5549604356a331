import gevent
import gevent.server
import pytest
from redis.client import PubSub
from support import wait_until

from pytask import Unavailable
from pytask.core.commands import Command
from pytask.store import Store


@pytest.fixture
def listen(hands):
    """Open streams of this store; closed at the end."""
    opened = []

    def listen(stream):
        opened.append(stream)
        return stream

    yield listen
    for stream in opened:
        stream.close()


def read(stream):
    """The next thing that is one: messages that are none, and turns without any, read as None."""
    return next(found for found in iter(lambda: stream.read(timeout_s=5), 0) if found)


def test_the_events_of_some_runs_are_heard(hands, listen):
    stream = listen(hands.store.events(['1', '2']))
    hands.run('3')
    hands.run('2')
    event = read(stream)
    assert (event.run_id, event.event, event.data) == ('2', 'running', {'worker': 'w1', 'attempt': 1})
    assert event.at > 0


def test_the_events_of_all_runs_are_heard_and_no_commands(hands, listen):
    stream = listen(hands.store.events())
    hands.run('1')
    hands.command('1')
    hands.run('2')
    assert [read(stream).run_id, read(stream).run_id] == ['1', '2']


def test_a_subscription_hears_from_its_very_beginning(hands, listen):
    stream = listen(hands.store.events(['1']))
    hands.run('1')
    assert stream.read(timeout_s=5).event == 'running'


def test_foreign_text_is_no_event_and_does_no_harm(hands, listen):
    stream = listen(hands.store.events(['1']))
    hands.raw.publish('task-1', b'hello')
    hands.raw.publish('task-1', b'{"event":"\xff"}')
    hands.run('1')
    assert read(stream).event == 'running'


def test_a_channel_that_is_no_text_does_no_harm(hands, listen):
    stream = listen(hands.store.events())
    hands.raw.publish(b'task-\xff', b'{"event":"x"}')
    assert read(stream).event == 'x'


def test_silence_reads_as_none(hands, listen):
    assert listen(hands.store.events(['1'])).read(timeout_s=0.01) is None


def test_commands_to_every_run_and_to_this_worker_are_heard(hands, listen):
    stream = listen(hands.store.commands('w1'))
    hands.redis.publish('task-42-control', 'stop')
    hands.redis.publish('worker-w2-control', 'stop')
    hands.redis.publish('worker-w1-control', '{"command":"stop"}')
    assert [read(stream), read(stream)] == [('42', Command('stop')), ('', Command('stop'))]


def test_what_comes_between_its_two_subscriptions_is_heard(hands, listen, monkeypatch):
    psubscribe = PubSub.psubscribe

    def late(*given):
        wait_until(lambda: hands.redis.publish('worker-w1-control', 'stop'), 'its own channel is there')
        return psubscribe(*given)

    monkeypatch.setattr(PubSub, 'psubscribe', late)
    stream = listen(hands.store.commands('w1'))
    hands.redis.publish('task-42-control', 'stop')
    assert [read(stream), read(stream)] == [('', Command('stop')), ('42', Command('stop'))]


def test_an_id_that_looks_like_a_channel_is_named_in_full(hands, listen):
    stream = listen(hands.store.commands('w1'))
    hands.redis.publish('task-a-control-b-control', 'stop')
    assert read(stream)[0] == 'a-control-b'


def test_a_durable_stop_is_heard_too(hands, listen):
    stream = listen(hands.store.commands('w1'))
    hands.run('1')
    hands.command('1')
    assert read(stream) == ('1', Command('stop', 1))


def test_text_is_published_as_it_is(hands, heard):
    hands.store.publish('worker-w1-control', '{"command":"ping"}')
    assert heard() == [('worker-w1-control', '{"command":"ping"}')]


@pytest.mark.parametrize('make', [lambda s: s.events(['1']), lambda s: s.events(), lambda s: s.commands('w1')])
def test_a_killed_server_is_unavailable(hands, listen, server, make):
    stream = listen(make(hands.store))
    server.kill()
    for _ in range(2):
        with pytest.raises(Unavailable):
            stream.read(timeout_s=5)


def test_a_killed_connection_is_unavailable(hands, listen):
    stream = listen(hands.store.events(['1']))
    hands.redis.client_kill_filter(_type='pubsub')
    with pytest.raises(Unavailable):
        stream.read(timeout_s=5)


def test_a_server_that_is_away_takes_no_subscription(hands, server):
    server.kill()
    with pytest.raises(Unavailable):
        hands.store.events(['1'])


def test_a_server_that_does_not_answer_takes_no_subscription_and_no_time(server):
    store = Store(server.url, timeout_s=0.3)
    server.freeze()
    with gevent.Timeout(6), pytest.raises(Unavailable):
        store.events(['1', '2'])
    server.thaw()
    store.close()


def test_a_server_that_takes_connections_and_closes_them_is_unavailable(server):
    def refuse(sock, _):
        sock.sendall(b'-ERR max number of clients reached\r\n')
        sock.close()

    door = gevent.server.StreamServer(('127.0.0.1', 0), refuse)
    door.start()
    store = Store(f'redis://127.0.0.1:{door.server_port}')
    for _ in range(50):
        with pytest.raises(Unavailable):
            store.commands('w1')
    store.close()
    door.stop()
