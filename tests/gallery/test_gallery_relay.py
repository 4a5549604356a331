"""tasks/tcp/relay.py with real sockets: clients on one side, servers on the other."""

import socket
import struct

import gevent
import pytest
from gevent.event import Event
from gevent.server import StreamServer
from support import SOON_S, wait_until

from pytask import State
from pytask.embedded.server import free_port


def echo(connection, _address):
    """Say everything back, and one word more after the other side has ended its half."""
    while chunk := connection.recv(64 * 1024):
        connection.sendall(chunk)
    connection.sendall(b'!')


@pytest.fixture
def serve():
    """Start a server of a function, and return `HOST:PORT`; its connections are cut off at the end."""
    running = []

    def start(handle):
        server = StreamServer(('127.0.0.1', 0), handle)
        server.start()
        running.append(server)
        return f'127.0.0.1:{server.server_port}'

    yield start
    for server in running:
        server.stop(timeout=0)


@pytest.fixture
def relay(follow):
    """Start a relay, and return the run with `connect()`."""

    def start(target, **data):
        followed = follow('tcp/relay', target=target, **data)
        (told,) = wait_until(lambda: followed.of('listening'), 'it listens')
        assert told['host'] == '127.0.0.1'
        followed.connect = lambda: socket.create_connection((told['host'], told['port']), timeout=30)
        followed.port = told['port']
        return followed

    return start


def read_all(connection):
    parts = []
    while chunk := connection.recv(64 * 1024):
        parts.append(chunk)
    return b''.join(parts)


def test_it_relays_both_ways_and_tells_the_bytes(relay, serve):
    run = relay(serve(echo))
    with run.connect() as client:
        client.sendall(b'hello')
        assert client.recv(10) == b'hello'
        (open_now,) = run.run.ask('connections')
        peer = '{}:{}'.format(*client.getsockname())
        assert open_now == {'peer': peer, 'sent': 5, 'received': 5}
        client.shutdown(socket.SHUT_WR)  # half closed: the answer still comes
        assert read_all(client) == b'!'
    (closed,) = wait_until(lambda: run.of('closed'), 'it is closed')
    assert (closed['peer'], closed['sent'], closed['received']) == (peer, 5, 6)
    assert run.of('opened') == [{'peer': peer}]
    assert 'error' not in closed
    assert run.stop().output == {'connections': 1}
    assert run.of('progress')[-1] == {'progress': 0, 'target': 100}


def test_a_hundred_at_the_same_time_are_not_mixed_up(relay, serve):
    run = relay(serve(echo))
    together = Event()

    def talk(n):
        said = bytes([n]) * (1000 * n + 1)
        with run.connect() as client:
            together.wait()
            sender = gevent.spawn(lambda: (client.sendall(said), client.shutdown(socket.SHUT_WR)))
            heard = read_all(client)
            sender.get()
            return heard == said + b'!'

    clients = [gevent.spawn(talk, n) for n in range(100)]
    wait_until(lambda: len(run.of('opened')) == 100, 'all are open', 20)
    together.set()
    assert all(client.get(timeout=30) for client in clients)
    wait_until(lambda: len(run.of('closed')) == 100, 'all are closed', 20)
    assert sum(told['sent'] for told in run.of('closed')) == sum(1000 * n + 1 for n in range(100))
    assert max(told['progress'] for told in run.of('progress')) == 100


def test_it_opens_no_more_than_its_limit(relay, serve):
    run = relay(serve(echo), limit=2)
    with run.connect() as first, run.connect() as second:
        wait_until(lambda: len(run.of('opened')) == 2, 'two are open')
        with run.connect() as third:
            third.sendall(b'me too')
            third.settimeout(0.3)
            with pytest.raises(TimeoutError):
                third.recv(10)
            assert len(run.of('opened')) == 2
            first.close()
            third.settimeout(20)
            assert third.recv(10) == b'me too'
        second.sendall(b'still here')
        assert second.recv(20) == b'still here'


def test_a_port_that_is_taken_is_an_error_that_names_it(gallery):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        run = gallery.client.start('tcp/relay', {'target': 'localhost:1', 'port': port}).wait(timeout=SOON_S)
    assert run.state is State.ERROR
    assert run.output == f'cannot listen on 127.0.0.1:{port}: Address already in use'


