import gevent
import pytest
from redis.exceptions import ResponseError
from support import is_away, wait_until

from pytask import ConfigError, PytaskError, Unavailable
from pytask.core.clock import monotonic_s
from pytask.embedded.server import free_port
from pytask.store import Store
from pytask.store.connection.database import _TAKE as TAKE
from pytask.store.connection.errors import explained
from pytask.store.connection.server import ServerAddress
from pytask.store.lua_source import sources


@pytest.fixture
def connect(server):
    """Make stores of this server that wait a short while only."""
    made = []

    def connect(url=server.url, **options):
        made.append(Store(url, **({'timeout_s': 0.3} | options)))
        return made[-1]

    yield connect
    for store in made:
        store.close()


@pytest.fixture
def frozen(server):
    server.freeze()
    yield
    server.thaw()


def test_a_refused_connection_is_unavailable(connect):
    port = free_port()
    with pytest.raises(Unavailable, match=f'cannot use Redis at redis://127.0.0.1:{port}/0'):
        connect(f'redis://127.0.0.1:{port}/0').ping()


def test_a_name_that_does_not_resolve_is_unavailable(connect):
    assert is_away(connect('redis://there-is-none.invalid:6379/0'))


def test_the_message_tells_no_password(connect):
    with pytest.raises(Unavailable) as caught:
        connect(f'redis://me:secret@127.0.0.1:{free_port()}/0').ping()
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('url', ['', 'nonsense', 'http://localhost', 'redis://localhost:port/0'])
def test_what_is_no_url_is_a_config_error(connect, url):
    with pytest.raises(ConfigError, match='not a Redis URL'):
        connect(url)


def test_a_url_that_can_not_be_read_tells_no_password(connect):
    with pytest.raises(ConfigError) as caught:
        connect('redis://:top/secret@localhost')
    assert 'top' not in str(caught.value)
    assert 'secret' not in str(caught.value)


def test_a_server_that_does_not_answer_is_unavailable_in_time(connect, server):
    store = connect()
    store.ping()
    server.freeze()
    since = monotonic_s()
    assert is_away(store)
    assert monotonic_s() - since < 2
    server.thaw()
    wait_until(lambda: not is_away(store), 'it answers again')


def test_a_server_that_accepts_and_says_nothing_is_unavailable(connect, frozen):
    assert is_away(connect())


def test_a_server_that_was_killed_is_unavailable_and_comes_back(connect, server):
    store = connect()
    store.ping()
    server.kill()
    assert is_away(store)
    server.start()
    store.ping()


@pytest.mark.any_rights
def test_no_command_is_sent_twice(connect, server, redis):
    store = connect()
    store.ping()
    server.freeze()
    with pytest.raises(Unavailable):
        store.db.call('INCR', 'x')
    server.thaw()
    wait_until(lambda: redis.get('x'), 'the one that was sent arrives')
    store.ping()
    assert redis.get('x') == '1'
    assert redis.info('commandstats')['cmdstat_incr']['calls'] == 1


@pytest.mark.any_rights
def test_no_connection_is_made_twice(connect, server, redis):
    store = connect()
    before = redis.info('stats')['total_connections_received']
    redis.config_set('requirepass', 'secret')
    assert is_away(store)
    assert redis.info('stats')['total_connections_received'] == before + 1


def test_an_answer_is_never_read_by_the_next_caller(connect, server):
    store = connect(timeout_s=5)
    store.ping()
    server.freeze()
    with gevent.Timeout(0.05, False):
        store.db.call('ECHO', 'a')
    server.thaw()
    assert store.db.call('ECHO', 'b') == b'b'


def test_callers_wait_for_a_connection_and_no_longer_than_said(connect):
    store = connect(size=1)
    pool = store.db.client.connection_pool
    held = pool.get_connection(*TAKE)
    assert is_away(store)
    pool.release(held)
    store.ping()


def test_a_caller_gets_the_connection_that_another_gives_back(connect):
    store = connect(size=1)
    peeking = gevent.spawn(store.peek, 'default', 0.1)
    gevent.sleep(0)
    store.ping()
    assert peeking.get() is False


def test_peeking_consumes_nothing(connect, redis):
    redis.lpush('new-task', '1', '2')
    assert connect().peek('default', 0.1)
    assert redis.lrange('new-task', 0, -1) == ['2', '1']


@pytest.mark.any_rights
def test_an_error_is_raised_after_the_other_commands_are_done(connect, redis):
    with pytest.raises(PytaskError, match='Redis refused a command of pytask: WRONGTYPE'):
        connect().db.pipe([('SET', 'a', '1'), ('LPUSH', 'a', '1'), ('SET', 'b', '1')])
    assert (redis.get('a'), redis.get('b')) == ('1', '1')


@pytest.mark.any_rights
def test_an_error_of_ours_is_not_called_unavailable(connect):
    with pytest.raises(PytaskError) as caught:
        connect().db.call('NO-SUCH-COMMAND')
    assert not isinstance(caught.value, Unavailable)


