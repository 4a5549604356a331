import pytest


@pytest.fixture
def claimed(hands):
    return hands.run('1')


def keys(hands):
    return [message[:16] for message in hands.raw.lrange('inbox-1', 0, -1)]


def test_looking_takes_nothing_out(hands, claimed):
    key, _ = hands.send()
    assert hands.taken(claimed) == hands.taken(claimed) == key + b'{"name":"add"}'
    assert keys(hands) == [key]


def test_each_is_taken_out_once_it_is_handled(hands, claimed):
    sent = [hands.send()[0] for _ in range(3)]
    assert hands.taken(claimed, sent[0])[:16] == sent[1]
    assert keys(hands) == sent[1:]
    assert hands.taken(claimed, sent[1])[:16] == sent[2]
    assert hands.taken(claimed, sent[2]) is None
    assert not hands.redis.exists('inbox-1')
    assert 'inbox' not in hands.hash()


def test_repeated_it_takes_no_other_out(hands, claimed):
    """The answer was lost, and it is asked again."""
    one, two = hands.send()[0], hands.send()[0]
    assert hands.taken(claimed, one)[:16] == hands.taken(claimed, one)[:16] == two
    assert keys(hands) == [two]


def test_only_the_holder_of_the_token_takes(hands, claimed):
    key, _ = hands.send()
    before = hands.everything()
    assert hands.taken(claimed._replace(token='1:x:w2'), key) is None
    assert hands.everything() == before


def test_what_was_given_back_or_recovered_is_not_taken_from(hands, claimed):
    key, _ = hands.send()
    hands.release(claimed)
    assert hands.taken(claimed, key) is None
    [second] = hands.claim().runs
    assert hands.taken(claimed, key) is None
    hands.recover('1')
    assert hands.taken(second, key) is None
    assert keys(hands) == [key]


def test_after_the_end_nothing_is_there(hands, claimed):
    key, _ = hands.send()
    hands.finish(claimed)
    assert hands.taken(claimed) is None
    assert hands.taken(claimed, key) is None


def test_what_waits_again_is_not_taken_from_by_the_life_before(hands, claimed):
    hands.finish(claimed)
    hands.redis.hset('task-1', 'state', 'WAIT')  # by foreign hands: the token stands there still
    hands.redis.lpush('new-task', '1')
    key, _ = hands.send()
    assert hands.taken(claimed, key) is None
    assert keys(hands) == [key]


def test_a_run_without_messages_has_none(hands, claimed):
    before = hands.everything()
    assert hands.taken(claimed) is None
    assert hands.everything() == before


def test_a_mark_without_messages_is_removed(hands, claimed):
    hands.send()
    hands.redis.delete('inbox-1')
    assert hands.taken(claimed) is None
    assert hands.renew(claimed) == []


def test_a_key_of_another_type_has_none(hands, claimed):
    hands.redis.delete('task-1', 'leases')
    hands.redis.set('task-1', 'mine')
    assert hands.taken(claimed) is None
    hands.redis.delete('task-1')
