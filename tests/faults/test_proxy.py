"""The proxy itself: what it promises the other tests."""

import gevent
import pytest
import redis as redis_py
from fault_proxy import AFTER, BEFORE, CUT, HALVE, REPLIED, SWALLOW
from support import wait_until

from pytask.store import Store


@pytest.fixture
def through(proxy):
    """A client of the server through the proxy, that never tries twice."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis_py.Redis(
        port=proxy.port, protocol=2, socket_timeout=0.3, retry=Retry(NoBackoff(), 0), driver_info=None
    )
    yield client
    client.close()


@pytest.mark.parametrize(('when', 'is_done'), [(BEFORE, None), (AFTER, b'1'), (REPLIED, b'1')])
@pytest.mark.parametrize('harm', [CUT, HALVE, SWALLOW])
def test_it_harms_at_the_moment_it_is_told_to(proxy, through, redis, when, is_done, harm):
    rule = proxy.at('INCR', when, harm, nth=2)
    through.execute_command('INCR', 'other')
    if when == REPLIED:
        assert through.execute_command('INCR', 'x') == 1
    else:
        with pytest.raises((redis_py.ConnectionError, redis_py.TimeoutError)):
            through.execute_command('INCR', 'x')
    assert redis.get('x') == (is_done and is_done.decode())
    assert rule.hit == 1


def test_it_knows_scripts_by_name_also_in_a_pipeline(proxy, redis):
    store = Store(proxy.url, timeout_s=0.5)
    rule = proxy.at('promote', AFTER, lambda: None, times=3)
    for _ in range(2):
        store.db.pipe([('PING',), ('ECHO', 'x'), store.queues._scripts.promote.command(1)])
    assert rule.hit == 3  # once more for the script that the server did not know yet
    assert proxy.seen['ECHO'] == 2
    store.close()


def test_replies_of_any_size_and_kind_pass(proxy, through):
    big = b'x\r\n' * 700_000
    through.set('big', big)
    through.rpush('list', *range(1000))
    assert through.get('big') == big
    assert through.get('none') is None
    assert len(through.lrange('list', 0, -1)) == 1000
    assert through.eval("return {1, {'a', {}}, false, redis.status_reply('fine')}", 0) == [
        1, [b'a', []], None, b'fine',
    ]  # fmt: skip


def test_a_black_hole_says_nothing_and_its_connections_stay_silent(proxy, through, redis):
    through.set('x', 1)
    proxy.black_out()
    with pytest.raises(redis_py.TimeoutError):
        through.set('x', 2)
    with pytest.raises(redis_py.TimeoutError):
        through.set('x', 3)
    proxy.heal()
    wait_until(through.ping, 'a new connection passes')
    assert redis.get('x') == '1'


def test_messages_pass_and_a_refused_door_opens_again(proxy, through, redis):
    with through.pubsub() as pubsub:
        pubsub.subscribe('x')
        wait_until(lambda: redis.publish('x', 'heard'), 'it listens')
        assert wait_until(lambda: pubsub.get_message(timeout=1), 'answered')['type'] == 'subscribe'
        assert pubsub.get_message(timeout=1)['data'] == b'heard'
    proxy.refuse()
    with pytest.raises(redis_py.ConnectionError, match='refused'):
        through.ping()
    proxy.accept()
    assert through.ping()


def test_a_delay_delays(proxy, through, redis):
    through.ping()
    proxy.delay_s = 0.1
    with gevent.Timeout(0.05, False):
        through.execute_command('INCR', 'x')
        pytest.fail('it came at once')
    wait_until(lambda: redis.get('x') == '1', 'it has arrived late')


def test_a_function_may_look_around_and_nothing_is_harmed(proxy, through, redis):
    seen = []
    for when in (BEFORE, AFTER):
        proxy.at('INCR', when, lambda: seen.append(redis.get('x')))
    assert through.execute_command('INCR', 'x') == 1
    assert seen == [None, '1']
