import json

import pytest

from pytask.messages import event_head
from pytask.store import Note


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
