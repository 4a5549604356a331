"""Descriptors that were closed behind their owner's back, and belong to another by now."""

import os
import socket

import gevent
import pytest
from redis.exceptions import WatchError
from servers import REDIS_SERVER, TlsServer, UnixServer, make_certificates, why_no_tls

from pytask import Unavailable
from pytask.store import Store
from pytask.store.connection.guarded_socket import OwnSocket

pytestmark = pytest.mark.one_server


@pytest.fixture(params=['tcp', 'unix', 'tls'])
def store(request, server, tmp_path):
    if request.param == 'tcp':
        yield from serve(server.url)
        return
    if request.param == 'tls' and why_no_tls():
        pytest.skip(why_no_tls())
    if request.param == 'tls':
        other = TlsServer(REDIS_SERVER, tmp_path / 'other', make_certificates(tmp_path))
    else:
        other = UnixServer(server.binary, tmp_path / 'other')
    with other:
        yield from serve(other.url)


def serve(url):
    store = Store(url)
    store.ping()
    yield store
    store.close()


class Another:
    """Takes the descriptor of a connection, and has a friend that sees what is done to it."""

    def __init__(self):
        self.friend, self._end = socket.socketpair()
        self.mine = None

    def take_from(self, sock):
        number = sock.fileno()
        os.dup2(self._end.fileno(), number)  # closes what it was, and puts this one there
        self._end.close()
        self.mine = socket.socket(fileno=number)

    def is_unharmed(self):
        self.friend.settimeout(5)
        self.mine.sendall(b'from me')
        assert self.friend.recv(100) == b'from me'
        self.friend.sendall(b'to me')
        assert self.mine.recv(100) == b'to me'
        self.friend.settimeout(0)
        with pytest.raises(BlockingIOError):
            self.friend.recv(100)
        return True


@pytest.fixture
def another():
    another = Another()
    yield another
    another.friend.close()
    another.mine.close()


USES = {
    'fileno': (),
    'sendall': (b'x',),
    'recv': (10,),
    'recv_into': (bytearray(10),),
    'shutdown': (socket.SHUT_RDWR,),
}


@pytest.mark.parametrize('use', USES)
def test_what_was_lost_is_not_used(another, use):
    own = OwnSocket(socket.socket())
    another.take_from(own)
    another.friend.sendall(b'to another')
    with pytest.raises(OSError, match='closed'):
        getattr(own, use)(*USES[use])
    assert another.mine.recv(10) == b'to another'
    own.close()
    own.close()
    assert another.is_unharmed()


@pytest.mark.parametrize('use', ['recv', 'recv_into'])
def test_what_was_meant_for_another_is_not_believed(another, use):
    server, sock = socket.socketpair()
    own = OwnSocket(sock)
    believing = gevent.spawn(read, own, use)
    gevent.sleep(0.01)
    another.take_from(own)
    waiting = gevent.spawn(another.mine.recv, 10)  # from now on what comes there wakes both
    gevent.sleep(0.01)
    another.friend.sendall(b'to another')
    with gevent.Timeout(5):
        believing.get()
    waiting.kill()
    own.close()
    server.close()
    assert another.is_unharmed()


def read(own, use):
    with pytest.raises(OSError, match='closed'):
        getattr(own, use)(*USES[use])


def test_a_socket_that_was_closed_is_not_closed_again():
    own = OwnSocket(socket.socket())
    number = own.fileno()
    own.close()
    again = socket.socket()
    assert again.fileno() == number
    own.close()
    again.listen()
    again.close()


def connections(store):
    return [made for made in store.db.client.connection_pool._connections if made._sock]


def test_a_connection_that_lost_its_socket_is_made_anew(store, another):
    another.take_from(connections(store)[0]._sock)
    store.ping()
    assert another.is_unharmed()
    store.close()
    assert another.is_unharmed()


def test_a_connection_that_somebody_holds_sends_nothing_to_another(store, another):
    with store.db.client.pipeline() as held:
        held.watch('x')
        another.take_from(held.connection._sock)
        with pytest.raises(WatchError):
            held.get('x')
    assert another.is_unharmed()


def test_closing_a_connection_leaves_the_socket_of_another_open(store, another):
    another.take_from(connections(store)[0]._sock)
    store.close()
    assert another.is_unharmed()


def why_it_waits_in_vain(store):
    with pytest.raises(Unavailable) as caught:
        store.peek('default', 4)
    return str(caught.value)


def test_who_waits_for_an_answer_is_told_when_the_next_one_connects(store, another):
    waiting = gevent.spawn(why_it_waits_in_vain, store)
    gevent.sleep(0.01)
    another.take_from(connections(store)[0]._sock)
    store.ping()
    with gevent.Timeout(2):
        assert 'closed' in waiting.get()
    assert another.is_unharmed()


def test_a_subscription_that_lost_its_socket_is_away(store, another):
    stream = store.events()
    another.take_from(stream._subscription._pubsub.connection._sock)
    with pytest.raises(Unavailable):
        stream.read(timeout_s=0.1)
    stream.close()
    assert another.is_unharmed()
