"""The tasks of a chaos run. They never raise; each writes its life into a journal outside Redis.

A line is `run attempt pid boot-clock what`, written at once by one `os.write`: begin, still (at least
every 100 ms), end. The journal, not Redis, says afterwards who was alive when.
"""

import os
from contextlib import contextmanager

import gevent

from pytask import Interrupted, Task
from pytask.core.clock import boot_s

STILL_S = 0.08
_journal = os.open(os.environ['CHAOS_JOURNAL'], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def write(task, what):
    os.write(_journal, f'{task.id} {task.attempt} {os.getpid()} {boot_s():.4f} {what}\n'.encode())


@contextmanager
def journalled(task):
    write(task, 'begin')
    how = 'end'
    try:
        yield
    except Interrupted as interruption:
        how = f'end {interruption.reason}'
        raise
    finally:
        write(task, how)


def live(task, seconds):
    limit = boot_s() + seconds
    while (left := limit - boot_s()) > 0:
        gevent.sleep(min(STILL_S, left))
        if left > STILL_S:
            write(task, 'still')


class Short(Task):
    def __init__(self, seconds: float):
        self.seconds = seconds

    def start(self):
        with journalled(self):
            live(self, self.seconds)
        return self.attempt


class Long(Short):
    def start(self):
        with journalled(self):
            for done in range(int(self.seconds) + 1):
                self.progress(done)
                live(self, min(1.0, self.seconds - done))
        return self.attempt


class Polite(Short):
    """Ends by itself when it is told to, and may take a moment for it."""

    graceful = True
    GRACE = 3

    def start(self):
        with journalled(self):
            limit = boot_s() + self.seconds
            while boot_s() < limit and not self.stopping.wait(STILL_S):
                write(self, 'still')
            live(self, 0.05)
        return self.attempt


class Resident(Task):
    def start(self):
        with journalled(self):
            live(self, float('inf'))
