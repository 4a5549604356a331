"""TLS: verified unless somebody says otherwise, and clear about what is wrong."""

import socket
import ssl
import struct

import gevent.server
import psutil
import pytest
from servers import REDIS_SERVER, TlsServer, make_certificates, why_no_tls
from support import TestServer, is_away

from pytask import Unavailable
from pytask.core.clock import monotonic_s
from pytask.store import Store

pytestmark = [pytest.mark.skipif(bool(why_no_tls()), reason=why_no_tls())]


@pytest.fixture(scope='module')
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp('certificates'))


@pytest.fixture
def serve(certificates, tmp_path):
    """Start servers, each with a certificate by name."""
    running = []

    def serve(name='good', **how):
        running.append(TlsServer(REDIS_SERVER, tmp_path / name, certificates, name, **how))
        return running[-1].start()

    yield serve
    for server in running:
        server.__exit__()


@pytest.fixture
def connect():
    made = []

    def connect(url, **options):
        made.append(Store(url, **({'timeout_s': 2} | options)))
        return made[-1]

    yield connect
    for store in made:
        store.close()


def why(connect, url, **options):
    store = connect(url, **options)
    with pytest.raises(Unavailable) as caught:
        store.ping()
    return str(caught.value).removeprefix(f'cannot use Redis at {store.db.url} ')


def test_commands_scripts_and_subscriptions_go_through_tls(serve, connect):
    store = connect(serve().url)
    store.ping()
    assert store.queues.promote(1) == 0
    stream = store.events()
    store.publish('task-1', '{"event":"page","data":1,"at":1,"seq":1}')
    assert stream.read(timeout_s=5).event == 'page'
    assert stream.read(timeout_s=0.05) is None
    stream.close()


def test_an_answer_larger_than_a_record_arrives_whole(serve, connect):
    store = connect(serve().url)
    assert store.db.call('ECHO', b'x' * 300_000) == b'x' * 300_000


def test_a_certificate_of_an_unknown_authority_is_not_trusted(serve, connect):
    assert why(connect, serve().bare_url) == (
        '(its certificate is not trusted: self-signed certificate in certificate chain; '
        'give its issuer: ?ssl_ca_certs=PATH)'
    )


def test_an_expired_certificate_is_refused(serve, connect):
    assert why(connect, serve('old').url) == '(its certificate has expired: renew it)'


@pytest.mark.parametrize('host', ['127.0.0.1', 'localhost'])
def test_the_certificate_of_another_host_is_refused(serve, connect, host):
    found = why(connect, serve('other').url.replace('127.0.0.1', host))
    assert found == f"(its certificate is not valid for '{host}': use a host name that it lists)"


def test_a_host_name_that_stands_in_the_certificate_is_fine(serve, connect):
    connect(serve().url.replace('127.0.0.1', 'localhost')).ping()


@pytest.mark.parametrize('name', ['old', 'other'])
def test_only_when_told_so_anything_is_trusted(serve, connect, name):
    connect(f'{serve(name).bare_url}?ssl_cert_reqs=none').ping()


def test_a_client_without_the_certificate_that_is_wanted_is_told_how(serve, connect, certificates):
    server = serve(wants_certificates=True)
    for _ in range(10):
        found = why(connect, server.url)
        assert found.endswith('it requires a client certificate: ?ssl_certfile=PATH&ssl_keyfile=PATH)')
    files = f'&ssl_certfile={certificates}/good.crt&ssl_keyfile={certificates}/good.key'
    connect(server.url + files).ping()


def test_a_server_that_resets_after_the_handshake_perhaps_wants_a_certificate(connect, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / 'good.crt', certificates / 'good.key')

    def reset(sock, _):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        sock.close()

    listening = gevent.server.StreamServer(('127.0.0.1', 0), reset, ssl_context=context)
    listening.start()
    try:
        url = f'rediss://127.0.0.1:{listening.server_port}/0?ssl_ca_certs={certificates}/ca.crt'
        found = why(connect, url)
    finally:
        listening.stop()
    assert found.startswith(
        '(it closed the connection; perhaps it requires a client certificate: ?ssl_certfile=PATH'
    )


def test_a_plaintext_server_is_told_in_time(connect, tmp_path, certificates):
    with TestServer(REDIS_SERVER, tmp_path / 'plain') as server:
        since = monotonic_s()
        url = f'rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={certificates}/ca.crt'
        found = why(connect, url, timeout_s=0.5)
        assert monotonic_s() - since < 5
    assert found.endswith('without TLS, the URL begins with redis://)')


def test_a_server_that_answers_in_plain_text_is_told(connect, certificates):
    """What a server says that takes the handshake for a whole command, as its random part may happen to end one."""
    import gevent.server

    listener = gevent.server.StreamServer(
        ('127.0.0.1', 0), lambda sock, _: (sock.recv(9999), sock.sendall(b'-ERR unknown command\r\n'))
    )
    listener.start()
    found = why(connect, f'rediss://127.0.0.1:{listener.server_port}/0?ssl_ca_certs={certificates}/ca.crt')
    listener.stop()
    assert found == '(it does not speak TLS: without TLS, the URL begins with redis://)'


def test_there_is_no_way_down_to_plaintext(serve, connect):
    assert is_away(connect(serve().bare_url.replace('rediss', 'redis')))


def test_a_frozen_server_does_not_hold_up_the_handshake_for_long(serve, connect):
    server = serve()
    store = connect(server.url, timeout_s=0.5)
    store.ping()
    server.freeze()
    since = monotonic_s()
    assert is_away(store)
    assert is_away(store)
    assert monotonic_s() - since < 5
    server.thaw()


def test_a_file_that_holds_no_certificate_is_told(serve, connect, certificates):
    found = why(connect, f'{serve().bare_url}?ssl_ca_certs={certificates}/ca.key')
    assert 'no certificate or crl found' in found


def test_a_wrong_connection_leaves_no_socket_behind(serve, connect):
    store = connect(serve('old').url)
    assert is_away(store)
    before = psutil.Process().num_fds()
    for _ in range(20):
        assert is_away(store)
    after = psutil.Process().num_fds()
    assert after == before
