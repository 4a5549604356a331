"""Measure the web: 500 clients of server-sent events and 1,000 events a second, beside 500 live runs.

    bin/bench web                     all four cases, 20 seconds each
    bin/bench web 60 own/worker       one of them, for a minute

`own`: each client hears its own run, 1,000 deliveries a second. `all`: each hears every event, 500,000 a second.
`worker`: the web is in the process of the worker (pytask worker --web); `web`: it has its own (pytask web).

Latency is from the time that Redis stamped on an event until a client has read it. The clients are one process that
does little else, and in `all` looks into what every 25th of them gets. Ten more never read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import redis

CLIENTS, RUNS, SLOW, EVENTS_A_SECOND = 500, 500, 10, 1000
TOKEN = 'a-token-for-the-bench'
LEASE_S = 15.0
TASK = """
import pytask
class Ticker(pytask.Task):
    def __init__(self, pause: float): self.pause = pause
    def start(self):
        for n in self.every(self.pause):
            self.emit('tick', {'n': n, 'text': 'as much as an event may have to say'})
"""
AT = re.compile(rb'"at":([\d.]+)')


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


class Stage:
    """A Redis, a worker with 500 runs, and the web, beside it or in it."""

    def __init__(self, folder, *, is_beside):
        self.folder, self.is_beside = Path(folder), is_beside
        self.redis_port, self.port = free_port(), free_port()
        self.started = []

    def __enter__(self):
        (self.folder / 'tasks').mkdir()
        (self.folder / 'tasks' / 'ticker.py').write_text(TASK)
        server = shutil.which('redis-server')
        self.start(
            server, '--port', str(self.redis_port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'
        )
        self.redis = redis.Redis(port=self.redis_port, decode_responses=True)
        wait_until(self.redis_answers)
        address = f':{self.port}'
        self.worker = self.pytask(
            'worker', '--lease', str(LEASE_S), *([] if self.is_beside else ['--web', address])
        )
        self.web = self.pytask('web', address) if self.is_beside else self.worker
        wait_until(lambda: self.redis.zcard('workers') and is_open(self.port))
        self.start_runs()
        return self

    def __exit__(self, *_):
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, *words, **more):
        process = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.DEVNULL, **more)
        self.started.append(process)
        return process

    def pytask(self, *words):
        environment = {
            **os.environ, 'PYTASK_REDIS': f'redis://127.0.0.1:{self.redis_port}/0', 'PYTASK_WEB_TOKEN': TOKEN,
            'PYTASK_DRAIN': '0',
        }  # fmt: skip
        with (self.folder / f'{words[0]}.log').open('wb') as log:
            return self.start(sys.executable, '-m', 'pytask', *words, env=environment, stderr=log)

    def redis_answers(self):
        with contextlib.suppress(redis.RedisError):
            return self.redis.ping()

    def start_runs(self):
        pause = RUNS / EVENTS_A_SECOND
        for n in range(RUNS):
            self.redis.hset(f'task-r{n}', mapping={'task': 'ticker', 'data': json.dumps({'pause': pause})})
            self.redis.lpush('new-task', f'r{n}')
        wait_until(lambda: self.redis.zcard('leases') == RUNS)


class Clients:
    """500 connections in one epoll."""

    def __init__(self, port, *, hears_all):
        self.every = 25 if hears_all else 1
        self.poll = select.epoll()
        self.sockets = {}
        self.slow = [connect(port, '/api/v1/events') for _ in range(SLOW)]
        for n in range(CLIENTS):
            sock = connect(port, '/api/v1/events' if hears_all else f'/api/v1/runs/r{n % RUNS}/events')
            sock.setblocking(False)
            self.sockets[sock.fileno()] = (sock, n % self.every == 0)
            self.poll.register(sock, select.EPOLLIN)
        self.latencies, self.bytes, self.chunks, self.resets = [], 0, 0, 0

    def listen(self, seconds):
        self.latencies, self.bytes, self.chunks = [], 0, 0
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for descriptor, _ in self.poll.poll(0.1):
                sock, is_watched = self.sockets[descriptor]
                data = sock.recv(262_144)
                if not data:
                    raise SystemExit('a client was cut off')
                self.bytes += len(data)
                self.chunks += 1
                if is_watched:
                    now = time.time()
                    self.resets += data.count(b'event: reset')
                    self.latencies += [now - float(at) for at in AT.findall(data)]

    def close(self):
        for sock in [*(sock for sock, _ in self.sockets.values()), *self.slow]:
            sock.close()


def connect(port, path):
    sock = socket.create_connection(('127.0.0.1', port), timeout=20)
    head = f'GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n'
    sock.sendall(head.encode())
    got = b''
    while b'retry:' not in got:
        part = sock.recv(4096)
        assert part, got
        got += part
    assert got.startswith(b'HTTP/1.1 200'), got
    return sock


class Renewals:
    """How far apart the renewals of a lease are, watched by a process of its own."""

    CODE = """
