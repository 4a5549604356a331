"""A server that can be harmed, a journal of what ran, and what must be true after every fault."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from support import TestServer, wait_until

TASKS = Path(__file__).parent / 'fault_tasks'
LEASE_S = 1.0
# A worker is back at work within 5 s of Redis; the rest is for a busy machine.
BACK_S = 8.0
ENDINGS = ('success', 'error', 'exception', 'stopped')


class FaultServer(TestServer):
    """Keeps its data over a kill, and may be told to start in a bad way."""

    def __init__(self, binary, folder, *more):
        super().__init__(binary, folder, appendonly=True)
        self.more = list(more)

    def start(self):
        self.launch()
        wait_until(self.answers, 'the server answers')
        return self

    def launch(self, *more):
        """Start it without waiting."""
        options = ['--port', self.port, '--bind', '127.0.0.1', '--save', '', '--dir', self.folder]
        options += [
            '--appendonly',
            'yes',
            '--appendfsync',
            'no',
            '--enable-debug-command',
            'yes',
            *self.more,
            *more,
        ]
        self.process = subprocess.Popen(
            [self.binary, *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def forget(self):
        """Let it start empty next time."""
        for found in self.folder.iterdir():
            shutil.rmtree(found) if found.is_dir() else found.unlink()


class Line(NamedTuple):
    run_id: str
    attempt: int
    pid: int
    what: str
    at: float


class Journal:
    """What the tasks of all processes wrote down, each line with the boot time."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        if not self.path.exists():
            return []
        fields = [line.split() for line in self.path.read_text().splitlines()]
        return [Line(run_id, int(attempt), int(pid), what, float(at)) for run_id, attempt, pid, what, at in fields]

    def begins(self):
        """How often each run has begun."""
        return Counter(line.run_id for line in self.lines() if line.what == 'begin')

    def going(self, *, dead=()):
        """The runs that have begun and not ended, but for those of processes that were killed."""
        count = Counter()
        for line in self.lines():
            count[line.run_id] += {'begin': 1, 'end': -1}[line.what] if line.pid not in dead else 0
        return {run_id for run_id, n in count.items() if n}

    def check_alone(self, *, dead=()):
        """Assert that no run ever began while it was still going (I2); killed processes end without a line."""
        since = {}
        for line in sorted(self.lines(), key=lambda line: line.at):
            before = since.get(line.run_id)
            if line.what == 'begin':
                assert before is None or before.pid in dead, f'twice at the same time: {before} and {line}'
                since[line.run_id] = line
            elif before is not None and (before.pid, before.attempt) == (line.pid, line.attempt):
                del since[line.run_id]


class Heard:
    """Everything that is published about runs, heard on a connection that no fault touches."""

    def __init__(self, server):
        self._client = server.client()
        self._pubsub = self._client.pubsub()
        self._pubsub.psubscribe('task-*')
        wait_until(lambda: self._pubsub.get_message(timeout=1), 'it listens')
        self.events = []

    def endings(self):
        """How often each run's end was told."""
        while message := self._pubsub.get_message(timeout=0.02):
            if message['type'] == 'pmessage' and message['data'].startswith('{"event"'):
                event = json.loads(message['data'])['event']
                self.events.append((message['channel'].removeprefix('task-'), event))
        return Counter(run_id for run_id, event in self.events if event in ENDINGS)

    def close(self):
        self._pubsub.close()
        self._client.close()


def states(client, ids):
    return [run.state if run else None for run in client.store.runs.read(ids)]


def stats(redis):
    return {name: int(count) for name, count in redis.hgetall('stats').items()}


def check_ended_once(client, redis, ids, *, state='SUCCESS', heard=None):
    """Assert that each of these, and nothing else, has ended exactly once, in this state (I3, I4, I7)."""
    assert Counter(states(client, ids)) == {state: len(ids)}
    assert set(redis.zrange(f'ended-{state}', 0, -1)) >= set(ids)
    counted = {name: n for name, n in stats(redis).items() if 'pytask/' not in name}
    assert sum(counted.values()) == len(ids), counted
    if heard is not None:
        assert heard.endings() == dict.fromkeys(ids, 1)


def log_lines(text, what='cannot use Redis'):
    return [line for line in text.splitlines() if what in line]


class Watch:
    """Measures spans, and prints them: a test's limit is loose, the figure is not."""

    def __init__(self):
        self.since = time.monotonic()

    def span(self):
        return time.monotonic() - self.since

    def took(self, what):
        took_s = self.span()
        print(f'{what}: {took_s:.2f} s')
        return took_s
