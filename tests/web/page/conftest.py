"""A worker that serves the web, and a Chromium to look at it."""

from __future__ import annotations

import pytest
from browser import Browser
from sites import Site


@pytest.fixture(scope='session')
def chromium():
    """One Chromium for all tests; each opens tabs of its own."""
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def site(processes, request):
    """A worker that serves the web: of a folder of tasks, or of the app that is the parameter."""
    return Site(processes, app=getattr(request, 'param', ''))
