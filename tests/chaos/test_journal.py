"""The chaos run's judge of overlaps: what it finds, and what it excuses."""

import pytest
from journal import Journal

LEASE_S = 2.0


@pytest.fixture
def judged(tmp_path):
    def judge(*lines, windows=None):
        path = tmp_path / 'journal'
        path.write_text(''.join(f'{line}\n' for line in lines))
        journal = Journal(path, windows or {}, LEASE_S)
        journal.read()
        journal.judge()
        return journal

    return judge


def test_one_attempt_after_the_other_is_no_overlap(judged):
    journal = judged('r 1 10 5.0 begin', 'r 1 10 6.0 still', 'r 2 11 6.5 begin', 'r 2 11 7.0 end')
    assert journal.overlaps == {}
    assert journal.attempts == 2


def test_two_attempts_alive_at_once_are_an_overlap(judged):
    journal = judged('r 1 10 5.0 begin', 'r 2 11 6.0 begin', 'r 1 10 7.0 end lost', 'r 2 11 9.0 end')
    assert journal.overlaps == {('r', 1, 2): pytest.approx(1.0)}


def test_an_attempt_is_alive_up_to_its_last_line_and_no_longer(judged):
    journal = judged('r 1 10 5.0 begin', 'r 1 10 5.9 still', 'r 2 11 6.0 begin', 'r 2 11 9.0 end')
    assert journal.overlaps == {}


def test_a_frozen_process_is_not_alive_nor_just_after_it_wakes(judged):
    lines = ('r 1 10 5.0 begin', 'r 2 11 9.0 begin', 'r 1 10 10.1 end lost', 'r 2 11 12.0 end')
    journal = judged(*lines, windows={10: [[5.5, 10.0]]})
    assert journal.overlaps == {}
    assert journal.longest_waking == (pytest.approx(0.1), 'r')


def test_a_process_that_woke_up_long_ago_is_not_excused(judged):
    lines = ('r 1 10 5.0 begin', 'r 2 11 9.0 begin', 'r 1 10 11.0 end lost', 'r 2 11 12.0 end')
    journal = judged(*lines, windows={10: [[5.5, 10.0]]})
    assert journal.overlaps == {('r', 1, 2): pytest.approx(1.0)}


def test_the_freezing_of_the_later_attempt_excuses_nothing(judged):
    lines = ('r 1 10 5.0 begin', 'r 2 11 9.0 begin', 'r 1 10 11.0 end lost', 'r 2 11 12.0 end')
    assert judged(*lines, windows={11: [[9.5, 10.0]]}).overlaps


def test_an_attempt_that_begins_twice_is_told(judged):
    assert judged('r 1 10 5.0 begin', 'r 1 10 6.0 end', 'r 1 10 7.0 begin').twice == {('r', 1)}
