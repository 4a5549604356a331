"""The site on our own HTTP server.

Nine in ten connections may follow events; the others are left for plain requests. How long
a request may take is limited, and a client that does not read is cut off.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.net.http_server import HttpServer, Limits

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from pytask.web.wsgi import WebApplication

MOST_CONNECTIONS = 1000
OF_SUBSCRIBERS = 0.9
LIMITS = Limits(head_bytes=16 * 1024, head_s=10.0, body_s=30.0, silent_s=30.0, stuck_s=30.0)


class Web:
    """Serves an application from `with` to its end."""

    def __init__(self, site: WebApplication, listening: socket.socket) -> None:
        self.site = site
        most = most_connections()
        site.feed.most_subscribers = int(most * OF_SUBSCRIBERS)
        self._server = HttpServer(listening, site, most, LIMITS)

    def __enter__(self) -> Web:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.site.close()
        self._server.stop(timeout=1)


@contextlib.contextmanager
def until_told() -> Iterator[Event]:
    """Give an event that SIGTERM and Ctrl-C set."""
    over = Event()
    # A POSIX signal arrives inside whichever greenlet is running, so it only wakes the event loop.
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
    """Return how many connections this process can hold: half of its file limit is left for everything else."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MOST_CONNECTIONS, soft // 2))
