"""pytask, for the side-by-side benchmark: full state, events, leases. Run by its `run.py --add`."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.argv[1:2] == ['worker']:
    from gevent import monkey

    monkey.patch_all()

import producer
import rec

import pytask
from pytask import PyTask, Task
from pytask.client.starting import Launch

BULK = 500
IO_SLOTS = 6000


class Noop(Task):
    def start(self):
        return rec.noop()


class Sleep(Task):
    def __init__(self, a):
        self.a = a

    def start(self):
        import gevent

        return rec.sleep_body(self.a, gevent.sleep)


class Lat(Task):
    def __init__(self, a):
        self.a = a

    def start(self):
        return rec.lat(self.a)


class Long(Task):
    def __init__(self, a):
        self.a = a

    def start(self):
        import gevent

        return rec.long_body(self.a, gevent.sleep)


def app_of(**given):
    import os

    app = PyTask(os.environ['BENCH_URL'], **given)
    for task in (Noop, Sleep, Lat, Long):
        app.add_task(task)
    return app


class Peer:
    client = None

    @staticmethod
    def meta():
        return {
            'name': 'pytask',
            'version': pytask.__version__,
            'stores': 'task hash with state, output, times, token; lease; events; ended index; counters',
            'done': {'cmd': ['ZCARD', 'ended-SUCCESS'], 'dir': 'up'},
            'bulk': True,
            'cancel': 'durable stop',
            'variants': {
                'default': {
                    'argv': [sys.executable, str(Path(__file__).resolve()), 'worker'],
                    'io_conc': 5000,
                    'cancel': True,
                }
            },
        }

    @classmethod
    def open_(cls):
        cls.client = app_of().client

    @classmethod
    def send(cls, kind, *args):
        return cls.client.start(kind, {'a': args[0]} if args else {}).id

    @classmethod
    def send_bulk(cls, n):
        for at in range(0, n, BULK):
            cls.client.start_many([Launch('noop')] * min(BULK, n - at))

    @classmethod
    def cancel(cls, run_id):
        cls.client.stop(run_id)


if __name__ == '__main__':
    if sys.argv[1] == 'worker':
        sys.exit(app_of(concurrency=IO_SLOTS).run())
    producer.main(Peer)
