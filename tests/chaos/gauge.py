"""Connections, file descriptors and memory of each process, once a second: does anything grow?"""

from typing import NamedTuple

import psutil

from pytask.core.clock import boot_s


class Sample(NamedTuple):
    at: float
    connections: int
    descriptors: int
    rss_mb: float

    def __str__(self):
        return f'{self.connections} connections, {self.descriptors} fds, {self.rss_mb:.1f} MB'


class Gauge:
    """Samples of the server, and of the worker process that has lived longest."""

    def __init__(self, cast):
        self._cast, self._of, self._next_at = cast, {}, 0.0
        self.server, self.oldest, self.oldest_name = [], [], ''

    def tick(self):
        if boot_s() < self._next_at:
            return
        self._next_at = boot_s() + 1.0
        self._take(self.server, self._cast.redis)
        alive = set()
        for worker in self._cast.workers:
            samples = self._of.setdefault(worker.pid, [])
            alive.add(worker.pid)
            self._take(samples, worker)
            if samples and _span(samples) >= _span(self.oldest):
                self.oldest, self.oldest_name = samples, f'{worker.name} (pid {worker.pid})'
        self._of = {pid: samples for pid, samples in self._of.items() if pid in alive}

    @staticmethod
    def _take(samples, kept):
        try:
            process = psutil.Process(kept.pid)
            sockets = len(process.net_connections('tcp'))
            samples.append(Sample(boot_s(), sockets, process.num_fds(), process.memory_info().rss / 2**20))
        except (psutil.Error, ValueError):
            pass  # it is just being killed


def _span(samples):
    return samples[-1].at - samples[0].at if samples else 0.0


def at_tenth(samples):
    return samples[len(samples) // 10]
