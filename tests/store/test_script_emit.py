import json

import pytest

from pytask.core.events import event_head
from pytask.store import Claimed, Note


def test_an_event_gets_its_time_and_number(hands, heard):
    claimed = hands.run('1')
    heard()
    before_ms = hands.now_ms()
    hands.emit(claimed, event_head('page', {'url': 'x'}), seq=4)
    [(channel, text)] = heard()
    event = json.loads(text)
    assert before_ms <= round(event.pop('at') * 1000) <= hands.now_ms()
    assert (channel, event) == ('task-1', {'event': 'page', 'data': {'url': 'x'}, 'seq': 4})


def test_progress_is_kept_in_the_hash(hands, events):
    claimed = hands.run('1')
    events()
    hands.emit(claimed, event_head('progress', {'done': 3}), done=3, target=10)
    hands.emit(claimed, event_head('progress', {'done': 4}), done=4)
    assert (hands.hash()['progress'], hands.hash()['target']) == ('4', '10')
    assert len(events()) == 2


def test_many_are_told_in_order(hands, events):
    claimed = hands.run('1')
    events()
    notes = [Note('1', claimed.token, '', '', event_head('page', i), i) for i in range(1000)]
    hands.store.queues.record(notes, [])
    assert [data for _, _, data in events()] == list(range(1000))


def test_events_come_before_the_outcome(hands, events):
    claimed = hands.run('1')
    events()
    hands.emit(claimed)
    hands.finish(claimed)
    assert [event for _, event, _ in events()] == ['page', 'success']


def test_another_token_is_not_heard(hands, events):
    claimed = hands.run('1')
    events()
    hands.emit(claimed._replace(token='1:x:w2'), done=3)
    assert events() == []
    assert 'progress' not in hands.hash()


@pytest.mark.parametrize('end', ['finish', 'release'])
def test_after_the_end_nothing_is_heard(hands, events, end):
    claimed = hands.run('1')
    getattr(hands, end)(claimed)
    events()
    hands.emit(claimed, done=3)
    assert events() == []
    assert 'progress' not in hands.hash()


def test_a_hash_that_is_gone_is_not_made_again(hands, events):
    claimed = hands.run('1')
    hands.redis.delete('task-1')
    events()
    hands.emit(claimed, done=3, target=4)
    assert events() == []
    assert not hands.redis.exists('task-1')


def said(hands, run_id='1'):
    return [message.text for message in hands.store.runs.messages(run_id)]


def say(hands, claimed, text, **more):
    hands.emit(claimed, event_head('message', text), kept=json.dumps(text).encode(), **more)


def test_a_message_is_kept_with_its_time(hands, events):
    claimed = hands.run('1')
    events()
    before_ms = hands.now_ms()
    say(hands, claimed, 'a "quoted" €')
    [message] = hands.store.runs.messages('1')
    assert message.text == 'a "quoted" €'
    assert before_ms <= round(message.at * 1000) <= hands.now_ms()
    assert [event for _, event, _ in events()] == ['message']


def test_other_events_are_not_kept(hands):
    hands.emit(hands.run('1'), event_head('page', 'x'))
    assert said(hands) == []
    assert 'messages' not in hands.hash()
    assert not hands.redis.exists('messages-1')


def test_the_last_thousand_messages_are_kept(hands):
    claimed = hands.run('1')
    notes = [Note('1', claimed.token, '', '', event_head('message', 'x'), n, b'"%d"' % n) for n in range(1100)]
    hands.store.queues.record(notes, [])
    assert said(hands) == [str(n) for n in range(100, 1100)]


def test_no_message_of_another_token_is_kept(hands):
    claimed = hands.run('1')
    say(hands, claimed._replace(token='1:x:w2'), 'x')
    assert said(hands) == []


def test_messages_outlive_an_attempt(hands):
    claimed = hands.run('1')
    say(hands, claimed, 'first')
    hands.release(claimed)
    [claimed] = hands.claim().runs
    say(hands, claimed, 'second')
    hands.finish(claimed)
    hands.store.runs.retry('1')
    assert said(hands) == ['first', 'second']


def test_messages_go_with_the_run(hands):
    claimed = hands.run('1')
    say(hands, claimed, 'x')
    hands.finish(claimed)
    assert hands.redis.ttl('messages-1') == -1
    hands.store.runs.remove(['1'], takes_kept=False)
    assert hands.store.runs.messages('1') is None
    assert not hands.redis.exists('messages-1')


def test_a_run_made_anew_by_foreign_hands_has_said_nothing_yet(hands):
    say(hands, hands.run('1'), 'x')
    hands.redis.delete('task-1')
    hands.redis.zrem('leases', '1')
    claimed = hands.run('1')
    assert said(hands) == []
    say(hands, claimed, 'y')
    assert said(hands) == ['y']


def test_messages_of_a_local_run_end_by_themselves_until_it_has_ended(hands):
    local = Claimed('1', 'hello', b'{}', 1, '1:n:w1')
    hands.store.queues.begin_local(local, worker_id='w1', ttl_ms=60_000)
    say(hands, local, 'x')
    assert 0 < hands.redis.pttl('messages-1') <= 86_400_000
    hands.finish(local)
    assert (hands.redis.ttl('task-1'), hands.redis.ttl('messages-1')) == (-1, -1)


@pytest.mark.any_rights
def test_a_foreign_key_where_messages_go_harms_nothing(hands, events):
    claimed = hands.run('1')
    say(hands, claimed, 'x')
    hands.redis.delete('messages-1')
    hands.redis.set('messages-1', 'mine', ex=60)
    events()
    say(hands, claimed, 'y')
    hands.emit(claimed, done=3)
    assert [event for _, event, _ in events()] == ['message', 'page']
    assert hands.hash()['progress'] == '3'


def test_foreign_junk_among_messages_is_shown_as_it_is(hands):
    say(hands, hands.run('1'), 'x')
    hands.redis.rpush('messages-1', 'junk', '{"text": 5}')
    assert said(hands) == ['x', 'junk', '{"text": 5}']
