"""A TCP proxy between a worker and Redis that does harm when told to: to all, or at a given command.

It lives in the hub of the test's own process and reads enough RESP to know where a request and its
reply begin and end, and which script an EVALSHA means. So a test can say "at the second `claim`, after
it was executed and before its reply: cut", which takes the place of failpoints in the product.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter, deque

import gevent

from pytask.store.lua_source import sources

BEFORE, AFTER, REPLIED = MOMENTS = ('before', 'after', 'replied')
CUT, HALVE, SWALLOW = 'cut', 'halve', 'swallow'
SCRIPTS = {source.sha.encode(): source.name for source in sources()}


class Rule:
    """Something to do at a command. `hit` tells how often it has been done."""

    def __init__(self, name, when, do, nth, times, where):
        self.name, self.when, self.do, self.nth, self.times, self.where = name, when, do, nth, times, where
        self.seen = self.hit = 0

    def is_met(self, name, words):
        if name != self.name or self.hit >= self.times or not self.where(words):
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.hit += 1
        return True


class Proxy:
    """`with Proxy(port) as proxy:` listens at `proxy.url` and passes everything on to `port`.

    `cut` closes all connections; `refuse` closes the door too, until `accept`. In a black hole bytes
    vanish both ways and nobody is told; a connection that has lost some stays silent after `heal`.
    """

    def __init__(self, port):
        self.target = port
        self.port = 0
        self.is_black = False
        self.delay_s = 0.0
        self.rules = []
        self.links = set()
        self.seen = Counter()
        self._door = self._doorman = None

    @property
    def url(self):
        return f'redis://127.0.0.1:{self.port}/0'

    def at(self, name, when, do, *, nth=1, times=1, where=lambda words: True):
        """At the `nth` command of this name (a script's, or Redis' own) from now on, and `times` in all: do it.

        `when` is BEFORE it reaches the server, AFTER it was executed and before the reply is passed on,
        or REPLIED. `do` is CUT, HALVE (pass on half of the request or reply, then cut), SWALLOW (none of it; the
        connection is silent from then on), or a function that returns one of these, or None to go on.
        """
        rule = Rule(name, when, do, nth, times, where)
        self.rules.append(rule)
        return rule

    def cut(self):
        for link in list(self.links):
            link.close()

    def refuse(self):
        self._doorman.kill()
        self._door.close()
        self.cut()

    def accept(self):
        self._door = socket.socket()
        self._door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._door.bind(('127.0.0.1', self.port))
        self._door.listen(128)
        self.port = self._door.getsockname()[1]
        self._doorman = gevent.spawn(self._accept)

    def black_out(self):
        self.is_black = True

    def silence_listeners(self):
        """Let those connections that have subscribed become half-open: silent, and nobody is told."""
        for link in self.links:
            link.is_silent = link.is_silent or link.is_listening

    def heal(self):
        self.is_black = False
        self.delay_s = 0.0

    def _accept(self):
        while True:
            client, _ = self._door.accept()
            self.links.add(Link(self, client))

    def rules_at(self, words):
        name = name_of(words)
        self.seen[name] += 1
        return [rule for rule in self.rules if rule.is_met(name, words)]

    def __enter__(self):
        self.accept()
        return self

    def __exit__(self, *_):
        self._doorman.kill()
        self._door.close()
        for link in list(self.links):
            link.end()


class Link:
    """A client's connection, and ours to the server in its stead."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.server = socket.socket()
        # What was swallowed never comes: the rest of the stream would make no sense.
        self.is_silent = proxy.is_black
        self.is_listening = False
        self.asked = deque()
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ends = [gevent.spawn(self._run, self._up, self.client)]
        if not self.is_silent:
            try:
                self.server.connect(('127.0.0.1', proxy.target))
            except OSError:
                self.close()
            else:
                self.ends.append(gevent.spawn(self._run, self._down, self.server))

    def close(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def end(self):
        gevent.killall(self.ends)
        self.client.close()
        self.server.close()
        self.proxy.links.discard(self)

    def _run(self, pump, source):
        try:
            for frame in frames(source, self.proxy):
                pump(frame)
        except OSError:
            pass
        # The end of one side is told to the other, but not through a hole.
        if not self.is_silent:
            self.close()

    def _is_swallowed(self):
        self.is_silent = self.is_silent or self.proxy.is_black
        return self.is_silent

    def _up(self, frame):
        if self._is_swallowed():
            return
        words = words_of(frame)
        rules = self.proxy.rules_at(words)
        if self._is_lost(rules, BEFORE, self.server, frame):
            return
        if words[0].upper() in (b'SUBSCRIBE', b'PSUBSCRIBE'):
            self.is_listening = True
        else:
            self.asked.append(rules)
        self.server.sendall(frame)

    def _down(self, frame):
        if self._is_swallowed():
            return
        rules = [] if self.is_listening else self.asked.popleft()
        if self._is_lost(rules, AFTER, self.client, frame):
            return
        self.client.sendall(frame)
        self._is_lost(rules, REPLIED, self.client, b'')

    def _is_lost(self, rules, when, sink, frame):
        """Do what is to be done at this moment; tell whether the frame at hand is lost by it."""
        verdicts = [rule.do if isinstance(rule.do, str) else rule.do() for rule in rules if rule.when == when]
        if HALVE in verdicts:
            sink.sendall(frame[: len(frame) // 2])
        if HALVE in verdicts or CUT in verdicts:
            self.close()
        elif SWALLOW in verdicts:
            self.is_silent = True
        return any(verdicts)


def frames(source, proxy):
    """Yield what arrives, one request or reply at a time."""
    data = bytearray()
    while part := source.recv(262_144):
        if proxy.delay_s:
            gevent.sleep(proxy.delay_s / 2)
        data += part
        while (end := frame_end(data, 0)) is not None:
            frame = bytes(data[:end])
            del data[:end]
            yield frame


def frame_end(data, at):
    """Return where the RESP value that begins at `at` ends; None while it is not all there."""
    line_end = data.find(b'\r\n', at)
    if line_end < 0:
        return None
    kind, after = data[at : at + 1], line_end + 2
    if kind not in (b'$', b'*'):
        return after
    count = int(data[at + 1 : line_end])
    if kind == b'$':
        end = after + count + 2 if count >= 0 else after
        return end if end <= len(data) else None
    for _ in range(count):
        after = frame_end(data, after)
        if after is None:
            return None
    return after


def words_of(frame):
    """Read a request: an array of bulk strings."""
    words, at = [], frame.index(b'\r\n') + 2
    while at < len(frame):
        line_end = frame.index(b'\r\n', at)
        end = line_end + 2 + int(frame[at + 1 : line_end])
        words.append(frame[line_end + 2 : end])
        at = end + 2
    return words


def name_of(words):
    command = words[0].upper()
    if command == b'EVALSHA':
        return SCRIPTS.get(words[1], 'EVALSHA')
    return command.decode()
