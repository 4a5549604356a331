"""The feed after nobody has listened for a while."""

from __future__ import annotations

from support import wait_until

from pytask.web import feed
from pytask.web.listener import Listener
from pytask.web.redact import Redactor


def test_a_client_is_heard_after_a_long_silence(app, monkeypatch):
    monkeypatch.setattr(feed, 'IDLE_S', 0.2)
    monkeypatch.setattr(feed, 'AGAIN_S', 0.05)
    events = feed.Feed(app.client, Redactor(app.registry))
    for _ in range(2):
        listener = Listener()
        events.join(listener, feed.Filter(), '')
        assert events.size == 1
        events.part(listener, feed.Filter())
        wait_until(lambda: events._thread is None, 'the feed has gone to sleep')
        monkeypatch.setattr(events, '_used_at', events._used_at - 1)  # and has slept for longer than that
    events.close()
