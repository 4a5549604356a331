import pytest

from pytask import errors
from pytask.core.clock import boot_s, monotonic_s, wall_ms, wall_s


@pytest.mark.parametrize('name', [name for name in errors.__all__ if name not in ('Interrupted', 'PytaskError')])
def test_there_is_one_tree_of_errors(name):
    assert issubclass(getattr(errors, name), errors.PytaskError)


def test_an_interruption_passes_by_those_who_catch_exceptions():
    assert not issubclass(errors.Interrupted, Exception)
    assert errors.Interrupted('stop').reason == 'stop'


def test_a_wait_that_is_over_is_a_timeout_too():
    assert issubclass(errors.WaitTimeout, TimeoutError)


def test_spans_never_run_backwards():
    assert boot_s() <= boot_s()
    assert monotonic_s() <= monotonic_s()


def test_wall_time_has_one_value_in_two_units():
    assert abs(wall_ms() / 1000 - wall_s()) < 5
