"""The process of an embedded server: start it, ask it on its port, end it."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from pytask.core.clock import monotonic_s
from pytask.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

START_LIMIT_S = 10.0
STOP_LIMIT_S = 5.0


def launch(binary: str, home: Path, port: int, *, stays: bool) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers. Raises ConfigError with the end of its log if it does not."""
    options = {
        'port': port, 'bind': '127.0.0.1', 'dir': str(home), 'appendonly': 'yes', 'save': '', 'loglevel': 'warning',
        'daemonize': 'no',
    }  # fmt: skip
    log = home / 'server.log'
    with log.open('wb') as output:
        process = subprocess.Popen(
            [binary, *(part for key, value in options.items() for part in (f'--{key}', str(value)))],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            # A session of its own: Ctrl-C reaches pytask only, which ends the server last.
            start_new_session=True, preexec_fn=None if stays else _die_with_parent,  # noqa: PLW1509 - it only calls prctl
        )  # fmt: skip
    limit = monotonic_s() + START_LIMIT_S
    while not answers(port):
        if process.poll() is not None or monotonic_s() > limit:
            end(process)
            raise ConfigError(f'{binary} did not start in {home}\n{log.read_text(errors="replace")[-600:]}')
        time.sleep(0.005)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    return asked(port, b'PING\r\n').startswith(b'+PONG')


def asked(port: int, command: bytes) -> bytes:
    """Return the beginning of a local server's answer, b'' if there is none."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=1.0) as probe:
            probe.sendall(command)
            return probe.recv(4096)
    except OSError:
        return b''


def _die_with_parent() -> None:
    # Runs between fork and exec. Outside Linux an orphaned server stays, and the next command joins it.
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


_PRCTL: Any = getattr(ctypes.CDLL(None), 'prctl', None) if sys.platform == 'linux' else None
