"""A socket that notices when its descriptor has become another socket's.

A task can close every socket of its process. New sockets get the same descriptors, and two connections would read
each other's replies: worker and runs then hang (`tests/system/test_mischief.py`). So a socket remembers its inode
and compares it before it sends, and before and after it reads, at 1 µs each. One that is lost gives its descriptor
up without closing it. macOS has no inodes for TCP; there only closed descriptors and other files are noticed.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from typing import Any

_all: weakref.WeakValueDictionary[int, OwnSocket] = weakref.WeakValueDictionary()


class OwnSocket:
    """As much of a socket as redis-py uses. Every use of a lost descriptor raises OSError."""

    def __init__(self, sock: Any) -> None:
        let_go_of_the_lost()
        self._sock = sock
        self._number: int = sock.fileno()
        self._inode = os.fstat(self._number)[1:3]  # and its device
        self.thread_id = threading.get_native_id()
        # redis-py asks for it with each command; without TLS, looking it up is slow.
        self.pending = getattr(sock, 'pending', int)
        _all[id(self)] = self

    @property
    def is_lost(self) -> bool:
        try:
            return os.fstat(self._number)[1:3] != self._inode
        except OSError:
            return True

    def fileno(self) -> int:
        self._check()
        return self._number

    def sendall(self, data: Any) -> None:
        self._check()
        self._sock.sendall(data)

    def recv(self, *options: Any) -> Any:
        self._check()
        got = self._sock.recv(*options)
        self._check()  # it may have been lost during the wait, and the data meant for another
        return got

    def recv_into(self, *options: Any) -> Any:
        self._check()
        got = self._sock.recv_into(*options)
        self._check()
        return got

    def shutdown(self, how: int) -> None:
        self._check()
        self._sock.shutdown(how)

    def close(self) -> None:
        if self.is_lost:
            self._sock.detach()  # with gevent this wakes greenlets that wait for it
        else:
            self._sock.close()

    def _check(self) -> None:
        if self.is_lost:
            raise OSError(errno.EBADF, 'other code in this process closed its socket')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def let_go_of_the_lost() -> None:
    """Give up all lost sockets: greenlets would wait for them in vain, or wake for data of another socket."""
    here = threading.get_native_id()  # a gevent socket belongs to the thread that made it
    for own in [found() for found in _all.valuerefs()]:
        if own is not None and own.thread_id == here and own.is_lost:
            own.close()
