"""How far a reload is, and what becomes of it when its worker does not finish it."""

import pytest


@pytest.fixture
def claimed(hands):
    claimed = hands.run('1', data=b'{"a":1}')
    hands.command('1', 'reload', data=b'{"a":2}', command_id='c')
    return claimed


def test_beginning_gives_the_data_and_is_written_down(hands, claimed):
    assert hands.begin_reload(claimed) == ('c', b'{"a":2}', b'{"a":1}')
    assert hands.hash()['reloading'] == 'c building'


def test_what_was_begun_is_not_begun_again(hands, claimed):
    hands.begin_reload(claimed)
    hands.store.runs.reload_is_built('1', claimed.token, 'c')
    assert hands.begin_reload(claimed, 'c').reload_id == 'c'
    assert hands.hash()['reloading'] == 'c built'


def test_only_what_is_wanted_counts_as_built(hands, claimed):
    hands.command('1', 'reload', data=b'{"a":3}', command_id='d')
    hands.store.runs.reload_is_built('1', claimed.token, 'c')
    assert 'reloading' not in hands.hash()


def test_without_a_command_there_is_the_present_data(hands):
    claimed = hands.run('1', data=b'{"a":1}')
    assert hands.begin_reload(claimed) == ('', None, b'{"a":1}')
    assert 'reloading' not in hands.hash()


def test_who_is_not_the_holder_gets_nothing(hands, claimed):
    before = hands.everything()
    assert hands.begin_reload(claimed._replace(token='1:x:w2')) is None
    hands.finish(claimed)
    assert hands.begin_reload(claimed) is None
    assert 'reloading' not in hands.hash()
    assert before


def give_back(hands, claimed, how):
    if how == 'release':
        hands.release(claimed)
    else:
        hands.redis.zrem('workers', 'w1') if how == 'death' else None
        hands.recover('1')
    assert hands.state() == 'WAIT'


WAYS = ['release', 'loss', 'death']


@pytest.mark.parametrize('how', WAYS)
def test_what_nobody_has_begun_is_for_the_next_owner(hands, claimed, how):
    give_back(hands, claimed, how)
    assert hands.wanted() == ('c', '{"a":2}', '{"a":1}')
    hands.register()
    [again] = hands.claim().runs
    assert hands.renew(again) == [('1', 'RELOAD')]


@pytest.mark.parametrize('how', WAYS)
def test_what_was_built_counts(hands, claimed, how):
    hands.begin_reload(claimed)
    hands.store.runs.reload_is_built('1', claimed.token, 'c')
    give_back(hands, claimed, how)
    assert hands.wanted() == (None, None, '{"a":2}')
    assert hands.store.runs.reload_answer('1') == ('c', 'WAIT')


@pytest.mark.parametrize('how', WAYS)
def test_what_killed_a_worker_while_it_was_built_is_refused(hands, claimed, how):
    hands.begin_reload(claimed)
    give_back(hands, claimed, how)
    reloaded, _ = hands.store.runs.reload_answer('1')
    if how == 'death':
        assert reloaded == 'c its worker died while the new instance was made'
        assert hands.wanted() == (None, None, '{"a":1}')
    else:
        assert hands.wanted() == ('c', '{"a":2}', '{"a":1}')
    assert 'reloading' not in hands.hash()


def test_new_data_for_what_waits_takes_the_place_of_an_older_reload(hands, claimed):
    hands.release(claimed)
    assert hands.command('1', 'reload', data=b'{"a":3}', command_id='d') == 'APPLIED'
    assert hands.wanted() == (None, None, '{"a":3}')


def test_the_end_leaves_nothing_of_it(hands, claimed):
    hands.begin_reload(claimed)
    hands.finish(claimed)
    assert not {'reload_id', 'reload_data', 'reloading'} & hands.hash().keys()
