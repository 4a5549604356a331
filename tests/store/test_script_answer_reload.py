import pytest


@pytest.fixture
def claimed(hands):
    claimed = hands.run('1', data=b'{"a":1}')
    hands.command('1', 'reload', data=b'{"a":2}', command_id='c')
    return claimed


def answer(hands, claimed, reload_id='c', error='', data=b'{"a":2}'):
    return hands.store.runs.reloaded(claimed.run_id, claimed.token, reload_id, error, data, 5)


def test_the_new_data_becomes_the_runs_data(hands, claimed, events):
    assert answer(hands, claimed)
    found = hands.hash()
    assert (found['data'], found['state'], found['attempt'], found['token']) == (
        '{"a":2}',
        'RUNNING',
        '1',
        claimed.token,
    )
    assert not {'reload_data', 'reload_id'} & found.keys()
    assert hands.store.runs.reload_answer('1') == ('c', 'RUNNING')
    assert events() == [('1', 'reloaded', None)]


def test_a_refused_reload_changes_no_data(hands, claimed, events):
    assert answer(hands, claimed, error='a is missing')
    assert hands.hash()['data'] == '{"a":1}'
    assert hands.store.runs.reload_answer('1') == ('c a is missing', 'RUNNING')
    assert not {'reload_data', 'reload_id'} & hands.hash().keys()
    assert events() == []


def test_another_token_is_stale(hands, claimed):
    before = hands.everything()
    assert not answer(hands, claimed._replace(token='1:x:w2'))
    assert hands.everything() == before


def test_a_newer_reload_stays_wanted(hands, claimed):
    hands.command('1', 'reload', data=b'{"a":3}', command_id='d')
    assert answer(hands, claimed)
    assert hands.wanted() == ('d', '{"a":3}', '{"a":2}')


def test_after_the_end_nothing_changes(hands, claimed, events):
    hands.finish(claimed)
    events()
    before = hands.everything()
    assert not answer(hands, claimed)
    assert hands.everything() == before
    assert events() == []


def test_before_any_answer_there_is_none(hands, claimed):
    assert hands.store.runs.reload_answer('1') == ('', 'RUNNING')
    assert hands.store.runs.reload_answer('2') == ('', '')


def test_a_bare_word_writes_no_data_since_newer_may_stand_there(hands, claimed, events):
    hands.redis.hset('task-1', 'data', '{"a":9}')
    assert answer(hands, claimed, reload_id='')
    assert hands.hash()['data'] == '{"a":9}'
    assert events() == [('1', 'reloaded', None)]
