"""The web of an app: its WSGI application, and a server in this process."""

from __future__ import annotations

import pytest
from callers import TOKEN, Caller, Follower, make_app
from support import wait_until

from pytask.net.listen import listener
from pytask.web import application
from pytask.web.server import Web


@pytest.fixture
def app(server):
    app = make_app(server.url)
    yield app
    app.client.close()


@pytest.fixture
def sites(server):
    """Make WSGI applications: `sites(token=…, auth=…)`, settings as `settings={…}`."""
    made = []

    def make(settings=None, **more):
        app = make_app(server.url, **(settings or {}))
        made.append(application(app, **more))
        return made[-1]

    yield make
    for site in made:
        site.close()
        site.app.client.close()


@pytest.fixture
def call(app):
    """Call the web of `app` with the token."""
    site = application(app, token=TOKEN)
    yield Caller(site)
    site.close()


@pytest.fixture
def port(app):
    """A server of the web of `app`, on this port."""
    listening = listener('web', ':0', ('127.0.0.1', 0))
    with Web(application(app, token=TOKEN), listening):
        yield listening.getsockname()[1]


@pytest.fixture
def follow(port):
    """Follow events: `follow('/api/v1/events', last_id=…)`."""
    made = []

    def start(*args, **more):
        made.append(Follower(port, *args, **more))
        return made[-1]

    yield start
    for follower in made:
        follower.close()


@pytest.fixture
def running(app, worker):
    """Start a run, and wait until it runs: `running('stay', {…})`."""
    worker()

    def start(task, data=None, **more):
        run = app.client.start(task, data or {}, **more)
        wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
        return run

    return start
