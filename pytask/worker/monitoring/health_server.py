"""Health over HTTP: `/live`, `/ready` and `/metrics`, for probes and for Prometheus.

Small on purpose, since it shares the process with the runs: a few connections, one request and five seconds each,
GET and HEAD only. It has no password: bind it to an address that only probes can reach.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytask.net.addresses import split_address
from pytask.net.http_server import HttpServer, Limits
from pytask.net.listen import listener
from pytask.worker.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytask.worker.monitoring.metrics_page import MetricsPage
    from pytask.worker.monitoring.readiness import Readiness
    from pytask.worker.reporter import Reporter

CONNECTIONS = 8
LIMITS = Limits(head_bytes=8192, head_s=5.0, body_s=5.0, silent_s=5.0, stuck_s=5.0, connection_s=5.0)
PLAIN = 'text/plain; charset=utf-8'


class Health:
    """Serves from `with` to its end, if the setting `health` is set. Raises ConfigError."""

    def __init__(self, address: str, readiness: Readiness, metrics_page: MetricsPage, report: Reporter) -> None:
        self._address, self._report = address, report
        self._readiness, self._metrics_page = readiness, metrics_page
        self._pages: dict[str, Callable[[], tuple[str, str, str]]] = {
            '/live': self._live, '/ready': self._ready, '/metrics': self._metrics,
        }  # fmt: skip
        self._server: HttpServer | None = None

    def __enter__(self) -> Health:
        text = self._address
        if text:
            host, port = split_address(text)
            self._server = HttpServer(listener('health', text, (host, port)), self._answer, CONNECTIONS, LIMITS)
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
            status, kind, text = '404 Not Found', PLAIN, 'not found; use /live, /ready or /metrics\n'
        elif method not in ('GET', 'HEAD'):
            status, kind, text = '405 Method Not Allowed', PLAIN, 'method not allowed; use GET or HEAD\n'
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


def _verdict(word: str, against: list[str]) -> tuple[str, str, str]:
    status = '503 Service Unavailable' if against else '200 OK'
    return status, 'application/json', json.dumps({word: not against, 'reasons': against}) + '\n'
