"""Fields of hashes, whatever foreign hands have written there."""

import pytest

from pytask.core.fields import as_number, as_whole


@pytest.mark.parametrize(
    ('text', 'whole'),
    [
        ('9007199254740993', 2**53 + 1),
        ('-3', -3),
        ('3.7', 3),
        ('1e3', 1000),
        ('1_0', None),
        ('1' * 400, None),
        ('nan', None),
        ('x', None),
        ('', None),
        (None, None),
    ],
)
def test_a_whole_number_keeps_its_digits(text, whole):
    assert as_whole(text) == whole
    assert (as_number(text) is None) == (whole is None)