@pytest.mark.parametrize(
    ('data', 'why'),
    [
        ({'target': 'localhost'}, "target must be HOST:PORT, not 'localhost'"),
        ({'target': ':80'}, 'HOST:PORT'),
        ({'target': 'h:0'}, 'HOST:PORT'),
        ({'target': 'h:http'}, 'HOST:PORT'),
        ({'target': 'h:70000'}, 'HOST:PORT'),
        ({'target': 'h:80', 'port': -1}, 'not -1 and 100'),
        ({'target': 'h:80', 'limit': 0}, 'not 0 and 0'),
        ({'target': 'h:80', 'host': 'no.such.host.invalid'}, 'cannot listen on no.such.host.invalid:0'),
    ],
)
def test_bad_inputs_are_errors(gallery, data, why):
    run = gallery.client.start('tcp/relay', data).wait(timeout=20)
    assert run.state is State.ERROR
    assert why in run.output


def test_a_target_that_can_not_be_reached_is_told_and_the_next_one_may_be(relay, serve):
    port = free_port()
    run = relay(f'127.0.0.1:{port}')
    with run.connect() as client:
        assert client.recv(10) == b''
    (closed,) = wait_until(lambda: run.of('closed'), 'it is told')
    assert closed['error'].startswith(f'cannot reach 127.0.0.1:{port}: [Errno 111] Connection refused')
    server = StreamServer(('127.0.0.1', port), echo)
    server.start()
    with run.connect() as client:
        client.sendall(b'now?')
        assert client.recv(10) == b'now?'
    server.stop(timeout=0)


def test_a_slow_reader_makes_the_sender_wait(relay, serve):
    """What is under way is bounded: the sockets' own buffers, and a chunk."""
    go, got, sent = Event(), [], [0]

    def read_late(connection, _address):
        go.wait()
        got.append(len(read_all(connection)))

    run = relay(serve(read_late))
    chunk, size = b'x' * 2**16, 2**28

    def send(client):
        while sent[0] < size:
            client.sendall(chunk)
            sent[0] += len(chunk)
        client.shutdown(socket.SHUT_WR)

    with run.connect() as client:
        client.settimeout(None)
        sender = gevent.spawn(send, client)
        before = -1
        while before != sent[0]:
            before = sent[0]
            gevent.sleep(0.5)
        assert 0 < sent[0] < 64 * 2**20, f'{sent[0]:,} bytes were taken off the sender'
        go.set()
        sender.get(timeout=40)
        wait_until(lambda: got == [size], 'all of it has come', 40)
    wait_until(lambda: [told['sent'] for told in run.of('closed')] == [size], 'and was counted')


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


@pytest.mark.parametrize('who', ['client', 'target'])
def test_one_side_that_is_gone_takes_the_other_along(relay, serve, who):
    ends, ended = [], []

    def accept(connection, _address):
        ends.append(connection)
        if who == 'target':
            connection.recv(1)
            reset(connection)
        else:
            ended.append(connection.recv(1))

    run = relay(serve(accept))
    client = run.connect()
    wait_until(lambda: ends, 'the target is reached')
    if who == 'client':
        reset(client)
        wait_until(lambda: ended == [b''], 'the target sees the end')
    else:
        client.sendall(b'x')
        assert is_over(client)
        client.close()
    wait_until(lambda: run.of('closed'), 'it is closed')
    assert run.run.ask('connections') == []


def test_stop_takes_no_new_ones_and_lets_those_that_are_open_finish(relay, serve):
    run = relay(serve(echo))
    with run.connect() as client:
        wait_until(lambda: run.of('opened'), 'it is open')
        assert run.run.stop() == 'requested'
        wait_until(lambda: refuses(run.port), 'no new ones')
        client.sendall(b'still there?')
        assert client.recv(20) == b'still there?'
        assert run.run.refresh().state is State.RUNNING
    ended = run.wait()
    assert ended.state is State.STOPPED
    assert ended.output['connections'] == len(run.of('closed'))  # some looked whether it is still open
    assert len('still there?') in [told['sent'] for told in run.of('closed')]


def test_who_does_not_finish_within_the_grace_is_cut_off(relay, serve):
    run = relay(serve(echo))
    with run.connect() as client:
        wait_until(lambda: run.of('opened'), 'it is open')
        run.run.stop(grace=0.3)
        assert client.recv(10) == b''
        assert run.wait().state is State.STOPPED
    assert len(run.of('closed')) == 1


def test_a_reload_relays_to_another_target(relay, serve):
    run = relay(serve(echo))
    port = free_port()
    run.run.reload({'target': serve(lambda connection, _: connection.sendall(b'the other')), 'port': port})
    wait_until(lambda: len(run.of('listening')) == 2, 'it listens again')
    with socket.create_connection(('127.0.0.1', port), timeout=20) as client:
        assert read_all(client) == b'the other'


def is_over(connection):
    try:
        return connection.recv(10) == b''
    except ConnectionResetError:
        return True


def refuses(port):
    try:
        socket.create_connection(('127.0.0.1', port), timeout=5).close()
    except OSError:
        return True
    return False
