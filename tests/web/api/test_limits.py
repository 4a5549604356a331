"""S30: what strangers may cost. On a real server, beside a worker whose heartbeat goes on."""

import socket

import gevent
import pytest
from callers import BEARER, TOKEN, ask, raw
from support import SOON_S, wait_until

from pytask.web import request, server

HEAD = f'Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n'.encode()


@pytest.mark.parametrize(
    'text',
    [
        b'GET / HTTP/1.1\r\nx: ' + b'a' * 20_000 + b'\r\n\r\n',
        b'GET / HTTP/1.1\r\n' + b'x: y\r\n' * 100 + b'\r\n',
        b'GET /' + b'a' * 20_000 + b' HTTP/1.1\r\n\r\n',
        b'GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n',
        b'GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
        b'\x16\x03\x01\x02\x00\r\n\r\n',
        b'nonsense\r\n\r\n',
    ],
    ids=lambda text: repr(text[:30]),
)
def test_what_is_no_small_request_is_refused_and_nothing_is_printed(port, text, capfd):
    """S30: a head of 16 KiB and 64 lines."""
    assert raw(port, text)[9:12] in (b'400', b'414')
    assert ask(port, 'GET', '/api/v1/runs').code == 200
    assert capfd.readouterr().err == ''


def test_a_slow_head_is_cut_off(port, monkeypatch, capfd):
    """S30: by its time in all, not by that of each byte."""
    monkeypatch.setattr(server.LIMITS, 'head_s', 0.3)
    with socket.create_connection(('127.0.0.1', port), timeout=10) as slow:
        slow.settimeout(0.02)
        slow.sendall(b'GET / HTTP/1.1\r\n')
        wait_until(lambda: is_cut_off(slow), 'it is cut off')
    assert ask(port, 'GET', '/api/v1/runs').code == 200
    assert capfd.readouterr().err == ''


def is_cut_off(slow):
    try:
        slow.sendall(b'x: y\r\n')
        return slow.recv(100)[9:12] in (b'', b'400')
    except TimeoutError:
        return False
    except OSError:
        return True


def test_who_is_silent_is_cut_off_and_blocks_nobody(port, monkeypatch, capfd):
    """S30."""
    monkeypatch.setattr(server.LIMITS, 'silent_s', 0.5)
    silent = [socket.create_connection(('127.0.0.1', port), timeout=10) for _ in range(100)]
    assert ask(port, 'GET', '/api/v1/runs').code == 200
    assert [connection.recv(10) for connection in silent] == [b''] * len(silent)
    for connection in silent:
        connection.close()
    assert capfd.readouterr().err == ''


def test_a_slow_body_is_cut_off(port, monkeypatch):
    """S30: 408."""
    monkeypatch.setattr(server.LIMITS, 'body_s', 0.3)
    text = (
        b'POST /api/v1/runs HTTP/1.1\r\n' + HEAD + b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{'
    )
    assert raw(port, text).startswith(b'HTTP/1.1 408')


@pytest.mark.parametrize(
    'head',
    [
        f'Content-Length: {request.MAX_BODY_BYTES + 1}\r\n\r\n'.encode(),
        b'Content-Length: 99999999999999999999\r\n\r\n',
        b'Transfer-Encoding: chunked\r\n\r\n' + b'10000\r\n' + b' ' * 65_536 + b'\r\n',
    ],
    ids=['length', 'absurd', 'chunked'],
)
def test_a_large_body_is_refused_before_it_is_read(port, head):
    """S5, S30: by what it says of itself, or once it has come so far."""
    text = b'POST /api/v1/runs HTTP/1.1\r\n' + HEAD + b'Content-Type: application/json\r\n' + head
    if b'chunked' in head:
        text += (b'10000\r\n' + b' ' * 65_536 + b'\r\n') * 20 + b'0\r\n\r\n'
    reply = raw(port, text)
    assert reply.startswith(b'HTTP/1.1 413') or reply == b'reset'


def test_a_compressed_body_is_refused(port):
    """S30: no bomb is unpacked."""
    reply = ask(port, 'POST', '/api/v1/runs', {'task': 'add'}, BEARER | {'Content-Encoding': 'gzip'})
    assert reply.code == 415


def test_a_body_is_not_read_of_who_is_not_let_in(port):
    """S30: a megabyte of a stranger's is left where it is."""
    text = b'POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n'
    with socket.create_connection(('127.0.0.1', port), timeout=10) as stranger:
        stranger.sendall(text)
        assert stranger.recv(12) == b'HTTP/1.1 401'


def test_connections_are_bounded_and_those_beyond_wait(app, monkeypatch):
    """S30: they stand in line, and cost the process nothing; it is asked again when one has gone."""
    from pytask.net.listen import listener
    from pytask.web import application

    monkeypatch.setattr(server, 'MOST_CONNECTIONS', 5)
    listening = listener('web', ':0', ('127.0.0.1', 0))
    with server.Web(application(app, token=TOKEN), listening):
        port = listening.getsockname()[1]
        idle = [socket.create_connection(('127.0.0.1', port), timeout=10) for _ in range(5)]
        gevent.idle()
        waiting = gevent.spawn(ask, port, 'GET', '/api/v1/runs')
        idle.pop().close()
        assert waiting.get(timeout=SOON_S).code == 200
        for connection in idle:
            connection.close()


def test_the_heartbeat_goes_on_under_attack(port, app, worker, monkeypatch):
    """S30: leases are renewed while many connect, send large bodies, and never read."""
    worker(app)
    run = app.client.start('stay')
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    bodies = [gevent.spawn(ask, port, 'POST', '/api/v1/runs', {'task': 'x' * 900_000}) for _ in range(20)]
    silent = [socket.create_connection(('127.0.0.1', port), timeout=10) for _ in range(100)]
    assert {greenlet.get(timeout=30).code for greenlet in bodies} == {400}
    for connection in silent:
        connection.close()
    assert run.refresh().state == 'RUNNING'
    assert run.attempt == 1
    assert run.stop(wait=10) == 'applied'


def test_many_requests_on_one_connection(port):
    """Keep-alive: a page asks often."""
    one = b'GET /api/v1/workers HTTP/1.1\r\n' + HEAD + b'\r\n'
    last = b'GET /api/v1/workers HTTP/1.1\r\n' + HEAD + b'Connection: close\r\n\r\n'
    assert raw(port, one * 5 + last).count(b'HTTP/1.1 200') == 6
