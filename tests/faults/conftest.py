"""What the fault tests share: a server that can be harmed, a proxy before it, a journal of what ran."""

import pytest
from fault_proxy import Proxy
from tools import LEASE_S, TASKS, FaultServer, Heard, Journal

from pytask import PyTask
from pytask.client.client import Client


@pytest.fixture
def server(request, server_binary, tmp_path):
    more = getattr(request, 'param', ())
    with FaultServer(server_binary, tmp_path / 'server', *more) as running:
        yield running


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as running:
        yield running


@pytest.fixture
def client(server):
    """A client that no proxy harms."""
    client = Client(server.url)
    yield client
    client.close()


@pytest.fixture
def journal(tmp_path, monkeypatch):
    path = tmp_path / 'journal'
    monkeypatch.setenv('JOURNAL', str(path))
    return Journal(path)


@pytest.fixture
def heard(server):
    heard = Heard(server)
    yield heard
    heard.close()


@pytest.fixture
def make_app(server, journal):
    """Make apps that know the tasks of this folder; `make_app(url=…, lease=…)`."""
    made = []

    def make(url=None, **settings):
        app = PyTask(url or server.url, **({'lease': LEASE_S} | settings))
        app.discover(TASKS)
        made.append(app)
        return app

    yield make
    for app in made:
        app.client.close()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def start_worker(processes, journal, tmp_path):
    """Start `pytask worker` without waiting for it; what it says is in its `log`, a path."""

    def start(*arguments, name='victim', lease=LEASE_S, **options):
        log = tmp_path / f'log-{name}-{len(processes.running)}'
        with log.open('w') as stderr:
            process = processes.start(
                'worker', '--tasks', str(TASKS), '--lease', str(lease), '--name', name, *arguments,
                stderr=stderr, **options,
            )  # fmt: skip
        process.log = log
        return process

    return start
