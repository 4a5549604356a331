"""Server-sent events, of one run or of all."""

from __future__ import annotations

from typing import Any

from pytask.net.listen import SOCKET
from pytask.web.access.roles import READ
from pytask.web.request import Answer, Problem
from pytask.web.routes.runs import show_run
from pytask.web.routing import Call, Route
from pytask.web.streaming.history import Filter

EVENT_STREAM = 'text/event-stream'
STREAM = f'{EVENT_STREAM}; charset=utf-8'


def follow_all(call: Call, task: str = '', run: str = '') -> Answer:
    """Follow the events of all runs, of the runs of one task, or of one run, as server-sent events.

    With the id of the last event received (Last-Event-ID), the events since then come first. If some may be
    missing, an event `reset` tells the client to read everything again.
    """
    return _follow(call, Filter(run, task))


def follow_run(call: Call, run: str) -> Any:
    """Follow the events of one run, as server-sent events.

    Without `Accept: text/event-stream` this shows the run whose id ends in `/events`, if there is one.
    """
    if EVENT_STREAM not in call.request.header('accept'):
        named = f'{run}/events'
        if call.client.store.runs.read([named])[0] is not None:
            return show_run(call, named)
    return _follow(call, Filter(run))


def _follow(call: Call, wanted: Filter) -> Answer:
    feed = call.site.feed
    if feed.size >= feed.most_subscribers:
        raise Problem(503, 'too many clients follow events; try again later', headers=(('Retry-After', '10'),))
    # Joined now, not at the first byte, so that no event from here on is missed.
    subscriber = feed.join(wanted, call.request.header('last-event-id'), call.request.environ.get(SOCKET))
    headers = (('X-Accel-Buffering', 'no'),)  # nginx would hold events back
    return Answer(subscriber, 200, STREAM, headers)


ROUTES: list[Any] = [
    Route('GET', '/api/v1/events', follow_all, READ, shape='Events', is_clean=True),
    Route('GET', '/api/v1/runs/{run}/events', follow_run, READ, shape='Events', is_clean=True),
]
