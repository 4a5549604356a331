"""Sentinel URLs: whom they ask, what they believe, and what they say when nobody knows."""

import gevent
import pytest
from redis.exceptions import ResponseError
from servers import PASSWORD, REDIS_SERVER, Watched, needs_redis_server
from support import TestServer, is_away, wait_until

from pytask import Unavailable
from pytask.core.clock import monotonic_s
from pytask.embedded.server import free_port
from pytask.store import Store
from pytask.store.connection.sentinel import split_sentinel_url

pytestmark = [needs_redis_server]


@pytest.fixture
def connect():
    made = []

    def connect(url, **options):
        made.append(Store(url, **({'timeout_s': 1} | options)))
        return made[-1]

    yield connect
    for store in made:
        store.close()


@pytest.fixture
def watched(tmp_path):
    """A primary and a replica; one sentinel decides."""
    with Watched(REDIS_SERVER, tmp_path, replicas=1, sentinels=1) as running:
        yield running


def fails_over(watched):
    with watched.sentinels[0].client() as client:
        try:
            return client.execute_command('SENTINEL', 'FAILOVER', watched.SERVICE)
        except ResponseError:
            return False


def why(store):
    with pytest.raises(Unavailable) as caught:
        store.ping()
    return str(caught.value).removeprefix(f'cannot use Redis at {store.db.url} ').strip('()')


@pytest.mark.parametrize(
    ('url', 'places', 'service', 'plain'),
    [
        ('redis+sentinel://a/orders', [('a', 26379)], 'orders', 'redis:///?'),
        ('redis+sentinel://a:1,b/orders/3', [('a', 1), ('b', 26379)], 'orders', 'redis:///3?'),
        ('redis+sentinel://me:p%2Fw@a,b:2/or%20ders', [('a', 26379), ('b', 2)], 'or ders', 'redis://me:p%2Fw@/?'),
        ('rediss+sentinel://[::1]:5,b/x/0?ssl_cert_reqs=none', [('::1', 5), ('b', 26379)], 'x',
         'rediss:///0?ssl_cert_reqs=none'),
        ('redis://a/0', [], '', 'redis://a/0'),
    ],
)  # fmt: skip
def test_the_parts_of_a_url(url, places, service, plain):
    assert split_sentinel_url(url) == (places, service, plain)


def test_commands_and_subscriptions_go_to_the_primary(connect, watched):
    store = connect(watched.url)
    stream = store.events()
    with watched.servers[0].client() as client:
        client.publish('task-1', '{"event":"page","data":1,"at":1,"seq":1}')
    assert stream.read(timeout_s=5).event == 'page'
    stream.close()
    store.db.call('SET', 'a', '1')
    with watched.servers[0].client() as client:
        assert client.get('a') == '1'


def test_user_password_and_database_are_those_of_the_data_servers(connect, watched):
    with watched.servers[0].client() as client:
        client.acl_setuser('me', enabled=True, passwords=[f'+{PASSWORD}'], commands=['+@all'], keys=['*'])
        store = connect(watched.url.replace('//', f'//me:{PASSWORD}@').replace('/0', '/3'))
        store.db.call('SET', 'a', '1')
    with watched.servers[0].client(db=3) as client:
        assert client.get('a') == '1'
    assert why(connect(watched.url.replace('//', '//me:wrong@'))) == "it rejects the password of user 'me'"


def test_another_sentinel_is_asked_where_one_is_away_and_then_first(connect, watched):
    store = connect(watched.url.replace('//', f'//127.0.0.1:{free_port()},'))
    store.ping()
    assert store.db._server._sentinels._places[0][1] == watched.sentinels[0].port


def test_a_frozen_sentinel_costs_half_a_second(connect, watched, tmp_path):
    with TestServer(REDIS_SERVER, tmp_path / 'frozen') as frozen:
        frozen.freeze()
        store = connect(watched.url.replace('//', f'//127.0.0.1:{frozen.port},'))
        since = monotonic_s()
        store.ping()
        assert 0.4 < monotonic_s() - since < 5


def test_what_each_sentinel_says_is_told(connect, watched):
    port, data, sentinel = free_port(), watched.servers[0].port, watched.sentinels[0].port
    url = f'redis+sentinel://127.0.0.1:{port},127.0.0.1:{data},127.0.0.1:{sentinel}/payments'
    assert why(connect(url)) == (
        "no sentinel knows the primary of 'payments': "
        f'127.0.0.1:{port} connection refused; '
        f'127.0.0.1:{data} is not a sentinel; 127.0.0.1:{sentinel} does not know this service'
    )


def test_a_primary_that_is_down_is_not_named(connect, tmp_path):
    with Watched(REDIS_SERVER, tmp_path, replicas=0, sentinels=1) as watched:
        store = connect(watched.url)
        watched.servers[0].kill()
        wait_until(lambda: 'says that 127.0.0.1' in why(store), 'the sentinel knows that it is down')


