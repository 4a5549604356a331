"""The HTTP server of health and of the web: gevent's pywsgi, with a limit on everything a stranger can do to it.

pywsgi alone waits forever for a slow client, reads a head of any length, and prints what it could not parse. Health
and the web each have their own port and connections, so that probes are answered whatever the web is doing.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Any, cast

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from pytask.net.listen import SOCKET

HEAD_LINES = 64
# The kernel would keep megabytes for each client that does not read.
SEND_BYTES = 256 * 1024
# How much of an unread body is still read: a client that sends before it listens then gets its answer.
DISCARDED_BYTES, DISCARDED_AT_ONCE, DISCARD_WITHIN_S = 64 * 1024, 16 * 1024, 1.0
_BAD_REQUEST = b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'


@dataclass(slots=True)
class Limits:
    """How much a client may send, and how long it may take."""

    head_bytes: int
    head_s: float
    body_s: float
    silent_s: float  # between two requests
    stuck_s: float  # without progress, in either direction
    connection_s: float | None = None  # from its first to its last byte; None for any time


class HttpServer(WSGIServer):
    """Serves a WSGI application on a socket that already listens. Further connections wait in its backlog."""

    def __init__(self, listening: socket.socket, application: Any, connections: int, limits: Limits) -> None:
        super().__init__(
            listening, application, spawn=Pool(connections), handler_class=_Connection, log=None,
            error_log=None, environ={'SERVER_NAME': str(listening.getsockname()[0])},  # else it asks the DNS
        )  # fmt: skip
        self.limits = limits


class _Connection(WSGIHandler):
    _timer: gevent.Timeout | None = None

    @property
    def limits(self) -> Limits:
        return cast('HttpServer', self.server).limits

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.settimeout(self.limits.stuck_s)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            gevent.with_timeout(self.limits.connection_s, super().handle, timeout_value=None)

    def read_requestline(self) -> str:
        line = gevent.with_timeout(self.limits.silent_s, super().read_requestline, timeout_value='')
        # A request begins with its first line: from here on its head must arrive in time.
        self._timer = gevent.Timeout.start_new(self.limits.head_s, TimeoutError('the request head is too slow'))
        return str(line)

    def MessageClass(self, rfile: Any, *more: Any) -> Any:  # noqa: N802 - pywsgi's name
        return super().MessageClass(cast('Any', _Head(rfile, self.limits.head_bytes)), *more)

    def handle_one_request(self) -> Any:
        try:
            return super().handle_one_request()
        finally:
            self._stop_timer()

    def run_application(self) -> None:
        self._stop_timer()
        environ: dict[str, Any] = self.environ  # type: ignore[assignment]
        environ['wsgi.input'] = body = _Body(self, environ['wsgi.input'])
        self.wsgi_input = body  # type: ignore[assignment]
        if self.request_version == 'HTTP/1.1':  # an older client gets no chunks
            environ[SOCKET] = self.socket
        super().run_application()

    def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, gevent.Timeout):
            raise error
        if not isinstance(error, OSError):  # a client that has gone or does not read is not our error
            super().handle_error(kind, error, trace)

    def _handle_client_error(self, _error: Exception) -> tuple[str, bytes]:
        return '400', _BAD_REQUEST  # pywsgi would print some of them

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.close()


class _Head:
    """Reads the lines of a request's head, up to a limit."""

    def __init__(self, rfile: Any, size: int) -> None:
        self._rfile, self._lines, self._bytes = rfile, HEAD_LINES, size

    def readline(self, _limit: int = 0) -> bytes:
        line: bytes = self._rfile.readline(self._bytes + 1)
        self._lines -= 1
        self._bytes -= len(line)
        if self._lines < 0 or self._bytes < 0:
            raise ValueError('the request head is too long')
        return line


class _Body:
    """Reads the body of a request, within a time; `read` raises TimeoutError. pywsgi would discard without end."""

    def __init__(self, connection: _Connection, body: Any) -> None:
        self._connection, self._body = connection, body

    def read(self, size: int = -1) -> bytes:
        with gevent.Timeout(self._connection.limits.body_s, TimeoutError('the request body is too slow')):
            raw: bytes = self._body.read(size)
            return raw

    def _discard(self) -> None:
        body = self._body
        body.send_100_continue_enabled = False  # do not invite the client to send it
        left = body.content_length or 0
        is_over = not body.chunked_input and body.position >= left
        with contextlib.suppress(OSError), gevent.Timeout(DISCARD_WITHIN_S, TimeoutError()):
            for _ in range(DISCARDED_BYTES // DISCARDED_AT_ONCE):
                is_over = is_over or not body.read(DISCARDED_AT_ONCE)
                if is_over:
                    break
        self._connection.close_connection = self._connection.close_connection or not is_over
