"""The inbox: the messages that are sent to runs of this worker, handled one after the other.

A run with messages has a loop until all are handled. One of the run's own greenlets handles a message, which leaves
the inbox only when that has returned or failed. So a message that is interrupted, by a reload or at the end, is
handled again, by the successor or the next attempt. Published messages are not in an inbox and are handled in
between. The loop belongs to the worker, so the interruption of a task never hits a call to Redis.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import gevent

from pytask.authoring.task import current
from pytask.core import commands, events
from pytask.core.envelope import MAX_MESSAGES, from_fields, read_envelope
from pytask.errors import PytaskError, Unavailable
from pytask.worker.attempt import message_handler
from pytask.worker.insist import FIRST_PAUSE_S, LONGEST_PAUSE_S, insist
from pytask.worker.live import goes_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.authoring.task import Task
    from pytask.core.commands import Command
    from pytask.core.envelope import Envelope
    from pytask.store import Store
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter
    from pytask.worker.writer import Writer

# Signs for the runs of all workers arrive here; only the latest can be for a run that is about to begin.
MAX_MISSED = 1000


class Box:
    """The published messages of one run, and whether to look into its inbox."""

    __slots__ = ('is_due', 'published')

    def __init__(self) -> None:
        self.published: deque[Envelope] = deque()
        self.is_due = False


class Inbox:
    """Handles the messages of one worker's runs."""

    def __init__(self, store: Store, report: Reporter, writer: Writer) -> None:
        self._store, self._report, self._writer = store, report, writer
        self._boxes: dict[Live, Box] = {}
        self._missed: dict[str, None] = {}

    def obey(self, live: Live, command: Command) -> None:
        """Carry out a `send`: with a name it is a message, otherwise a sign that one is in the inbox."""
        if 'name' not in command.fields:
            self.look(live)
            return
        published = self._box(live).published
        if len(published) < MAX_MESSAGES:
            published.append(from_fields(command.fields))
        else:
            self._report.message_dropped(live)

    def miss(self, run_id: str, command: Command) -> None:
        """Remember a sign for a run that is not here: it may be about to be granted to this worker."""
        if command.name == commands.SEND:
            self._missed[run_id] = None
            if len(self._missed) > MAX_MISSED:
                del self._missed[next(iter(self._missed))]

    def begin(self, live: Live, *, has_messages: bool) -> None:
        """Handle the messages that wait for an attempt that begins."""
        was_missed = live.run_id in self._missed
        if was_missed:
            del self._missed[live.run_id]
        if has_messages or was_missed:
            self.look(live)

    def look(self, live: Live) -> None:
        """Handle the inbox of a run; return at once. A flow that waits handles its messages itself."""
        if live.flow is not None and live.flow.keeps_mail:
            live.flow.has_mail = True
        else:
            self._box(live).is_due = True

    def _box(self, live: Live) -> Box:
        box = self._boxes.get(live)
        if box is None:
            box = self._boxes[live] = Box()
            gevent.spawn_raw(self._serve, live, box)
        return box

    def _serve(self, live: Live, box: Box) -> None:
        try:
            while (box.published or box.is_due) and not live.greenlet.dead:
                self._next_published(live, box)
                if box.is_due:
                    box.is_due = False
                    self._read(live, box)
        finally:
            del self._boxes[live]

    def _next_published(self, live: Live, box: Box) -> None:
        if box.published:
            self._handle(live, box.published.popleft())

    def _read(self, live: Live, box: Box) -> None:
        taken = self._store.inboxes.taken
        raw = self._insist(live, taken, live.run_id, live.token)
        while raw:
            message = read_envelope(raw)
            if not self._handle(live, message):
                return
            raw = self._insist(live, taken, live.run_id, live.token, message.key)
            self._next_published(live, box)

    def _handle(self, live: Live, message: Envelope) -> bool:
        """Have the run's current instance handle a message; return False if the run is over before that."""
        heard, task = None, None
        while heard is None:
            task = self._instance(live, task)
            if task is None:
                if live.end.reason not in ('shutdown', 'lost'):
                    self._report.message_unheard(live, str(message.name))
                return False
            heard = self._hear(live, task, message)
        if message.ask:
            self._insist(live, self._store.answers.give, message.ask, heard.answer)
        if heard.error is not None:
            self.tell(live, message, heard.error)
        return True

    @staticmethod
    def _instance(live: Live, but: Task | None) -> Task | None:
        """Wait for an instance other than `but`, and return it; None if the run is over."""
        pause_s = FIRST_PAUSE_S
        while not live.greenlet.dead:
            task = live.task
            if task is not None and task is not but and _hears(live):
                return task
            gevent.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return None

    @staticmethod
    def _hear(live: Live, task: Task, message: Envelope) -> message_handler.Heard | None:
        # As a child of the run, in a copy of the run's inner context.
        context = live.greenlet.gr_context.copy()
        context.run(current.set, task)
        child = context.run(gevent.spawn, message_handler.hear, task, message)
        gevent.wait([child, live.end.over_event()], count=1)
        heard = child.value if child.dead else None
        if isinstance(heard, message_handler.Heard):
            return heard
        if live.task is task and _hears(live) and not live.end.reason:  # it interrupted itself
            return message_handler.failed(PytaskError(f'message {message.name} was interrupted'))
        return None

    def tell(self, live: Live, message: Envelope, error: BaseException) -> None:
        """Log that a message has failed; publish it, too, if no answer is awaited."""
        name = str(message.name)[:100]
        self._report.message_failed(live, name, error)
        if not message.ask:
            about = {'name': name, 'error': message_handler.why(error)}
            self._writer.note(live, events.event_head(events.MESSAGE_FAILED, about))

    def _insist(self, live: Live, call: Callable[..., Any], *args: Any) -> Any:
        """Call Redis until it answers; return None if the run is over before that, or Redis refuses."""
        try:
            return insist(call, *args, is_over=lambda: live.greenlet.dead)
        except Unavailable:
            return None
        except PytaskError as error:
            self._report.inbox_refused(live, error)
            return None


def _hears(live: Live) -> bool:
    """Tell whether a run's instance can handle messages: it works, and is not being replaced."""
    return live.end.reason != 'reload' and goes_on(live)