def test_a_sentinel_with_a_password(connect, watched):
    with watched.sentinels[0].client() as client:
        client.execute_command('ACL', 'SETUSER', 'me', 'on', f'>{PASSWORD}', '+@all')
        client.execute_command('ACL', 'SETUSER', 'default', 'resetpass', '>another')
    connect(f'{watched.url}?sentinel_username=me&sentinel_password={PASSWORD}').ping()
    assert why(connect(watched.url)).endswith(' requires a password: ?sentinel_password=…')
    told = why(connect(f'{watched.url}?sentinel_username=you&sentinel_password={PASSWORD}'))
    assert told.endswith('rejects the user or password of the URL: ?sentinel_username=…&sentinel_password=…')
    assert PASSWORD not in told


def test_a_server_that_is_no_primary_any_more_is_not_used(connect, watched):
    """What a sentinel says may be older than what the server says."""
    store = connect(watched.url)
    watched.sentinels[0].freeze()
    with watched.servers[0].client() as client:
        client.replicaof('127.0.0.1', '1')
    watched.sentinels[0].thaw()
    assert why(store) == f'127.0.0.1:{watched.servers[0].port} is no longer the primary'


@pytest.mark.parametrize('harm', ['kill', 'freeze'])
def test_a_fail_over_is_followed_by_commands_and_subscriptions(connect, watched, harm):
    store = connect(watched.url)
    stream = store.events()
    gevent.joinall([gevent.spawn(store.peek, 'default', 0.2) for _ in range(4)])  # four connections, idle
    old = watched.primary()
    getattr(old, harm)()

    def is_deaf():
        try:
            stream.read(timeout_s=0.05)
        except Unavailable:
            return True
        return False

    wait_until(lambda: not is_away(store), 'the store is at another primary', 30)
    wait_until(is_deaf, 'the subscription says that it is out of date')
    stream.close()
    if harm == 'freeze':
        old.thaw()
    again = store.events()
    with watched.primary().client() as client:
        assert client.role()[0] == 'master'
        client.publish('task-1', '{"event":"page","data":1,"at":1,"seq":1}')
        assert again.read(timeout_s=5).event == 'page'
        again.close()
        # Not one of the idle connections to the old primary is used, though it is back and takes itself for one.
        pool = store.db.client.connection_pool
        gevent.joinall([gevent.spawn(store.db.call, 'INCR', 'x') for _ in range(8)], raise_error=True)
        assert client.get('x') == '8'
        assert {c.port for c in pool._connections if c._sock and not c.is_out_of_date} == {watched.primary().port}


def test_an_old_primary_that_comes_back_is_not_written_to(connect, watched):
    """It was frozen while nobody spoke to it, and takes itself for the primary until a sentinel corrects it."""
    store = connect(watched.url)
    store.db.call('SET', 'a', '1')
    old = watched.primary()
    old.freeze()
    watched.wait_for_another(old)
    old.thaw()
    wait_until(lambda: watched.role(old) == 'master', 'the old primary is back')
    wait_until(lambda: monotonic_s() > store.db._server._look_at, 'it is time to ask the sentinels again')
    store.db.call('SET', 'a', '2')
    with watched.primary().client() as client:
        assert client.get('a') == '2'


def test_sentinels_that_do_not_answer_hold_up_nobody_for_long(connect, watched):
    store = connect(watched.url)
    store.ping()
    watched.sentinels[0].freeze()
    store.db._server._look_at = 0
    since = monotonic_s()
    for _ in range(1000):
        store.ping()
    assert monotonic_s() - since < 4
    assert store.db._server._look_at > monotonic_s() + 2
    assert store.db._server.moves == 1


def test_a_fail_over_by_hand_is_followed_too(connect, watched):
    """The old primary is well, and answers READONLY."""
    store = connect(watched.url)
    store.db.call('SET', 'a', '1')
    old = watched.primary()
    wait_until(lambda: fails_over(watched), 'the sentinel knows a replica that it may promote')

    def is_written_elsewhere():
        try:
            store.db.call('SET', 'a', '2')
        except Unavailable:
            return False
        return watched.primary() is not old and store.db._server._place[1] != old.port

    wait_until(is_written_elsewhere, 'the store is at the new primary', 30)
    with watched.primary().client() as client:
        assert client.get('a') == '2'


def test_no_sentinel_is_left_connected(connect, watched):
    store = connect(watched.url)
    with watched.sentinels[0].client() as client:
        before = len(client.client_list())
        gevent.joinall([gevent.spawn(store.peek, 'default', 0.1) for _ in range(8)], raise_error=True)
        wait_until(lambda: len(client.client_list()) == before, 'the questions are closed')