@pytest.mark.any_rights
def test_a_full_server_is_unavailable(connect, redis):
    redis.config_set('maxmemory', 1)
    with pytest.raises(Unavailable):
        connect().db.call('SET', 'a', '1')


@pytest.mark.parametrize(
    'why', ['OOM command not allowed', "READONLY You can't write", 'MISCONF Redis is configured']
)
def test_what_redis_6_says_from_within_a_script_is_unavailable(why):
    text = f'Error running script (call to f_0a9a51ee): @user_script:41: @user_script: 41: -{why} …'
    assert isinstance(explained(ResponseError(text), ServerAddress('redis://', 1)), Unavailable)


@pytest.mark.any_rights
def test_a_replica_is_unavailable_for_writing(connect, redis):
    store = connect()
    redis.replicaof('127.0.0.1', '1')
    with pytest.raises(Unavailable, match='read only'):
        store.db.call('SET', 'a', '1')


def test_a_replica_is_unavailable_for_scripts(connect, hands, redis):
    hands.register()
    hands.start('1')
    redis.replicaof('127.0.0.1', '1')
    with pytest.raises(Unavailable):
        hands.claim()


def test_a_server_with_too_many_clients_is_unavailable(connect, redis):
    redis.config_set('maxclients', 1)
    assert is_away(connect())


def test_a_server_busy_with_a_script_is_unavailable(connect, redis, server):
    store = connect()
    store.ping()
    redis.config_set('lua-time-limit', 1)

    def loop():
        with pytest.raises(ResponseError), server.client() as client:
            client.eval('while true do end', 0)

    looping = gevent.spawn(loop)
    wait_until(lambda: is_away(store), 'the server is busy')
    redis.script_kill()
    looping.get()
    wait_until(lambda: not is_away(store), 'the server answers again')


def test_scripts_the_server_forgot_are_loaded_again(hands):
    hands.register()
    hands.start('1')
    hands.redis.script_flush()
    assert hands.claimed_ids() == ['1']


def test_scripts_the_server_forgot_are_loaded_again_in_a_pipeline(hands):
    claimed = hands.run('1')
    hands.redis.script_flush()
    assert hands.start(*map(str, range(2, 2000))) == [True] * 1998
    assert hands.line() == [str(i) for i in range(2, 2000)]
    hands.redis.script_flush()
    assert hands.emit(claimed) == []
    assert hands.finish(claimed) == 'OK'


@pytest.mark.any_rights
def test_only_what_was_forgotten_is_sent_again(hands):
    hands.start('1')
    hands.redis.script_flush()
    command = hands.store.queues._scripts.start.command('2', 'default', 'hello', '{}', '', '')
    replies = hands.store.db.pipe([('INCR', 'x'), command, ('INCR', 'x')])
    assert (replies, hands.redis.get('x')) == ([1, [b'OK'], 2], '2')


def test_all_scripts_are_loaded_at_once(hands):
    hands.start('1')
    assert all(hands.redis.script_exists(*(source.sha for source in sources())))


def test_a_server_that_came_back_empty_learns_the_scripts_again(connect, server):
    store = connect()
    store.queues.promote(1)
    server.kill()
    server.start()
    assert store.queues.promote(1) == 0


def test_sending_nothing_is_fine(connect):
    assert connect().db.pipe([]) == []


def test_a_database_closed_under_its_users_is_unavailable(connect):
    store, failed = connect(), []

    def use():
        while not failed:
            try:
                store.ping()
            except Unavailable:
                pass
            except Exception as error:  # noqa: BLE001 - whatever else it is, is what this test looks for
                failed.append(error)

    users = [gevent.spawn(use) for _ in range(20)]
    for _ in range(300):
        gevent.sleep(0.001)
        store.close()
    gevent.killall(users)
    assert failed == []


def test_a_read_of_a_key_of_another_type_leaves_the_other_reads_alone(store, redis):
    redis.set('task-1', 'x')
    redis.hset('task-2', 'task', 'hello')
    reads = [('HGET', f'task-{n}', 'task') for n in (1, 2, 3)]
    assert store.db.read(reads, b'?') == [b'?', b'hello', None]
    assert store.db.read([], b'?') == []


@pytest.mark.any_rights
def test_a_read_that_is_not_allowed_is_unavailable(connect, server, redis):
    redis.acl_setuser('me', enabled=True, nopass=True, commands=['+@all', '-hget'], keys=['*'], channels=['*'])
    with pytest.raises(Unavailable, match='lacks a right'):
        connect(server.url.replace('//', '//me:x@')).db.read([('HGET', 'task-1', 'task')], None)


def test_the_time_is_that_of_redis_in_milliseconds(store, redis):
    seconds, _ = redis.time()
    assert seconds * 1000 <= store.db.now_ms() <= seconds * 1000 + 60_000
