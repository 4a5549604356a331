"""Servers that stand until they are told to go: `bin/redis [single|sentinel]`. Nothing of them is kept."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

from servers import Watched
from support import TestServer

from pytask.embedded.binaries import find_server
from pytask.errors import ConfigError

KINDS = ('single', 'sentinel')


def main(words):
    kind = words[0] if words else 'single'
    if len(words) > 1 or kind not in KINDS:
        print(f'bin/redis: {" ".join(words)!r} is not one of {", ".join(KINDS)}', file=sys.stderr)
        return 2
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    try:
        binary = find_server()
    except ConfigError as error:
        print(f'bin/redis: {error}', file=sys.stderr)
        return 78
    with tempfile.TemporaryDirectory(prefix='pytask-redis-') as folder:
        # What they are started with they keep: a Ctrl-C at the terminal is for us, and we end them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        with make(kind, binary, Path(folder)) as made:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            return stand(made, over)


def make(kind, binary, folder):
    if kind == 'single':
        return TestServer(binary, folder / 'server')
    return Watched(binary, folder, replicas=1)


def stand(made, over):
    """Print where they are, and wait. Returns the exit code: 1 where one of them has ended by itself."""
    members = {}
    if isinstance(made, Watched):
        members = {f'server-{i}': server for i, server in enumerate(made.servers)}
        members |= {f'sentinel-{i}': sentinel for i, sentinel in enumerate(made.sentinels)}
    print(made.url, flush=True)
    for name, server in members.items():
        print(f'{name}\t127.0.0.1:{server.port}\tpid {server.process.pid}', flush=True)
    print(f'use it:  PYTASK_REDIS={made.url} bin/pytask worker\nCtrl-C ends it; nothing is kept', file=sys.stderr)
    while not over.wait(0.5):
        if not members and made.process.poll() is not None:
            print('the server has ended', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
