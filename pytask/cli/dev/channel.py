"""What the two processes of `pytask dev` say to each other: one JSON object a line, over a pair of sockets.

The one that ends, however it ends, is told from by the end of the stream.
"""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from contextlib import suppress
from typing import Any

# Names the descriptor to the worker's process, which forgets it: what its tasks start is no part of this.
DESCRIPTOR = 'PYTASK_DEV_CHANNEL'


class Channel:
    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b''
        self._heard: deque[dict[str, Any]] = deque()
        self.is_over = False

    @classmethod
    def inherited(cls) -> Channel | None:
        """Return this process's end, where another process has started it as a part of `dev`."""
        descriptor = os.environ.pop(DESCRIPTOR, '')
        if not descriptor:
            return None
        os.set_inheritable(int(descriptor), False)  # noqa: FBT003
        return cls(socket.socket(fileno=int(descriptor)))

    def fileno(self) -> int:
        return self._end.fileno()

    def tell(self, **words: Any) -> None:
        """Say something; who has gone hears nothing."""
        with suppress(OSError):
            self._end.sendall(json.dumps(words).encode() + b'\n')

    def hear(self) -> list[dict[str, Any]]:
        """Wait for what the other says next, and return it; `is_over` where that was all."""
        try:
            data = self._end.recv(65536)
        except OSError:
            data = b''
        self.is_over = not data
        *lines, self._rest = (self._rest + data).split(b'\n')
        return [json.loads(line) for line in lines]

    def next(self) -> dict[str, Any]:
        """Wait for the next thing the other says, and return it; nothing where there is no more."""
        while not self._heard and not self.is_over:
            self._heard.extend(self.hear())
        return self._heard.popleft() if self._heard else {}

    def close(self) -> None:
        self._end.close()
