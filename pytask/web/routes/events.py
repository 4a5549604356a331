"""Routes of events: server-sent, of one run or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.web.access.roles import READ
from pytask.web.request import Answer, Problem
from pytask.web.routes.runs import show_run
from pytask.web.routing import Call, Route
from pytask.web.streaming.feed import Filter
from pytask.web.streaming.subscriber import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_STREAM = 'text/event-stream'
STREAM = f'{EVENT_STREAM}; charset=utf-8'
# Where our own server is below: the socket, as long as the answer is chunked.
SOCKET = 'pytask.socket'


def follow_all(call: Call, task: str = '', run: str = '') -> Answer:
    """Follow the events of all runs, of those of one task, or of one run, as server-sent events.

    With the id of the last one heard (Last-Event-ID) those since then come first; where they are not kept any more,
    and whenever some may be missing, an event `reset` says that all is to be read anew.
    """
    return _follow(call, Filter(run, task))


def follow_run(call: Call, run: str) -> Any:
    """Follow the events of one run, as server-sent events.

    A run whose own id ends so is shown to who does not ask for a stream.
    """
    if EVENT_STREAM not in call.request.header('accept'):
        named = f'{run}/events'
        if call.client.store.runs.read([named])[0] is not None:
            return show_run(call, named)
    return _follow(call, Filter(run))


def _follow(call: Call, wanted: Filter) -> Answer:
    if call.site.feed.size >= call.site.feed.most_listeners:
        raise Problem(503, 'too many follow events just now', headers=(('Retry-After', '10'),))
    last_id = call.request.header('last-event-id')
    # Joined now, not at the first byte: what happens from here on is heard.
    listener = Listener(call.request.environ.get(SOCKET))
    call.site.feed.join(listener, wanted, last_id)
    headers = (('X-Accel-Buffering', 'no'),)  # a proxy is not to gather them
    return Answer(Followed(call, listener, wanted), 200, STREAM, headers)


class Followed:
    """The body of such an answer; the server below closes it, whatever happens."""

    def __init__(self, call: Call, listener: Listener, wanted: Filter) -> None:
        self._call, self._listener, self._wanted = call, listener, wanted

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._listener)

    def close(self) -> None:
        self._call.site.feed.part(self._listener, self._wanted)


ROUTES: list[Any] = [
    Route('GET', '/api/v1/events', follow_all, READ, shape='Events', is_clean=True),
    Route('GET', '/api/v1/runs/{run}/events', follow_run, READ, shape='Events', is_clean=True),
]
