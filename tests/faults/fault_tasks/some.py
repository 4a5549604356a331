"""What runs while the faults happen. Each writes down when it ran, by the clock that all processes share."""

import ctypes
import os
import signal
import socket
import sys
import time
from contextlib import contextmanager

import gevent
from gevent import monkey

from pytask import Task
from pytask.worker.heartbeat import Heartbeat

really_sleep = monkey.get_original('time', 'sleep')


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
        return self.attempt


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


class SilentNap(Nap):
    """Needs no descriptor, so it can sleep where others have none left."""

    def start(self):
        return self.work()


class DescriptorHog(Task):
    """Takes all descriptors, and for a while each that becomes free."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.taken = []

    def start(self):
        try:
            self.take_all()
            self.progress(len(self.taken))
            until = time.monotonic() + self.seconds
            while time.monotonic() < until:
                gevent.sleep(0.001)
                reason = self.take_all()
            return reason
        finally:
            for each in self.taken:
                each.close()

    def take_all(self):
        while True:
            try:
                self.taken.append(socket.socket())
            except OSError as error:
                return error.errno


class MemoryHog(Task):
    """Takes all memory for a while, in large pieces: without its last kilobytes the interpreter dies."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def start(self):
        taken = []
        try:
            while True:
                taken.append(bytearray(10_000_000))
        except MemoryError:
            gevent.sleep(self.seconds)
            raise


class Saboteur(Noted):
    """Breaks the heartbeat of its worker, the first time it runs."""

    def work(self):
        if self.attempt == 1:
            Heartbeat._beat = None
            gevent.sleep(60)


class Flood(Noted):
    """Says more than a slow reader reads."""

    def __init__(self, events: int, size: int):
        self.events, self.text = events, 'x' * size

    def work(self):
        for _ in range(self.events):
            self.emit('drop', self.text)
        return self.events


class Blocker(Noted):
    """Blocks the hub, the first time it runs: no interruption reaches it."""

    def work(self):
        if self.attempt == 1:
            really_sleep(60)


class Crasher(Noted):
    """Takes its process with it, each time."""

    def work(self):
        ctypes.string_at(0)


class Forker(Noted):
    """Its child sleeps, prints and exits, as if it were alone."""

    def work(self):
        child = os.fork()
        if not child:
            gevent.sleep(0.3)
            print('hello from the child')
            sys.exit(3)
        _, code = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(code)