import sys, time, redis
client = redis.Redis(port=int(sys.argv[1]))
before, at, gaps, limit = client.zscore('leases', 'r0'), None, [], time.monotonic() + float(sys.argv[2])
while time.monotonic() < limit:
    now = client.zscore('leases', 'r0')
    if now != before:
        gaps += [now - before] if at else []
        before, at = now, True
    time.sleep(0.05)
print(max(gaps, default=0) / 1000, client.zcard('leases'), *client.hvals('nothing'))
"""

    def __init__(self, port, seconds):
        self.process = subprocess.Popen(
            [sys.executable, '-c', self.CODE, str(port), str(seconds)], stdout=subprocess.PIPE, text=True
        )

    def longest(self):
        gap, leases = self.process.communicate()[0].split()
        return float(gap), int(leases)


def case(name, seconds):
    heard, where = name.split('/')
    with tempfile.TemporaryDirectory() as folder, Stage(folder, is_beside=where == 'web') as stage:
        clients = Clients(stage.port, hears_all=heard == 'all')
        clients.listen(3)  # warm
        served = psutil.Process(stage.web.pid)
        before = served.memory_info().rss
        used = times(stage), os.times()
        renewals = Renewals(stage.redis_port, seconds)
        clients.listen(seconds)
        gap, leases = renewals.longest()
        now = times(stage), os.times()
        after = served.memory_info().rss
        workers = [stage.redis.hgetall(f'worker-{i}') for i in stage.redis.zrange('workers', 0, -1)]
        events = len(clients.latencies) / (len(clients.sockets) // clients.every) / seconds
        rate = events * (1 if heard == 'all' else CLIENTS)
        clients.close()
    told = sorted(clients.latencies)
    cpu = {who: round(100 * (now[0][who] - used[0][who]) / seconds) for who in now[0]}
    cpu['clients'] = round(100 * sum(b - a for a, b in zip(used[1][:2], now[1][:2], strict=True)) / seconds)
    return {
        'case': name, 'events/s': round(rate), 'deliveries/s': round(events * CLIENTS),
        'MB/s': round(clients.bytes / seconds / 1e6, 1), 'reads/s': round(clients.chunks / seconds),
        **{f'p{p} ms': round(1000 * told[int(len(told) * p / 100)]) for p in (50, 99)},
        'max ms': round(1000 * told[-1]), 'resets': clients.resets, 'leases': leases,
        'longest renewal s': round(gap, 2), 'lag ms': workers[0].get('lag_ms'),
        'RSS MB': f'{before / 1e6:.0f} → {after / 1e6:.0f}', 'CPU %': cpu,
    }  # fmt: skip


def times(stage):
    names = {'redis': stage.started[0], 'worker': stage.worker} | ({'web': stage.web} if stage.is_beside else {})
    return {name: sum(psutil.Process(process.pid).cpu_times()[:2]) for name, process in names.items()}


def is_open(port):
    with socket.socket() as sock:
        return sock.connect_ex(('127.0.0.1', port)) == 0


def wait_until(predicate, seconds=30):
    limit = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > limit:
            raise SystemExit('not in time')
        time.sleep(0.05)


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name in sys.argv[2:] or ['own/worker', 'own/web', 'all/worker', 'all/web']:
        load = os.getloadavg()[0]
        found = case(name, seconds)
        print(f'{found.pop("case")}   load before {load:.1f}, after {os.getloadavg()[0]:.1f}')
        for key, value in found.items():
            print(f'    {key:<18} {value}')
        sys.stdout.flush()


if __name__ == '__main__':
    main()
