"""Connections: redis-py's, with the few things it does not do.

They follow their server. A connection remembers after which move it was made, and one that is older is
made anew when it is next taken from its pool. So nobody closes a connection that another greenlet reads
from, and no pool of redis-py is reached into. Its Sentinel classes are not used: their connections stay
open when a greenlet is killed in the middle of an answer, and the next caller gets that answer.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

import redis

from pytask.store.connection.guarded_socket import OwnSocket

# TCP's own probes are the only ones that find an end that vanished without a word; by default after two hours.
_KEEPALIVE = {
    'TCP_KEEPIDLE' if hasattr(socket, 'TCP_KEEPIDLE') else 'TCP_KEEPALIVE': 3,
    'TCP_KEEPINTVL': 1,
    'TCP_KEEPCNT': 3,
    'TCP_USER_TIMEOUT': 10_000,  # ms within which what was sent is acknowledged
}
_PROBES = {getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)}
# A server may refuse a client only then, and what it says of that is lost where the connection has ended meanwhile.
ENDED_IN_TLS = 'ended right after the TLS handshake'


class PlainTcp(redis.Connection):
    """Closes its socket if it is interrupted while it connects; redis-py leaves that to the garbage collector."""

    def _connect(self) -> Any:
        error: Exception = OSError('the name has no address')
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM):
            sock: Any = socket.socket(family, kind, protocol)
            try:
                sock = OwnSocket(self._prepared(sock))
                sock.connect(address)
                sock.settimeout(self.socket_timeout)
            except OSError as failed:
                error = self._why(failed, sock)
                sock.close()
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise error

    def _prepared(self, sock: Any) -> Any:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _PROBES.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.settimeout(self.socket_connect_timeout)
        return sock

    def _why(self, error: OSError, _sock: Any) -> Exception:
        return error


class PlainTls(PlainTcp, redis.SSLConnection):
    def _prepared(self, sock: Any) -> Any:
        # Not connected yet: the handshake is part of `connect`, and of its time.
        return self._wrap_socket_with_ssl(super()._prepared(sock))  # type: ignore[no-untyped-call]

    def _why(self, error: OSError, sock: Any) -> Exception:
        if isinstance(error, TimeoutError) and _is_connected(sock):
            # A plaintext server takes the handshake for the beginning of a long command, and waits too.
            return redis.ConnectionError('no TLS handshake in time: for a plaintext server write redis://')
        return error


class PlainUnix(redis.UnixDomainSocketConnection):
    def _connect(self) -> Any:
        return OwnSocket(super()._connect())  # type: ignore[no-untyped-call]


class Located(Protocol):
    """A server as its connections see it: where it is, and how often it has moved."""

    @property
    def moves(self) -> int: ...
    def look(self) -> None: ...
    def locate(self, connection: Any) -> None: ...


class _Following:
    """What makes a connection follow its server."""

    def __init__(self, *, server: Located, **options: Any) -> None:
        super().__init__(**options)
        self._server = server
        self._made_after = 0

    @property
    def is_out_of_date(self) -> bool:
        return self._made_after != self._server.moves

    def connect(self) -> None:
        """Connect, unless it is; pools call this for each connection they give out."""
        self._server.look()
        if self.is_out_of_date:
            self.disconnect()  # type: ignore[attr-defined]
        super().connect()  # type: ignore[misc]

    def _connect(self) -> Any:
        self._server.locate(self)
        self._made_after = self._server.moves
        return super()._connect()  # type: ignore[misc]


class Tcp(_Following, PlainTcp):
    pass


class Tls(_Following, PlainTls):
    pass


class Unix(_Following, PlainUnix):
    pass


def greet_primary(connection: Any) -> None:
    """Begin a connection to what a sentinel named; what it knows may be older than what the server knows."""
    connection.on_connect()
    connection.send_command('ROLE')
    if connection.read_response()[0] != b'master':
        raise redis.ConnectionError(f'{connection.host}:{connection.port} is not the primary any more')


def greet_in_tls(connection: Any) -> None:
    """Begin a connection in TLS with a question.

    A server goes on with the handshake after its end, and those bytes come with the first answer.
    redis-py 8 would take them for an answer that is left over, and throw the connection away.
    """
    try:
        connection.on_connect()
        connection.send_command('PING')
        connection.read_response()
    except redis.ConnectionError as error:
        if _was_cut(error):
            raise redis.ConnectionError(ENDED_IN_TLS) from error
        raise


def _is_connected(sock: Any) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _was_cut(error: Exception) -> bool:
    is_reset = isinstance(error.__context__, ConnectionResetError | BrokenPipeError)
    return is_reset or 'closed by server' in str(error)
