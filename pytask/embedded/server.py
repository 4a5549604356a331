"""The embedded server: a private Redis or Valkey for one folder, for `pytask dev`, trials and tests.

It listens on loopback only, keeps its data in `.pytask/redis` (AOF on), and dies with the process that started it,
even on kill -9. `server.json` lets other commands in the folder find and join it. If it ends while another process
has joined it, that process's `keep` restarts it, with the same port and data.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.core.clock import monotonic_s
from pytask.embedded.binaries import find_server
from pytask.embedded.launch import STOP_LIMIT_S, answers, asked, end, launch
from pytask.errors import ConfigError

if TYPE_CHECKING:
    import subprocess

# A server that has to be restarted more often than this is broken.
STARTS = 10


def url_of(folder: Path) -> str | None:
    """Return the URL of the embedded server that runs for a folder, None if there is none."""
    running = _running(_home(folder))
    return None if running is None else _url(running[1])


def owner_of(folder: Path) -> int:
    """Return the pid of the process that a folder's server ends with; 0 if it stays until it is stopped."""
    return _owner(_home(folder))


def stop_server(folder: Path) -> None:
    """Stop the server of a folder, no matter which process started it. Raises ConfigError if it does not end."""
    running = _running(_home(folder))
    if running is None:
        return
    pid, port = running
    os.kill(pid, signal.SIGTERM)
    limit = monotonic_s() + STOP_LIMIT_S
    while answers(port):  # the process itself may stay as a zombie
        if monotonic_s() > limit:
            raise ConfigError(f'the server (process {pid}) did not end within {STOP_LIMIT_S:g} s of SIGTERM')
        time.sleep(0.01)
    (_home(folder) / 'server.json').unlink(missing_ok=True)


class EmbeddedServer:
    """The server of a folder, started here or joined if it already runs.

    It ends with the process that started it, unless it `stays` until it is stopped.
    """

    def __init__(self, folder: Path, *, stays: bool = False) -> None:
        self.home = _home(folder)
        self._stays = stays
        self.is_joined = False
        self.binary = ''
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = self._port = self._starts = 0
        self._line: socket.socket | None = None  # closes when the server ends
        self.url = ''

    def start(self) -> EmbeddedServer:
        """Start it and wait until it answers. Raises ConfigError if no binary is found or it does not start."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home.parent / '.gitignore').write_text('*\n')
        with (self.home / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two servers would overwrite each other's data
            running = _running(self.home)
            self.is_joined = running is not None
            if running is not None:
                self._process, (self._pid, self._port) = None, running
            else:
                self.binary = find_server()
                self._launch(self._port or free_port())
        self.url = _url(self._port)
        self._listen()
        return self

    def keep(self) -> bool:
        """Restart the server if it has exited, no matter who started it; return whether it had.

        Call this periodically. Raises ConfigError if it does not start, or has to be restarted again and again.
        """
        if self._is_there():
            return False
        if answers(self._port):  # it only closed the connection
            self._listen()
            return False
        if self._process is not None:
            self._process.poll()
        if _has_process(self._pid):  # still ending
            return False
        self._starts += 1
        if self._starts > STARTS:
            raise ConfigError(f'{self.binary} keeps exiting; see {self.home}/server.log')
        self.start()
        return True

    def stop(self) -> None:
        """Stop it, unless it was joined: then it belongs to another process."""
        line, self._line = self._line, None
        if self._process is not None:
            (self.home / 'server.json').unlink(missing_ok=True)
            if line is not None:
                with suppress(OSError):
                    line.sendall(b'SHUTDOWN\r\n')  # acts at once; a signal may take 0.1 s
            end(self._process)
            self._process = None
        if line is not None:
            line.close()

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def owner(self) -> int:
        return _owner(self.home)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def _listen(self) -> None:
        try:
            self._line = socket.create_connection(('127.0.0.1', self._port), timeout=1.0)
            self._line.settimeout(0)
        except OSError:
            self._line = None

    def _is_there(self) -> bool:
        if self._line is None:
            return False
        try:
            is_over = not self._line.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            is_over = True
        if is_over:
            self._line.close()
            self._line = None
        return not is_over

    def _launch(self, port: int) -> None:
        self._process = launch(self.binary, self.home, port, stays=self._stays)
        self._pid, self._port = self._process.pid, port
        owner = 0 if self._stays else os.getpid()
        facts = {'pid': self._pid, 'port': port, 'url': _url(port), 'binary': self.binary, 'owner': owner}
        (self.home / 'server.json').write_text(json.dumps(facts))


def _running(home: Path) -> tuple[int, int] | None:
    """Return the pid and port of the server that runs there, None if there is none."""
    facts = _facts(home)
    try:
        pid, port = int(facts['pid']), int(facts['port'])
    except (ValueError, KeyError, TypeError):
        return None
    # Ask the server for its pid: another server may have the port by now, and another process the pid.
    return (pid, port) if f'process_id:{pid}\r'.encode() in asked(port, b'INFO server\r\n') else None


def _has_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except ProcessLookupError:
        return False
    except OSError:
        return not Path('/proc/self/stat').exists()  # without /proc, a process that exists counts


def _home(folder: Path) -> Path:
    return folder.resolve() / '.pytask' / 'redis'


def _url(port: int) -> str:
    return f'redis://127.0.0.1:{port}/0'


def free_port() -> int:
    """Return a TCP port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def _facts(home: Path) -> dict[str, Any]:
    try:
        facts = json.loads((home / 'server.json').read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _owner(home: Path) -> int:
    owner = _facts(home).get('owner', 0)
    return owner if isinstance(owner, int) and owner and _has_process(owner) else 0
