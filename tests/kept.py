"""Servers kept for a whole session, one for each binary and kind. Each test gets one that is as empty as a new one.

Starting servers took 57 % of the time of tests/store. A server that a test has killed, frozen or reconfigured is
thrown away, and so is one that no longer answers.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class KeptServers:
    """The servers of one process; nothing is kept for longer than that."""

    def __init__(self, folder):
        self._folder, self._stack = folder, ExitStack()
        self._free: dict[tuple, Kept] = {}
        self._started = 0

    @contextmanager
    def server(self, binary, kind):
        """Lend a server of this kind, with nothing on it."""
        kept = self._free.pop((binary, kind), None) or self._start(binary, kind)
        kept.wipe()
        yield kept.server
        if kept.is_as_new():
            self._free[binary, kind] = kept
        else:
            kept.server.__exit__()

    def _start(self, binary, kind):
        self._started += 1
        return Kept(self._stack.enter_context(kind(binary, self._folder / str(self._started))))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()


class Kept:
    """A server, and how it was configured when it was new."""

    def __init__(self, server):
        self.server = server
        with self._client() as client:
            self._configuration = self._read(client)

    def wipe(self):
        """Remove what the last test left: connections, keys, scripts, counters."""
        with self._client() as client, client.pipeline(transaction=False) as pipe:
            self._disconnect(pipe)
            for words in ('FLUSHALL', 'SCRIPT FLUSH', 'CONFIG RESETSTAT', 'SLOWLOG RESET', 'ACL LOG RESET'):
                pipe.execute_command(*words.split())
            pipe.execute()

    def is_as_new(self):
        """Tell whether the next test may have it; connections of the last one end here, as with their server."""
        if self.server.is_harmed or self.server.process.poll() is not None:
            return False
        try:
            with self._client() as client:
                with client.pipeline(transaction=False) as pipe:
                    self._disconnect(pipe)
                    pipe.execute()
                return self._read(client) == self._configuration
        except redis.RedisError:
            return False

    def _client(self):
        return self.server.client(
            socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )  # it answers at once, or is given up

    @staticmethod
    def _read(client):
        return client.config_get('*'), client.acl_list()

    @staticmethod
    def _disconnect(pipe):
        for kind in ('normal', 'pubsub'):
            pipe.client_kill_filter(_type=kind, skipme=True)
