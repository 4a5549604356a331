"""What the matrix runs: each goes on until there is a file of its state's name, and writes its beginnings down."""

import os
import time
from contextlib import suppress
from pathlib import Path

import gevent
from gevent.monkey import get_original

from pytask import Task

BLOCKED_S = 3.0


class Cell(Task):
    NAME = 'cell'

    def __init__(self, n: int = 1):
        self.n = n

    def start(self):
        with Path(self.folder(), 'begun').open('a') as begun:
            begun.write(f'{self.id} {self.attempt} {self.n}\n')
        self.work()
        return self.n

    def work(self):
        while not self.is_let_go():
            gevent.sleep(0.02)
            self.checkpoint()

    def on_add(self):
        with Path(self.folder(), 'heard').open('a') as heard:
            heard.write(f'{self.id}\n')

    def on_n(self):
        return self.n

    def is_let_go(self):
        return Path(self.folder(), self.id.partition('-')[0]).exists()

    @staticmethod
    def folder():
        return os.environ['PYTASK_MATRIX']


class SlowStop(Cell):
    NAME = 'slow-stop'
    GRACE = 120

    def stop(self):
        Path(self.folder(), f'in-stop-{self.id}').touch()
        Cell.work(self)


class Blocked(Cell):
    """Half of them sleep in C, the others compute."""

    NAME = 'blocked'

    def work(self):
        if self.id.rpartition('-')[2] in ('now', 'bad'):
            until = time.monotonic() + BLOCKED_S
            while time.monotonic() < until:
                pass
        else:
            get_original('time', 'sleep')(BLOCKED_S)
        super().work()


class Deaf(Cell):
    NAME = 'deaf'

    def work(self):
        while not self.is_let_go():
            with suppress(BaseException):
                super().work()
