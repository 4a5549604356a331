"""What runs while the faults happen. Each writes down when it ran, by the clock that all processes share."""

import os
import signal
import time
from contextlib import contextmanager

import gevent

from pytask import Task


def note(task, what):
    """Append a line to the journal; one write, so that lines of several processes do not mix."""
    line = f'{task.id} {task.attempt} {os.getpid()} {what} {time.clock_gettime(time.CLOCK_BOOTTIME):.6f}\n'
    journal = os.open(os.environ['JOURNAL'], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(journal, line.encode())
    os.close(journal)


class Noted(Task):
    """A base: notes its begin and its end, however it ends."""

    def start(self):
        note(self, 'begin')
        try:
            return self.work()
        finally:
            note(self, 'end')


class Quick(Noted):
    def work(self):
        return 'quick'


class Nap(Noted):
    def __init__(self, seconds: float = 0.5):
        self.seconds = seconds

    def work(self):
        gevent.sleep(self.seconds)
        return 'rested'


class Endless(Noted):
    def work(self):
        for _ in self.every(0.02):
            pass


class Talker(Noted):
    """Emits, makes progress, and has work to do in between."""

    def work(self):
        for n in range(5):
            self.emit('page', {'n': n})
            self.progress(n, 5)
            gevent.sleep(0.02)
        return 5


def kill_self(where):
    if os.environ.get('KILL_AT') == where:  # set for one victim only
        os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Noted):
    """Kills its process at the place that the environment names."""

    @staticmethod
    @contextmanager
    def provide_context():
        kill_self('enter')
        yield
        kill_self('leave')

    def __init__(self):
        kill_self('init')

    def work(self):
        kill_self('start')
