"""The feed after nobody has listened for a while."""

from __future__ import annotations

import pytest
from support import wait_until

from pytask.errors import Unavailable
from pytask.web.redaction.redactor import Redactor
from pytask.web.streaming import feed
from pytask.web.streaming.history import Filter


def test_a_client_is_heard_after_a_long_silence(app, monkeypatch):
    monkeypatch.setattr(feed, 'IDLE_S', 0.2)
    monkeypatch.setattr(feed, 'RETRY_S', 0.05)
    events = feed.Feed(app.client, Redactor(app.registry))
    for _ in range(2):
        subscriber = events.join(Filter())
        assert events.size == 1
        subscriber.close()
        wait_until(lambda: events._thread is None, 'the feed has gone to sleep')
        monkeypatch.setattr(events, '_used_at', events._used_at - 1)  # and has slept for longer than that
    events.close()


def test_a_client_that_comes_just_as_the_feed_goes_to_sleep_is_heard(app, redis):
    events = feed.Feed(app.client, Redactor(app.registry))
    wake = events._wake

    def wakes_too_early():
        wake()
        events._wake = wake
        events._used_at -= 2 * feed.IDLE_S
        wait_until(lambda: events._thread is None, 'the feed has gone to sleep')

    events._wake = wakes_too_early
    subscriber = events.join(Filter())
    wait_until(lambda: redis.publish('task-a', '{"event":"x"}') and subscriber._chunks, 'it is heard')
    events.close()


def test_nobody_joins_what_is_closed(app):
    events = feed.Feed(app.client, Redactor(app.registry))
    events.close()
    with pytest.raises(Unavailable):
        events.join(Filter())
