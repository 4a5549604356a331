"""redis-py's connections, with the few things that they lack.

They follow their server: a connection knows how many moves there had been when it was made, and is replaced when
it is next taken from its pool after another. So no connection is closed while another greenlet reads from it.
redis-py's Sentinel classes are not used: if a greenlet is killed during a reply, the connection stays open, and the
next caller gets that reply.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

import redis

from pytask.store.connection.guarded_socket import OwnSocket

# Only TCP's probes notice a peer that vanished silently; by default after two hours.
_KEEPALIVE = {
    'TCP_KEEPIDLE' if hasattr(socket, 'TCP_KEEPIDLE') else 'TCP_KEEPALIVE': 3,
    'TCP_KEEPINTVL': 1,
    'TCP_KEEPCNT': 3,
    'TCP_USER_TIMEOUT': 10_000,  # ms until sent data must be acknowledged
}
_PROBES = {getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)}
# A server may reject a client only then, and its reason is lost if the connection ends first.
ENDED_IN_TLS = 'ended right after the TLS handshake'


class PlainTcp(redis.Connection):
    """Closes its socket if it is interrupted while connecting; redis-py leaves that to the garbage collector."""

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
        # Not connected yet: the handshake is part of `connect` and of its timeout.
        return self._wrap_socket_with_ssl(super()._prepared(sock))  # type: ignore[no-untyped-call]

    def _why(self, error: OSError, sock: Any) -> Exception:
        if isinstance(error, TimeoutError) and _is_connected(sock):
            # A server without TLS takes the handshake for the beginning of a command and waits for the rest.
            return redis.ConnectionError('no TLS handshake in time: without TLS, the URL begins with redis://')
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
    """Makes a connection follow its server."""

    def __init__(self, *, server: Located, **options: Any) -> None:
        super().__init__(**options)
        self._server = server
        self._made_after = 0

    @property
    def is_out_of_date(self) -> bool:
        return self._made_after != self._server.moves

    def connect(self) -> None:
        """Connect if needed; pools call this for each connection that they hand out."""
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
    """Begin a connection to the primary that a sentinel named, whose knowledge may be outdated."""
    connection.on_connect()
    connection.send_command('ROLE')
    if connection.read_response()[0] != b'master':
        raise redis.ConnectionError(f'{connection.host}:{connection.port} is no longer the primary')


def greet_in_tls(connection: Any) -> None:
    """Begin a TLS connection with a PING.

    A server sends more of the handshake after its end, with the first reply. redis-py 8 would take those bytes for
    a leftover reply and drop the connection.
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
