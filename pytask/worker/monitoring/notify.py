"""What systemd is told: a datagram of lines to the socket it named; nothing where it named none."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """sd_notify(3). `watchdog_s` is how often systemd wants to hear of us, 0 where it does not."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get('NOTIFY_SOCKET', '')
        self._address = '\0' + path[1:] if path.startswith('@') else path
        usec = environ.get('WATCHDOG_USEC', '')
        is_mine = environ.get('WATCHDOG_PID') in (None, str(os.getpid()))
        self.watchdog_s = int(usec) / 1e6 if path and is_mine and usec.isdigit() else 0.0
        self._socket: socket.socket | None = None
        if path:  # opened now: with no descriptor left, the watchdog must be fed all the same
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(0)

    def tell(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # systemd being away is no matter of ours
                self._socket.sendto('\n'.join(lines).encode(), self._address)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
