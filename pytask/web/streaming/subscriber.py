"""A subscriber: one client that follows events, and the bounded queue of what it has not read yet.

On our own server the feed writes shared bytes straight to the client's socket, and the client's greenlet wakes only
for what did not fit. Another WSGI server iterates over the subscriber instead.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a client may leave unread; clients with the same filter share the bytes.
MOST_BYTES = 256 * 1024
RESET = b'event: reset\ndata: {}\n\n'
STILL_HERE = b': still here\n\n'
RETRY = b'retry: 1000\n\n'
LONGEST_TURN_S = 5.0


def framed(chunk: bytes) -> bytes:
    """Return bytes as one chunk of HTTP/1.1."""
    return b'%x\r\n%b\r\n' % (len(chunk), chunk)


class Subscriber:
    """The body of a stream, which the WSGI server closes. `socket` is the client's on our own server, else None."""

    def __init__(self, socket: Any = None) -> None:
        self.close: Callable[[], None] = self.leave
        self._socket = socket
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._rest = b''  # of a chunk that is partly written
        self._is_idle = self.is_gone = False
        self._lock, self._ready = threading.Lock(), threading.Event()

    @property
    def is_direct(self) -> bool:
        """True if it takes chunks framed for HTTP."""
        return self._socket is not None

    def put(self, chunk: bytes) -> None:
        """Send a chunk, at once if the client is idle. If too much is unread, a single `reset` replaces it."""
        with self._lock:
            if self._is_idle:
                self._write(chunk)
                return
            self._chunks.append(chunk)
            self._size += len(chunk)
            if self._size > MOST_BYTES:
                self._chunks.clear()
                reset = framed(RESET) if self.is_direct else RESET
                self._chunks.append(reset)
                self._size = len(reset)
            self._ready.set()

    def leave(self) -> None:
        """End the stream."""
        self.is_gone = True
        self._is_idle = False
        self._ready.set()

    def __iter__(self) -> Iterator[bytes]:
        """Yield what the WSGI server must send, until the client has gone."""
        yield RETRY  # goes out with the head; from here on only we write to the socket
        while not self.is_gone:
            self._idle()
            if self._ready.wait(LONGEST_TURN_S):
                rest = self._take()
                if self._socket is None:
                    yield rest
                elif rest:
                    self._socket.sendall(rest)

    def _take(self) -> bytes:
        with self._lock:
            rest = self._rest + b''.join(self._chunks)
            self._rest, self._size = b'', 0
            self._chunks.clear()
            self._ready.clear()
            return rest

    def _idle(self) -> None:
        with self._lock:
            self._is_idle = self._socket is not None and not (self._ready.is_set() or self.is_gone)

    def _write(self, chunk: bytes) -> None:
        try:
            sent = os.write(self._socket.fileno(), chunk)
        except BlockingIOError:
            sent = 0
        except OSError:  # the client has gone
            self.leave()
            return
        if sent < len(chunk):  # its greenlet sends the rest
            self._is_idle = False
            self._rest = chunk[sent:]
            self._ready.set()
