"""Fixtures of the tests of `tasks/`: the gallery in a worker, and runs whose events are heard."""

import gevent
import pytest
from support import ROOT, SOON_S

from pytask import State


@pytest.fixture
def gallery(app, worker):
    app.discover(ROOT / 'tasks')
    worker()
    return app


class Followed:
    """A run, and the events heard of it so far."""

    def __init__(self, client, name, data):
        run_id = client.new_id()
        self.heard = []
        events = client.events(run_id)
        self.run = client.start(name, data, run_id=run_id)
        self.reader = gevent.spawn(self._read, events)

    def _read(self, events):
        for event in events:
            self.heard.append(event)

    def of(self, *names):
        """Return the data of the events of these names."""
        return [event.data for event in self.heard if event.event in names]

    def wait(self, timeout=30):
        """Wait for the end, and for the last event."""
        self.run.wait(timeout=timeout)
        self.reader.get(timeout=SOON_S)
        return self.run

    def stop(self):
        """Stop the run, and assert that it obeys promptly."""
        assert self.run.stop(grace=3 * SOON_S) == 'requested'  # so that it is not forced to end
        self.wait(timeout=SOON_S)
        assert (self.run.state, self.run.reason) == (State.STOPPED, 'stop')
        return self.run


@pytest.fixture
def follow(gallery):
    """Start a run and follow it: `follow('files/tail', path='…')`."""
    started = []

    def start(name, **data):
        started.append(Followed(gallery.client, name, data))
        return started[-1]

    yield start
    for followed in started:
        if not followed.reader.dead:
            followed.run.stop()
            followed.wait()
