"""One connection of pywsgi, with bounds on what it reads, and nothing printed of what strangers send."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import gevent
from gevent.pywsgi import WSGIHandler

_BAD_REQUEST = b'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'


class BoundedHandler(WSGIHandler):
    head_bytes: ClassVar[int]
    head_lines: ClassVar[int] = 64

    def MessageClass(self, rfile: Any, *more: Any) -> Any:  # noqa: N802 - pywsgi's name
        return super().MessageClass(cast('Any', _Head(rfile, self.head_lines, self.head_bytes)), *more)

    def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, gevent.Timeout):
            raise error
        super().handle_error(kind, error, trace)

    def _handle_client_error(self, _error: Exception) -> tuple[str, bytes]:
        return '400', _BAD_REQUEST  # pywsgi would print some of them


class _Head:
    """The lines of a request's head, as far as they are bearable."""

    def __init__(self, rfile: Any, lines: int, size: int) -> None:
        self._rfile, self._lines, self._bytes = rfile, lines, size

    def readline(self, _limit: int = 0) -> bytes:
        line: bytes = self._rfile.readline(self._bytes + 1)
        self._lines -= 1
        self._bytes -= len(line)
        if self._lines < 0 or self._bytes < 0:
            raise ValueError('the head is too long')
        return line
