"""Health over HTTP: its answers, and the bounds on those who ask."""

import http.client
import json
import socket

import gevent
import pytest
from support import wait_until

from pytask import ConfigError, PyTask
from pytask.embedded.server import free_port
from pytask.worker.monitoring import health_server as health_
from pytask.worker.monitoring.health_server import Health


def health_of(running):
    return Health(running.app.settings.health, running.readiness, running.metrics_page, running.report)


@pytest.fixture
def serving(server, worker):
    """A worker that serves health, and is ready, however busy the machine is; see test_readiness."""
    app = PyTask(server.url, lease=30, health=str(free_port()))
    running = worker(app)
    running.readiness.checks = ()
    with health_of(running):
        yield running
    app.client.close()


@pytest.fixture
def port(serving):
    return int(serving.app.settings.health)


def ask(port, path, method='GET', **more):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    try:
        connection.request(method, path, **more)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def test_a_ready_worker_answers_200(port):
    status, body, headers = ask(port, '/ready')
    assert (status, json.loads(body)) == (200, {'ready': True, 'reasons': []})
    assert headers['Content-Type'] == 'application/json'
    status, body, _ = ask(port, '/live')
    assert (status, json.loads(body)) == (200, {'live': True, 'reasons': []})


def test_one_that_is_not_answers_503_with_the_reasons(serving, port, monkeypatch):
    serving.readiness.checks = (lambda: ['the disk is on fire'],)
    status, body, _ = ask(port, '/ready')
    assert (status, json.loads(body)) == (503, {'ready': False, 'reasons': ['the disk is on fire']})
    assert ask(port, '/live')[0] == 200
    monkeypatch.setattr(serving.readiness, 'ills', lambda: ['writer is stuck'])
    status, body, _ = ask(port, '/live')
    assert (status, json.loads(body)) == (503, {'live': False, 'reasons': ['writer is stuck']})


def test_metrics_are_prometheus_text(port):
    status, body, headers = ask(port, '/metrics')
    assert status == 200
    assert headers['Content-Type'].startswith('text/plain; version=0.0.4')
    assert '\npytask_worker_up 1\n' in body


@pytest.mark.parametrize('path', ['/ready', '/live', '/metrics'])
def test_head_says_the_same_without_the_body(port, path):
    status, body, headers = ask(port, path, 'HEAD')
    assert (status, body) == (200, '')
    assert int(headers['Content-Length']) > 10


def test_everything_else_is_refused(port):
    assert ask(port, '/')[0] == 404
    assert ask(port, '/ready/')[0] == 404
    assert ask(port, '/ready?verbose=1')[0] == 200
    for method in ('POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'):
        status, _, headers = ask(port, '/ready', method)
        assert (status, headers['Allow']) == (405, 'GET, HEAD')


def raw(port, text):
    with socket.create_connection(('127.0.0.1', port), timeout=20) as connection:
        connection.sendall(text)
        try:
            return b''.join(iter(lambda: connection.recv(65_536), b''))
        except ConnectionResetError:
            return b'reset'


@pytest.mark.parametrize(
    'text',
    [
        b'GET /ready HTTP/1.1\r\nx: ' + b'a' * 10_000 + b'\r\n\r\n',
        b'GET /ready HTTP/1.1\r\n' + b'x: y\r\n' * 100 + b'\r\n',
        b'GET /' + b'a' * 10_000 + b' HTTP/1.1\r\n\r\n',
        b'GET /ready HTTP/1.1\r\nContent-Length: many\r\n\r\n',
        b'\x16\x03\x01\x02\x00\r\n\r\n',
        b'nonsense\r\n\r\n',
    ],
)
def test_what_is_no_small_request_is_refused_and_nothing_is_printed(port, text, capfd):
    assert not raw(port, text).startswith(b'HTTP/1.1 200')
    assert ask(port, '/ready')[0] == 200
    assert capfd.readouterr().err == ''


def test_each_connection_serves_one_request(port):
    assert raw(port, b'GET /live HTTP/1.1\r\nHost: a\r\n\r\n' * 2).count(b'HTTP/1.1') == 1


def test_a_client_that_is_silent_is_cut_off_and_blocks_nobody(port, monkeypatch, capfd):
    monkeypatch.setattr(health_.LIMITS, 'connection_s', 0.3)
    silent = [socket.create_connection(('127.0.0.1', port), timeout=10) for _ in range(3 * health_.CONNECTIONS)]
    assert ask(port, '/ready')[0] == 200
    assert [connection.recv(10) for connection in silent] == [b''] * len(silent)
    for connection in silent:
        connection.close()
    assert capfd.readouterr().err == ''


def test_a_taken_port_is_a_bad_setting(server, worker):
    with socket.create_server(('127.0.0.1', 0)) as other:
        app = PyTask(server.url, lease=30, health=str(other.getsockname()[1]))
        taken = r'^health = .*: port \d+ is taken; name another one$'
        with pytest.raises(ConfigError, match=taken), health_of(worker(app)):
            pass
        app.client.close()


def test_a_host_that_is_not_here_is_a_bad_setting(server, worker):
    app = PyTask(server.url, lease=30, health=f'192.0.2.1:{free_port()}')
    with pytest.raises(ConfigError, match=r'^health = '), health_of(worker(app)):
        pass
    app.client.close()


def test_without_the_setting_nothing_listens(app, worker):
    with health_of(worker()) as off:
        assert off._server is None


def test_it_answers_while_many_ask(port):
    asked = [gevent.spawn(ask, port, '/ready') for _ in range(100)]
    gevent.joinall(asked)
    assert {greenlet.get()[0] for greenlet in asked} == {200}
    wait_until(lambda: ask(port, '/live')[0] == 200, 'and after')
