"""What the fault tests share: a server that can be harmed, a proxy before it, a journal of what ran."""

import pytest
from proxy import Proxy


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as running:
        yield running
