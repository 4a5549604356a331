"""Words own no greenlets, so the look through all objects that the other folders need is left out here."""

import sys

import pytest


@pytest.fixture(autouse=True)
def no_greenlet_is_left():
    return


@pytest.fixture
def fresh_modules():
    """Forget what a test imports, so that folders of the same name do not meet."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
