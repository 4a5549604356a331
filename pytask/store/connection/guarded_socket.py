"""A socket that knows which one it is, and leaves its descriptor alone once that is another's.

A task can close every socket of its process. The next ones get the same numbers, and then two connections
would share one and read each other's answers. So a socket remembers its inode; once its number stands for
another, it is lost, and lets go of the number without closing it. It looks before it sends, and before and after it
reads, 1 µs each time. macOS has no inodes for TCP: there it notices only what is closed or no such socket.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from typing import Any

_all: weakref.WeakValueDictionary[int, OwnSocket] = weakref.WeakValueDictionary()


class OwnSocket:
    """As much of a socket as redis-py uses; what uses a descriptor raises OSError where it was lost."""

    def __init__(self, sock: Any) -> None:
        let_go_of_the_lost()
        self._sock = sock
        self._number: int = sock.fileno()
        self._inode = os.fstat(self._number)[1:3]  # and its device
        self.thread_id = threading.get_native_id()
        # Asked for with each command, and slowly found to be missing where there is no TLS.
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
        self._check()  # while it waited it may have lost its own, and got what was meant for another
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
            self._sock.detach()  # of gevent's it wakes who waits for it
        else:
            self._sock.close()

    def _check(self) -> None:
        if self.is_lost:
            raise OSError(errno.EBADF, 'its socket was closed by something else in this process')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def let_go_of_the_lost() -> None:
    """Let go of all that were lost: who waits for one would wait in vain, or wake for what another gets."""
    here = threading.get_native_id()  # sockets of gevent belong to the thread that made them
    for own in [found() for found in _all.valuerefs()]:
        if own is not None and own.thread_id == here and own.is_lost:
            own.close()
