"""tcp/relay: relay a port of this machine to another host, and report each connection.

    pytask start tcp/relay --id db target=10.0.0.5:5432 port=15432 limit=50
    pytask tail db                          # `listening`, then `opened` and `closed` with the bytes both ways
    pytask ask db connections               # who is connected right now
    pytask stop db                          # accept no more; open connections have GRACE seconds to finish

Worth learning from: a server is a task. Each connection is a child greenlet, which never outlives the run;
`stop` stops accepting, and `start` returns when the last connection has ended.
"""

import socket
import time
from contextlib import suppress

import gevent
from gevent.lock import BoundedSemaphore

from pytask import Task

CHUNK_BYTES = 64 * 1024
CONNECT_S = 10


class Relay(Task):
    """Emit `listening` with `host` and `port`, then `opened` and `closed` for each connection.

    Port 0 means any free port. At the limit further clients wait until a connection ends. `closed` has the bytes
    `sent` to the target and `received` from it, and an `error` if the target could not be reached.
    """

    NAME = 'tcp/relay'
    GRACE = 30

    def __init__(self, target: str, port: int = 0, host: str = '127.0.0.1', limit: int = 100) -> None:
        there, _, its_port = target.rpartition(':')
        if not there or not its_port.isdecimal() or not 0 < int(its_port) < 65536:
            raise self.Error(f'target must be HOST:PORT, not {target!r}')
        if not 0 <= port < 65536 or not 0 < limit <= 5000:
            raise self.Error(f'port must be 0 to 65535 and limit 1 to 5000, not {port} and {limit}')
        self.target, self.place = (there.strip('[]'), int(its_port)), (host, port)
        self.limit, self.free = limit, BoundedSemaphore(limit)
        self.open: dict[int, dict[str, object]] = {}
        self.total = 0
        self.acceptor = None

    def start(self) -> dict[str, int]:
        family = socket.AF_INET6 if ':' in self.place[0] else socket.AF_INET
        try:
            listener = socket.create_server(self.place, family=family, backlog=1024)
        except OSError as error:
            why = str(error.strerror).partition(' (')[0]
            raise self.Error(f'cannot listen on {self.place[0]}:{self.place[1]}: {why}') from error
        with listener:
            host, port = listener.getsockname()[:2]
            self.emit('listening', {'host': host, 'port': port})
            self.acceptor = self.spawn(self.accept, listener)
            self.acceptor.join()
        self.join()
        return {'connections': self.total}

    def stop(self) -> None:
        if self.acceptor is not None:
            self.acceptor.kill(block=False)

    def accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            self.free.acquire()  # at the limit, clients wait in the kernel's backlog
            try:
                client, address = listener.accept()
            except OSError as error:  # for example, no file descriptors are left
                self.free.release()
                self.message(f'cannot accept: {error}')
                self.sleep(1)
            else:
                self.total += 1
                self.spawn(self.serve, client, f'{address[0]}:{address[1]}', self.total)

    def serve(self, client: socket.socket, peer: str, number: int) -> None:
        about = self.open[number] = {'peer': peer, 'sent': 0, 'received': 0}
        begun = time.monotonic()
        try:
            with client:
                self.report('opened', {'peer': peer})
                with socket.create_connection(self.target, CONNECT_S) as target:
                    target.settimeout(None)
                    for end in (client, target):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # forward small packets at once
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notice peers that vanished
                    back = gevent.spawn(copy, target, client, about, 'received')  # also ends with the run
                    copy(client, target, about, 'sent')
                    back.join()
        except (OSError, UnicodeError) as error:
            about['error'] = f'cannot reach {self.target[0]}:{self.target[1]}: {error}'
        finally:
            del self.open[number]
            self.free.release()
            self.report('closed', {**about, 'seconds': round(time.monotonic() - begun, 3)})

    def report(self, event: str, about: dict[str, object]) -> None:
        self.emit(event, about)
        self.progress(len(self.open), target=self.limit)

    def on_connections(self) -> list[dict[str, object]]:
        return [dict(about) for about in self.open.values()]


def copy(source: socket.socket, sink: socket.socket, about: dict[str, object], way: str) -> None:
    """Copy one direction to its end. `sendall` waits for a slow reader, so at most one chunk is held."""
    try:
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
            about[way] += len(chunk)
        sink.shutdown(socket.SHUT_WR)  # half closed: the other direction continues
    except OSError:  # one side is gone, so close the other
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
