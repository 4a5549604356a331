from itertools import product

import pytest

from pytask.core.states import ENDED, MOVES, Outcome, State

MOVES_BY_HAND = {
    ('WAIT', 'RUNNING'),
    ('WAIT', 'STOPPED'),
    ('RUNNING', 'WAIT'),
    ('RUNNING', 'STOPPED'),
    ('RUNNING', 'SUCCESS'),
    ('RUNNING', 'ERROR'),
    ('RUNNING', 'EXCEPTION'),
    ('STOPPED', 'WAIT'),
    ('SUCCESS', 'WAIT'),
    ('ERROR', 'WAIT'),
    ('EXCEPTION', 'WAIT'),
}


def test_there_are_six_states_and_no_others():
    assert set(State) == {'WAIT', 'RUNNING', 'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'}


@pytest.mark.parametrize(('source', 'target'), list(product(State, State)))
def test_a_move_is_allowed_exactly_where_the_table_says_so(source, target):
    assert (target in MOVES[source]) == ((source.value, target.value) in MOVES_BY_HAND)


@pytest.mark.parametrize('state', State)
def test_four_states_are_ends(state):
    assert state.is_ended == (state in ('STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'))


@pytest.mark.parametrize('state', sorted(ENDED))
def test_an_end_is_never_overwritten_by_another(state):
    assert not MOVES[state] & ENDED


def test_a_state_is_its_own_text():
    assert State('WAIT') == 'WAIT'
    assert f'{State.RUNNING}' == 'RUNNING'


def test_an_outcome_in_wait_is_a_run_given_back():
    assert Outcome(State.WAIT).is_given_back
    assert not Outcome(State.SUCCESS).is_given_back


def test_an_outcome_is_decided_once():
    with pytest.raises(AttributeError):
        Outcome(State.SUCCESS).state = State.ERROR
