"""The site on gevent's own server, with bounds on everything that strangers may do to it.

A thousand connections, nine in ten of them for events; a head of 16 KiB within ten seconds, a body of 1 MiB within
thirty, half a minute of silence between two requests; who does not read is cut off. Health has a server and
connections of its own, so that probes are answered whatever happens here.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from pytask.net.bounded import BoundedHandler
from pytask.web.request import Problem
from pytask.web.routes.events import SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.web.wsgi import Site

MOST_CONNECTIONS = 1000
# Of the connections; the others are for whoever asks once.
OF_LISTENERS = 0.9
HEAD_WITHIN_S, BODY_WITHIN_S, SILENT_FOR_S, STUCK_FOR_S = 10.0, 30.0, 30.0, 30.0
HEAD_BYTES, SEND_BYTES = 16 * 1024, 256 * 1024
# Of a body that nobody wants to read.
DISCARDED_BYTES, DISCARDED_AT_ONCE, DISCARD_WITHIN_S = 64 * 1024, 16 * 1024, 1.0


class Web:
    """Serves a site from `with` to its end."""

    def __init__(self, site: Site, listening: socket.socket) -> None:
        self.site = site
        most = most_connections()
        site.feed.most_listeners = int(most * OF_LISTENERS)
        self._server = WSGIServer(
            listening, site, spawn=Pool(most), handler_class=Handler, log=None, error_log=None,
            environ={'SERVER_NAME': str(listening.getsockname()[0])},  # else it asks the DNS for one
        )  # fmt: skip

    def __enter__(self) -> Web:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.site.close()
        self._server.stop(timeout=1)


class Handler(BoundedHandler):
    """One connection. pywsgi itself would wait for ever."""

    head_bytes = HEAD_BYTES
    _timer: gevent.Timeout | None = None

    def handle(self) -> None:
        self.socket.settimeout(STUCK_FOR_S)
        # Else the kernel keeps megabytes for each who does not read.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        super().handle()

    def read_requestline(self) -> str:
        line = gevent.with_timeout(SILENT_FOR_S, super().read_requestline, timeout_value='')
        # From the first line on it is a request, and the rest of its head is to follow.
        self._timer = gevent.Timeout.start_new(HEAD_WITHIN_S, TimeoutError('the head of a request is too slow'))
        return str(line)

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
        if self.request_version == 'HTTP/1.1':  # else the answer is not chunked
            environ[SOCKET] = self.socket
        super().run_application()

    def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, OSError):  # a client that has gone, or does not read, is no error of ours
            super().handle_error(kind, error, trace)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.close()


class _Body:
    """The body of a request, as far as it comes in time. pywsgi itself discards the rest, however long it takes."""

    def __init__(self, handler: Handler, body: Any) -> None:
        self._handler, self._body = handler, body

    def read(self, size: int = -1) -> bytes:
        with gevent.Timeout(BODY_WITHIN_S, Problem(408, 'the body is too slow')):
            raw: bytes = self._body.read(size)
            return raw

    def _discard(self) -> None:
        body = self._body
        body.send_100_continue_enabled = False  # it is not to be sent any more
        left = body.content_length or 0
        is_over = not body.chunked_input and body.position >= left
        with contextlib.suppress(OSError), gevent.Timeout(DISCARD_WITHIN_S, TimeoutError()):
            for _ in range(DISCARDED_BYTES // DISCARDED_AT_ONCE):
                # What is small is read, for a client that asks only when it has said all.
                is_over = is_over or not body.read(DISCARDED_AT_ONCE)
                if is_over:
                    break
        self._handler.close_connection = self._handler.close_connection or not is_over


@contextlib.contextmanager
def until_told() -> Iterator[Event]:
    """Give an event that SIGTERM and Ctrl-C set."""
    over = Event()
    # A POSIX signal arrives inside whatever greenlet is current.
    nudge = gevent.get_hub().loop.async_()
    nudge.start(over.set)
    before = {number: signal.signal(number, lambda *_: nudge.send()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield over
    finally:
        for number, former in before.items():
            signal.signal(number, former)
        nudge.close()


def most_connections() -> int:
    """Return how many connections this process can bear: half of its files are for other things."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MOST_CONNECTIONS, soft // 2))
