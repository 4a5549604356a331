"""Health over HTTP: `/live`, `/ready` and `/metrics`, for probes and for Prometheus.

Small on purpose: it shares the process with the runs. A few connections, one request each, five seconds
and eight KiB of head; GET and HEAD only. Whoever wants to keep it to himself binds it to this machine.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from pytask.net.addresses import split_address
from pytask.net.bounded import BoundedHandler
from pytask.net.listen import listener
from pytask.worker.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytask.worker.monitoring.metrics_page import MetricsPage
    from pytask.worker.monitoring.readiness import Readiness
    from pytask.worker.reporter import Reporter

CONNECTIONS = 8
REQUEST_WITHIN_S = 5.0
HEAD_BYTES = 8192
PLAIN = 'text/plain; charset=utf-8'


class Health:
    """Serves from `with` to its end; nothing where the setting is empty. Raises ConfigError."""

    def __init__(self, address: str, readiness: Readiness, metrics_page: MetricsPage, report: Reporter) -> None:
        self._address, self._report = address, report
        self._readiness, self._metrics_page = readiness, metrics_page
        self._pages: dict[str, Callable[[], tuple[str, str, str]]] = {
            '/live': self._live, '/ready': self._ready, '/metrics': self._metrics,
        }  # fmt: skip
        self._server: WSGIServer | None = None

    def __enter__(self) -> Health:
        text = self._address
        if text:
            host, port = split_address(text)
            self._server = WSGIServer(
                listener('health', text, (host, port)), self._answer, spawn=Pool(CONNECTIONS),
                handler_class=Handler, log=None, error_log=None,
                environ={'SERVER_NAME': host},  # else it asks the DNS for one
            )  # fmt: skip
            self._server.start()
            shown = f'[{host}]' if ':' in host else host
            self._report.serves_health(f'http://{shown}:{port}')
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop(timeout=1)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        page = self._pages.get(environ['PATH_INFO'])
        method = environ['REQUEST_METHOD']
        more: list[tuple[str, str]] = []
        if page is None:
            status, kind, text = '404 Not Found', PLAIN, 'there are /live, /ready and /metrics\n'
        elif method not in ('GET', 'HEAD'):
            status, kind, text = '405 Method Not Allowed', PLAIN, 'GET and HEAD only\n'
            more = [('Allow', 'GET, HEAD')]
        else:
            status, kind, text = page()
        body = text.encode()
        start_response(status, [
            ('Content-Type', kind), ('Content-Length', str(len(body))), ('Cache-Control', 'no-store'),
            ('Connection', 'close'), *more,
        ])  # fmt: skip
        return [] if method == 'HEAD' else [body]

    def _live(self) -> tuple[str, str, str]:
        return _verdict('live', self._readiness.ills())

    def _ready(self) -> tuple[str, str, str]:
        return _verdict('ready', self._readiness.reasons())

    def _metrics(self) -> tuple[str, str, str]:
        return '200 OK', CONTENT_TYPE, self._metrics_page.page()


class Handler(BoundedHandler):
    """One connection. pywsgi itself would wait for ever."""

    head_bytes = HEAD_BYTES

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            gevent.with_timeout(REQUEST_WITHIN_S, super().handle, timeout_value=None)


def _verdict(word: str, against: list[str]) -> tuple[str, str, str]:
    status = '503 Service Unavailable' if against else '200 OK'
    return status, 'application/json', json.dumps({word: not against, 'reasons': against}) + '\n'
