"""How long a stop takes, from asking to STOPPED recorded: 1,000, with 1,000 others running; `bin/bench stop`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
TASKS = """
import gevent
from pytask import Task


class Resident(Task):
    graceful = True

    def start(self):
        self.stopping.wait()


class Busy(Task):
    def start(self):
        while True:
            gevent.sleep(0.5)
"""
STOPS, OTHERS = 1000, 1000
# DESIGN: a cooperative task.
TARGET_MS = {50: 5.0, 99: 25.0}


def measure(client, store):
    from pytask.client.starting import Launch

    others = client.start_many([Launch('busy')] * OTHERS)
    ids = [run.id for run in client.start_many([Launch('resident')] * STOPS)]
    while store.db.call('ZCARD', store.keys.leases) < STOPS + OTHERS:
        time.sleep(0.05)
    time.sleep(2)  # the first heartbeats
    took_ms = []
    stream = store.events(ids)
    for run_id in ids:
        since = time.perf_counter()
        assert client.stop(run_id) == 'requested'
        while (event := stream.read(timeout_s=5)) is not None and event.event != 'stopped':
            pass
        took_ms.append((time.perf_counter() - since) * 1000)
        assert event is not None, 'no end was told within 5 s'
    stream.close()
    assert {run.state.value for run in store.runs.read(ids)} == {'STOPPED'}
    assert {run.state.value for run in store.runs.read([run.id for run in others])} == {'RUNNING'}
    return took_ms


def main():
    from pytask import Client
    from pytask.embedded.server import EmbeddedServer

    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        tasks = Path(folder, 'tasks')
        tasks.mkdir()
        (tasks / 'some.py').write_text(TASKS)
        environment = os.environ | {'PYTASK_REDIS': server.url, 'PYTHONPATH': str(ROOT)}
        command = [sys.executable, '-m', 'pytask', 'worker', '--tasks', str(tasks), '--concurrency', '3000']
        worker = subprocess.Popen(
            [*command, '--drain', '0'], cwd=folder, env=environment, stderr=subprocess.DEVNULL
        )
        client = Client(server.url)
        try:
            cuts = quantiles(measure(client, client.store), n=100)
        finally:
            worker.terminate()
            worker.wait(30)
            client.close()
    told = [f'p{n} {cuts[n - 1]:.2f} ms (target {limit:g})' for n, limit in TARGET_MS.items()]
    print(f'stop → STOPPED recorded, {STOPS:,} stops, {OTHERS:,} others running: {", ".join(told)}')


if __name__ == '__main__':
    main()
