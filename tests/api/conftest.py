"""The web of an app: its WSGI application, and a server in this process."""

from __future__ import annotations

import pytest
from callers import TOKEN, Caller, Follower
from support import wait_until

from pytask import PyTask, Task
from pytask.web import application
from pytask.web.server import Web
from pytask.worker.listening import listener


class Add(Task):
    """Add two numbers."""

    EXPOSE = True

    def __init__(self, a: int, b: int = 1, password: str = ''):
        self.a, self.b, self.password = a, b, password

    def start(self) -> int:
        self.message(f'adding with {self.password}')
        self.progress(1, 2)
        return self.a + self.b


class Stay(Task):
    EXPOSE = True

    def __init__(self, name: str = 'world'):
        self.name = name

    def start(self):
        self.message(f'hello {self.name}')
        self.stopping.wait()

    def on_name(self):
        return self.name

    def on_say(self, text: str):
        self.emit('said', text)


class Fail(Task):
    EXPOSE = True

    def __init__(self, token: str = ''):
        self.token = token

    def start(self):
        local = self.token
        raise ValueError(f'it was {local}')


class Hidden(Task):
    def start(self): ...


class Nested(Task):
    NAME = 'site/crawl/deep'
    EXPOSE = True
    QUEUE = 'crawl'

    def start(self): ...


TASKS = (Add, Stay, Fail, Hidden, Nested)


def make_app(url, **more):
    app = PyTask(url, lease=2, queue=['default', 'crawl'], tasks='', **more)
    for task in TASKS:
        app.add_task(task)
    return app


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
