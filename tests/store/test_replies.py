"""Answers: given once, taken once, by a name."""

import gevent
from support import SOON_S


def test_an_answer_is_taken_once(hands):
    answers = hands.store.answers
    answers.give('a', b'one')
    assert answers.take('a', timeout_s=1) == b'one'
    assert answers.take('a', timeout_s=0.05) is None


def test_who_waits_gets_it_when_it_comes(hands):
    answers = hands.store.answers
    waiting = gevent.spawn(answers.take, 'a', timeout_s=10)
    gevent.sleep(0.05)
    answers.give('b', b'of another')
    answers.give('a', b'one')
    assert waiting.get(timeout=SOON_S) == b'one'


def test_an_answer_that_nobody_takes_ends_by_itself(hands):
    hands.store.answers.give('a', b'one')
    assert 0 < hands.redis.ttl('answer-a') <= 60
