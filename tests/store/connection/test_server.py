"""URLs: what they may say, what is refused, and what follows a server that moves."""

import socket
import struct
import sys

import gevent
import pytest
from servers import UnixServer
from support import TestServer, is_away, wait_until

from pytask import ConfigError, Unavailable
from pytask.store import Store
from pytask.store.connection.server import ServerAddress, shown


def options_of(url):
    return ServerAddress(url, 1)._options


@pytest.fixture
def unix(server_binary, tmp_path_factory):
    # A socket's path has about 100 bytes at most, and pytest's own folders have long names.
    with UnixServer(server_binary, tmp_path_factory.mktemp('u')) as running:
        yield running


@pytest.fixture
def connect():
    made = []

    def connect(url, **options):
        made.append(Store(url, **({'timeout_s': 0.5} | options)))
        return made[-1]

    yield connect
    for store in made:
        store.close()


@pytest.mark.parametrize(
    'url',
    [
        '', 'nonsense', 'http://localhost', 'redis://localhost:port/0', 'unix://', 'unix://relative/path',
        'redis+sentinel://', 'redis+sentinel://host', 'redis+sentinel://host/', 'redis+sentinel:///service',
        'redis+sentinel://host:port/service', 'redis+sentinel://host,/service', 'redis+sentinel://host/service/db',
        'redis+sentinel://host/service/0/1', 'unix+sentinel://host/service', 'http+sentinel://host/service',
    ],
)  # fmt: skip
def test_what_is_no_url_is_a_config_error_with_examples(url):
    with pytest.raises(
        ConfigError, match=r'(?s)not a Redis URL: .*; write redis://host:6379/0\n.*redis\+sentinel://'
    ):
        ServerAddress(url, 1)


@pytest.mark.parametrize(
    ('url', 'why'),
    [
        ('redis://localhost?colour=red', "unknown option 'colour'"),
        ('redis://localhost?sentinel_password=x', "unknown option 'sentinel_password'"),
        ('redis://localhost?ssl_cert_reqs=none', "unknown option 'ssl_cert_reqs'"),
        ('redis+sentinel://localhost/orders?sentinel_colour=red', "unknown option 'colour'"),
        ('rediss://localhost?ssl_cert_reqs=maybe', 'Requirements Flag: maybe'),
        ('rediss://localhost?ssl_ca_certs=/there/is/none', 'ssl_ca_certs=/there/is/none: no such file'),
    ],
)
def test_a_bad_option_is_named(url, why):
    with pytest.raises(ConfigError, match=why):
        ServerAddress(url, 1)


@pytest.mark.parametrize(
    'url',
    [
        'redis://me:secret@host/0?colour=red', 'redis://:top/secret@host', 'redis+sentinel://:top/secret@host/orders',
        'redis+sentinel://me:secret@host', 'redis+sentinel://host/orders?sentinel_password=secret&colour=red',
        'rediss://host?ssl_password=secret&colour=red', 'unix:///tmp/x?password=secret&colour=red',
    ],
)  # fmt: skip
def test_no_secret_is_told_with_what_is_wrong(url):
    with pytest.raises(ConfigError) as caught:
        ServerAddress(url, 1)
    assert 'secret' not in str(caught.value)
    assert 'top' not in str(caught.value)


def test_no_secret_is_shown():
    url = 'redis+sentinel://me:one@a,b/orders?sentinel_password=two&sentinel_username=you&ssl_password=three'
    assert shown(url) == (
        'redis+sentinel://me:***@a,b/orders?sentinel_password=***&sentinel_username=you&ssl_password=***'
    )


def test_what_a_url_says_is_taken():
    options = options_of('redis://me:p%2Fw@host:1/2?client_name=web')
    names = ('username', 'password', 'host', 'port', 'db', 'client_name')
    assert [options[name] for name in names] == ['me', 'p/w', 'host', 1, 2, 'web']


def test_a_url_that_is_shared_with_other_programs_decides_nothing_of_ours():
    options = options_of(
        'redis://h?max_connections=1&timeout=9&protocol=3&decode_responses=True&socket_timeout=60'
        '&socket_connect_timeout=60&health_check_interval=5&retry_on_timeout=yes'
    )
    assert not options.keys() & {'max_connections', 'timeout'}
    assert (options['protocol'], options['decode_responses'], options['health_check_interval']) == (2, False, 0)
    assert (options['socket_timeout'], options['socket_connect_timeout']) == (1, 1)


def test_commands_are_not_sent_again_whatever_the_url_says(connect, server, redis):
    store = connect(f'{server.url}?retry_on_timeout=yes&retry_on_error=TimeoutError')
    store.ping()
    server.freeze()
    assert is_away(store)
    server.thaw()
    wait_until(lambda: not is_away(store), 'it answers again')
    before = redis.info('commandstats')['cmdstat_ping']['calls']
    store.ping()
    assert redis.info('commandstats')['cmdstat_ping']['calls'] == before + 1


@pytest.mark.parametrize(
    ('url', 'checks_hosts'),
    [
        ('rediss://h', True), ('rediss://h?ssl_cert_reqs=required', True), ('rediss://h?ssl_cert_reqs=none', False),
        ('rediss://h?ssl_check_hostname=no', False), ('rediss+sentinel://h/orders', True),
    ],
)  # fmt: skip
def test_hosts_of_certificates_are_checked_unless_told_otherwise(url, checks_hosts):
    assert options_of(url)['ssl_check_hostname'] is checks_hosts


