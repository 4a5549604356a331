"""Backpressure: a worker that is short of something claims no runs until it recovers.

Short means before harm is done: the event loop is a second late, memory is at 90 % of its limit, file descriptors
at 80 %. Runs continue and leases are renewed; other workers claim meanwhile. A worker that is short of memory
although it runs nothing has a leak, and restarts.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from pytask.core.clock import monotonic_s
from pytask.worker.service import Service

if TYPE_CHECKING:
    from pytask.worker.lifetime import Lifetime
    from pytask.worker.slots import Slots

EVERY_S = 0.5
LATE_S, MEMORY_SHARE, FILES_SHARE = 1.0, 0.9, 0.8
_PAGE = resource.getpagesize()


class Backpressure(Service):
    """`why` says what the worker is short of, '' for nothing; `lag_s` how late the hub was last."""

    def __init__(self, slots: Slots, max_memory_mib: int, lifetime: Lifetime) -> None:
        super().__init__('pressure', lifetime)
        self._slots = slots
        self._most_bytes = memory_limit(max_memory_mib)
        self._open = _open_descriptors()
        self.lag_s = 0.0
        self.why = ''
        self.relieved = Event()
        self.relieved.set()

    def turn(self) -> None:
        asked_at = monotonic_s()
        gevent.sleep(EVERY_S)
        self.lag_s = max(0.0, monotonic_s() - asked_at - EVERY_S)
        self._say(self._short_of())

    def _short_of(self) -> str:
        if self.lag_s > LATE_S:
            return f'time: the event loop was {self.lag_s:.1f} s late'
        used = resident_bytes()
        if used > MEMORY_SHARE * self._most_bytes:
            if self._slots.empty.is_set():
                self._lifetime.restart('out of memory')
            return f'memory: {used >> 20:,} of {int(self._most_bytes) >> 20:,} MiB'
        most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        files = self._files_open(most_files)
        if files > FILES_SHARE * most_files:
            return f'file descriptors: {files:,} of {most_files:,}'
        return ''

    def _files_open(self, most: int) -> int:
        try:
            return sum(1 for _ in os.scandir(self._open))
        except OSError:  # listing them takes a descriptor, and none is left
            return most

    def _say(self, why: str) -> None:
        self.why = why
        if why:
            self.relieved.clear()
        else:
            self.relieved.set()


def memory_limit(setting_mib: int) -> float:
    """Return how many bytes this process may use: the setting, else the lower of its cgroup's and its own limit."""
    if setting_mib:
        return setting_mib * 2**20 / MEMORY_SHARE
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    limits = [float(own)] if own != resource.RLIM_INFINITY else []
    limits += [float(text) for text in map(_read, _CGROUP_FILES) if text.isdigit()]
    return min(limits, default=float('inf'))


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes; without /proc, its largest so far."""
    fields = _read('/proc/self/statm').split()
    if fields:
        return int(fields[1]) * _PAGE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


_CGROUP_FILES = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ''


def _open_descriptors() -> str:
    return '/proc/self/fd' if Path('/proc/self/fd').is_dir() else '/dev/fd'
