"""Server-sent events: what is heard, by whom, and what of it is heard again."""

import gevent
import pytest
from callers import TOKEN, Caller, Follower, ask, raw
from support import wait_until

from pytask.web import application
from pytask.web.streaming import feed as feed_
from pytask.web.streaming import history, subscriber
from pytask.web.streaming.history import Filter
from pytask.web.streaming.subscriber import RESET, Subscriber, framed


def test_all_events_are_heard_in_order_with_ids(follow, app, worker):
    worker()
    heard = follow()
    run = app.client.start('add', {'a': 1})
    heard.hear('success', run.id)
    assert heard.of(run.id) == ['running', 'message', 'progress', 'success']
    events = [event for event in heard.events if event['data']['run'] == run.id]
    assert [event['data']['event'] for event in events] == heard.of(run.id)
    assert events[2]['data']['data'] == {'progress': 1, 'target': 2}
    assert [event['data']['seq'] for event in events] == sorted(event['data']['seq'] for event in events)
    assert events[0]['data']['at'] > 1_700_000_000
    numbers = [int(event['id'].rpartition('-')[2]) for event in heard.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert 'content-type: text/event-stream; charset=utf-8' in heard.head.lower()


def test_one_run_or_one_task_only(follow, app, worker):
    worker()
    one, task, both = (
        follow('/api/v1/runs/mine/events'),
        follow('/api/v1/events?task=add'),
        follow('/api/v1/events?run=mine'),
    )
    other = app.client.start('stay', run_id='other')
    wait_until(lambda: other.refresh().state == 'RUNNING', 'it runs')
    app.client.start('add', {'a': 1}, run_id='mine')
    for heard in (one, task, both):
        heard.hear('success', 'mine')
        assert heard.of('mine') == ['running', 'message', 'progress', 'success']
        assert heard.of('other') == []
    assert other.stop(wait=10) == 'applied'


def test_what_was_missed_comes_again_and_only_that(follow, app, worker):
    worker()
    first = follow('/api/v1/runs/a/events')
    app.client.start('add', {'a': 1}, run_id='a')
    first.hear('success', 'a')
    first.close()
    again = follow('/api/v1/runs/a/events', last_id=first.events[1]['id']).hear('success', 'a')
    assert again.of('a') == ['progress', 'success']
    others = follow(last_id=first.events[-1]['id'])
    app.client.start('add', {'a': 1}, run_id='b')
    others.hear('success', 'b')
    assert others.of('a') == []


@pytest.mark.parametrize('last_id', ['nonsense', 'feedface-3', '-', 'x' * 300, '9' * 50, '0' * 5000])
def test_what_is_not_kept_any_more_is_a_reset(follow, app, worker, last_id):
    worker()
    heard = follow(last_id=last_id).read_until(b'event: reset')
    app.client.start('add', {'a': 1}, run_id='a')
    heard.hear('success', 'a')
    assert heard.events[0]['event'] == 'reset'


def test_a_number_of_many_digits_is_none_of_ours(follow, call, app, worker):
    worker()
    first = follow('/api/v1/runs/a/events')
    app.client.start('add', {'a': 1}, run_id='a')
    epoch = first.hear('success', 'a').events[0]['id'].rpartition('-')[0]
    follow(last_id=f'{epoch}-{"0" * 5000}').read_until(b'event: reset')


def test_the_ring_is_bounded_and_its_end_is_a_reset(follow, port, app, worker, monkeypatch):
    monkeypatch.setattr(history, 'KEPT', 3)
    worker()
    first = follow()
    app.client.start('add', {'a': 1}, run_id='a')
    first.hear('success', 'a')
    ids = [event['id'] for event in first.events]
    assert follow(last_id=ids[0]).read_until(b'event: ').of('a') == ['message', 'progress', 'success']
    app.client.start('add', {'a': 1}, run_id='b')
    first.hear('success', 'b')
    assert follow(last_id=ids[0]).read_until(b'event: ').events[0]['event'] == 'reset'


def test_after_an_outage_everybody_is_told_to_read_anew(follow, app, server, worker):
    heard = follow()
    server.kill()
    server.start()
    heard.read_until(b'event: reset')
    worker()
    app.client.start('add', {'a': 1}, run_id='a')
    heard.hear('success', 'a')


def test_without_redis_it_is_refused_not_silent(port, server, monkeypatch):
    monkeypatch.setattr(feed_, 'SUBSCRIBED_WITHIN_S', 0.5)
    server.kill()
    assert ask(port, 'GET', '/api/v1/events').code == 503


def test_an_old_client_gets_it_unchunked(follow, app, worker):
    worker()
    heard = follow(version='1.0')
    assert 'chunked' not in heard.head
    app.client.start('add', {'a': 1}, run_id='a')
    heard.hear('success', 'a')


def test_one_subscription_serves_all(follow, redis):
    many = [follow() for _ in range(20)]
    assert redis.pubsub_numpat() == 1
    for heard in many:
        heard.close()


def test_who_has_gone_is_forgotten(sites, server, redis):
    from pytask.net.listen import listener as listening
    from pytask.web.server import Web

    site = sites(token=TOKEN)
    with Web(site, listening('web', ':0', ('127.0.0.1', 0))) as web:
        port = web._server.server_port
        heard = [Follower(port) for _ in range(5)]
        assert site.feed.size == 5
        for one in heard:
            one.close()
        wait_until(lambda: redis.publish('task-x', '{"event":"x"}') and site.feed.size == 0, 'all have gone')


def test_too_many_are_refused_and_some_connections_are_left(app, monkeypatch):
    """S30: who follows events leaves room for who asks."""
    from pytask.net.listen import listener as listening
    from pytask.web import server as server_

    monkeypatch.setattr(server_, 'most_connections', lambda: 5)
    with server_.Web(application(app, token=TOKEN), listening('web', ':0', ('127.0.0.1', 0))) as web:
        port = web._server.server_port
        heard = [Follower(port) for _ in range(4)]
        reply = ask(port, 'GET', '/api/v1/events')
        assert (reply.code, reply.headers['retry-after']) == (503, '10')
        assert ask(port, 'GET', '/api/v1/runs').code == 200
        for one in heard:
            one.close()


def test_the_server_ends_while_many_listen(app):
    from pytask.net.listen import listener as listening
    from pytask.web.server import Web

    with Web(application(app, token=TOKEN), listening('web', ':0', ('127.0.0.1', 0))) as web:
        heard = [Follower(web._server.server_port) for _ in range(10)]
    for one in heard:
        assert one.connection.recv(100) in (b'', b'0\r\n\r\n')
        one.close()


def test_another_server_takes_the_events_from_a_generator(sites, worker, server):
    site = sites(token=TOKEN)
    worker(site.app)
    body = Caller(site).get('/api/v1/runs/a/events').body
    parts = iter(body)
    assert next(parts) == b'retry: 1000\n\n'
    site.app.client.start('add', {'a': 1}, run_id='a')
    text = b''
    with gevent.Timeout(10):
        while b'event: success' not in text:
            text += next(parts)
    body.close()
    assert site.feed.size == 0


def test_a_reader_who_is_slow_is_told_so_and_costs_little():
    """S30: what a client does not read is bounded."""
    slow = Subscriber()
    for _ in range(1000):
        slow.put(b'x' * 1024)
    assert slow._size <= subscriber.MOST_BYTES
    parts = iter(slow)
    assert next(parts) == b'retry: 1000\n\n'
    assert next(parts).startswith(RESET)


def test_a_slow_reader_on_a_socket_gets_whole_chunks_and_a_reset(port, app, redis, follow):
    """S30: a client that stops reading loses what was in between, never half of an event, and nobody else does."""
    slow, quick = follow(), follow()
    reader = gevent.spawn(quick.read_until, b'event: last')
    big = '{"event":"big","data":"%s"}' % ('x' * 60_000)
    for n in range(300):
        redis.publish('task-a', big)
        if n % 4 == 3:
            wait_until(lambda n=n: len(quick.text) > n * 60_000, 'the other one keeps up')
    redis.publish('task-a', '{"event":"last"}')
    reader.get(timeout=20)
    assert quick.of('a') == ['big'] * 300 + ['last']
    slow.read_until(b'event: last')  # its chunks are whole, or this fails
    assert [event['event'] for event in slow.events].count('reset') >= 1
    assert len(slow.of('a')) < 300


def test_an_event_that_is_too_large_comes_without_its_data(follow, redis):
    heard = follow()
    redis.publish('task-a', '{"event":"big","data":"%s"}' % ('x' * 100_000))
    heard.hear('big', 'a')
    assert heard.events[-1]['data']['data'] is None
    assert heard.events[-1]['data']['is_cut'] is True


@pytest.mark.parametrize(
    'text',
    [
        '{"event":"odd","data":' + '[' * 600 + ']' * 600 + '}',
        '{"event":"odd","seq":99999999999999999999999999}',
        '{"event":"odd","data":{"password":[' + '[' * 900 + ']' * 900 + ']}}',
    ],
    ids=['deep', 'number', 'secret'],
)
def test_an_odd_event_ends_nobodys_stream(follow, redis, text):
    """S30: whoever may publish writes what it likes."""
    heard, other = follow(), follow('/api/v1/runs/b/events')
    redis.publish('task-a', text)
    redis.publish('task-b', '{"event":"last"}')
    heard.hear('last', 'b')
    other.hear('last', 'b')
    assert heard.of('b') == ['last']


def test_an_event_that_is_no_json_comes_without_what_is_none():
    told = feed_._as_json(
        {'run': 'a\ud800', 'event': 'x', 'at': float('inf'), 'seq': 2**80, 'data': {'a': '\ud800'}}
    )
    assert told == b'{"run":"a?","event":"x","at":null,"seq":null,"data":null}'


def test_secrets_of_new_data_are_not_heard_after_a_reload(follow, app, redis, call):
    """S28: nor those of the data before."""
    heard = follow('/api/v1/runs/a/events')
    redis.hset('task-a', mapping={'task': 'add', 'data': '{"password":"old-secret"}'})
    redis.publish('task-a', '{"event":"one","data":"old-secret"}')
    heard.hear('one', 'a')
    redis.hset('task-a', 'data', '{"password":"new-secret"}')
    redis.publish('task-a', '{"event":"reloaded"}')
    heard.hear('reloaded', 'a')
    redis.publish('task-a', '{"event":"two","data":"new-secret, not old-secret"}')
    heard.hear('two', 'a')
    assert [event['data']['data'] for event in heard.events] == ['***', None, '***, not ***']


def test_secrets_of_what_a_flow_started_are_not_heard_of_it(follow, redis):
    """S28."""
    heard = follow()
    redis.hset('task-f', mapping={'task': 'pytask/flow', 'data': '{}'})
    redis.publish('task-f', '{"event":"wait"}')
    heard.hear('wait', 'f')
    redis.hset('task-f.1', mapping={'task': 'add', 'data': '{"password":"swordfish"}', 'parent': 'f'})
    redis.publish('task-f.1', '{"event":"running"}')
    heard.hear('running', 'f.1')
    redis.publish('task-f', '{"event":"exception","data":"swordfish"}')
    heard.hear('exception', 'f')
    assert heard.events[-1]['data']['data'] == '***'


def test_a_run_that_was_heard_of_before_it_was_there_is_known_once_it_is(follow, redis):
    """S28: and who follows its task hears it."""
    heard, of_task = follow(), follow('/api/v1/events?task=add')
    redis.publish('task-late', '{"event":"early"}')
    heard.hear('early', 'late')
    redis.hset('task-late', mapping={'task': 'add', 'data': '{"password":"swordfish"}'})
    redis.publish('task-late', '{"event":"one","data":"swordfish"}')
    of_task.hear('one', 'late')
    assert of_task.events[-1]['data']['data'] == '***'


def test_a_foreign_name_can_not_forge_another_event(follow, redis):
    """S21: what stands in an event never becomes a line of the stream."""
    heard = follow()
    redis.publish('task-a', '{"event":"x\\nevent: forged\\ndata: {}\\n\\n"}')
    redis.publish('task-b', '{"event":"last"}')
    heard.hear('last', 'b')
    assert [event['event'] for event in heard.events] == ['xevent: forgeddata: {}', 'last']


def test_a_filter_takes_what_it_says():
    told = history.SentEvent(1, 'r', 't', b'')
    wanted = [Filter(), Filter('r'), Filter(task='t'), Filter('r', 't'), Filter('x'), Filter('r', 'x')]
    assert [one.takes(told) for one in wanted] == [True, True, True, True, False, False]
    assert framed(b'ab') == b'2\r\nab\r\n'


def test_head_of_events_leaves_nobody_listening(call):
    assert call('HEAD', '/api/v1/events').code == 200
    assert call.site.feed.size == 0


def test_every_stream_is_kept_alive(follow, monkeypatch):
    monkeypatch.setattr(feed_, 'STILL_HERE_EVERY_S', 0.0)
    follow().read_until(b': still here\n\n')


def test_a_stream_needs_the_token(port):
    """S32: nobody follows events who is not let in."""
    text = b'GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'
    assert raw(port, text).startswith(b'HTTP/1.1 401')