@pytest.mark.skipif(sys.platform != 'linux', reason='other platforms name their options otherwise')
@pytest.mark.parametrize('pool', ['client', 'listening'])
def test_tcp_finds_out_itself_that_the_other_end_has_vanished(connect, server, pool):
    store = connect(server.url)
    getattr(store.db, pool).ping()
    [connection] = getattr(store.db, pool).connection_pool._available_connections if pool == 'listening' else [
        c for c in store.db.client.connection_pool._connections if c._sock
    ]  # fmt: skip

    def asked(level, option):
        return connection._sock.getsockopt(level, option)

    tcp = socket.IPPROTO_TCP
    found = [asked(tcp, getattr(socket, f'TCP_{name}')) for name in ('KEEPIDLE', 'KEEPINTVL', 'KEEPCNT')]
    assert (asked(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *found) == (1, 3, 1, 3)
    assert asked(tcp, socket.TCP_USER_TIMEOUT) == 10_000


def test_a_unix_socket_carries_commands_and_subscriptions(connect, unix):
    store = connect(unix.url)
    store.ping()
    stream = store.events()
    store.publish('task-1', '{"event":"page","data":1,"at":1,"seq":1}')
    assert stream.read(timeout_s=5).event == 'page'
    stream.close()
    with unix.client() as client:
        assert sum('U' in found['flags'] for found in client.client_list()) == 1


def test_a_unix_socket_has_databases(connect, unix):
    connect(unix.url.replace('db=0', 'db=3')).db.call('SET', 'a', '1')
    with unix.client(db=3) as client:
        assert client.get('a') == '1'


def test_a_unix_socket_that_is_not_there_is_unavailable(connect, tmp_path):
    with pytest.raises(Unavailable, match=f'cannot use Redis at unix://{tmp_path}/none .no such file'):
        connect(f'unix://{tmp_path}/none').ping()


# Moves.


@pytest.mark.any_rights
def test_connections_are_made_anew_after_a_replica_refused_to_write(connect, server, redis):
    store = connect(server.url)
    both = [gevent.spawn(store.peek, 'default', 0.1) for _ in range(2)]  # two connections, both idle afterwards
    gevent.joinall(both)
    before = redis.info('stats')['total_connections_received']
    redis.replicaof('127.0.0.1', '1')
    with pytest.raises(Unavailable):
        store.db.call('SET', 'a', '1')
    redis.replicaof('no', 'one')
    gevent.joinall([gevent.spawn(store.peek, 'default', 0.1) for _ in range(2)])
    assert redis.info('stats')['total_connections_received'] == before + 2
    store.ping()
    assert redis.info('stats')['total_connections_received'] == before + 2


@pytest.mark.any_rights
def test_a_peek_that_was_cut_short_by_a_demotion_makes_all_connections_anew(connect, server, redis):
    store = connect(server.url)
    store.ping()
    peeking = gevent.spawn(store.peek, 'default', 5)
    wait_until(lambda: redis.info('clients')['blocked_clients'] == 1, 'it peeks')
    redis.replicaof('127.0.0.1', '1')
    with pytest.raises(Unavailable):
        peeking.get()
    assert store.db._server.moves == 1


def test_a_subscription_does_not_outlive_a_move(connect, server):
    store = connect(server.url)
    stream = store.events()
    assert stream.read(timeout_s=0.01) is None
    store.db._server.moved()
    with pytest.raises(Unavailable, match='the subscription'):
        stream.read(timeout_s=5)
    stream.close()
    again = store.events()
    assert again.read(timeout_s=0.01) is None
    again.close()


@pytest.mark.any_rights
def test_a_name_that_moves_is_followed_to_where_it_is(connect, server, redis, server_binary, tmp_path, monkeypatch):
    """A name in DNS, or a proxy: the URL stays, the server behind it is another one."""
    with TestServer(server_binary, tmp_path / 'next') as other:
        store = connect(server.url.replace('127.0.0.1', 'redis.example'))
        place = [server.port]
        ask = socket.getaddrinfo
        monkeypatch.setattr(
            socket, 'getaddrinfo', lambda host, port, *more: ask('127.0.0.1', place[0], *more) if host else None
        )
        store.db.call('SET', 'a', '1')
        redis.replicaof('127.0.0.1', str(other.port))
        place[0] = other.port
        with pytest.raises(Unavailable):
            store.db.call('SET', 'b', '1')
        store.db.call('SET', 'b', '2')
        with other.client() as client:
            assert client.get('b') == '2'


def test_a_connection_in_use_is_left_alone_by_a_move(connect, server, redis):
    store = connect(server.url, timeout_s=5)
    peeking = gevent.spawn(store.peek, 'default', 5)
    wait_until(lambda: redis.info('clients')['blocked_clients'] == 1, 'it peeks')
    store.db._server.moved()
    store.ping()
    redis.lpush('new-task', '1')
    assert peeking.get() is True


@pytest.mark.any_rights
def test_a_half_open_connection_is_reset_and_no_longer(connect, server):
    """The other end is gone and says so only when it is asked: one failure, and the next attempt connects anew."""
    store = connect(server.url)
    store.ping()
    [connection] = [c for c in store.db.client.connection_pool._connections if c._sock]
    # Closing with a linger of nothing resets: what a firewall does that has forgotten a connection.
    connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    server.kill()
    assert is_away(store)
    server.start()
    store.ping()
