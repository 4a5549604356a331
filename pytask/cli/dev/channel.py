"""What the two processes of `pytask dev` tell each other: one JSON object a line, over a pair of sockets.

The end of the stream tells each that the other is gone, however it ended.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from typing import Any

# Names the descriptor to the worker process, which removes it: processes that its tasks start must not inherit it.
DESCRIPTOR = 'PYTASK_DEV_CHANNEL'


class Channel:
    def __init__(self, end: socket.socket) -> None:
        self._end, self._rest = end, b''
        self._received: list[dict[str, Any]] = []
        self.is_over = False

    @classmethod
    def inherited(cls) -> Channel | None:
        """Return this process's end if a supervisor started it, else None."""
        descriptor = os.environ.pop(DESCRIPTOR, '')
        if not descriptor:
            return None
        os.set_inheritable(int(descriptor), False)  # noqa: FBT003
        return cls(socket.socket(fileno=int(descriptor)))

    def fileno(self) -> int:
        return self._end.fileno()

    def send(self, **message: Any) -> None:
        """Send a message; if the other process is gone, do nothing."""
        with suppress(OSError):
            self._end.sendall(json.dumps(message).encode() + b'\n')

    def receive(self) -> list[dict[str, Any]]:
        """Wait for data; return the messages that are complete. Afterwards `is_over` may be true."""
        try:
            data = self._end.recv(65536)
        except OSError:
            data = b''
        self.is_over = not data
        *lines, self._rest = (self._rest + data).split(b'\n')
        return [json.loads(line) for line in lines]

    def next(self) -> dict[str, Any]:
        """Wait for the next message and return it; {} once the stream has ended."""
        while not self._received and not self.is_over:
            self._received += self.receive()
        return self._received.pop(0) if self._received else {}

    def close(self) -> None:
        self._end.close()
