"""The heartbeat: renews leases from a native thread, so that a task that blocks the event loop loses none.

The thread starts after the main hub and one command (two threads that create hubs at once fight over the import
lock). It shares no pool, lock or logger with the greenlets: it reads a copy of the table, and posts its news to the
hub. It also enforces "never twice": a run that was not renewed for three quarters of a lease is interrupted; if it
still runs when the lease is over, the process exits. So it does if the event loop hangs for `max_hang`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import gevent
from gevent import _hub_local, monkey
from gevent.hub import Hub

from pytask.core.clock import boot_s
from pytask.core.exit_codes import EXIT_BROKEN
from pytask.errors import PytaskError
from pytask.store import Note, Store, chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytask.worker.application import Application
    from pytask.worker.live import Halt, Lease, Live
    from pytask.worker.monitoring.hub_monitor import HubMonitor
    from pytask.worker.registration import Registration
    from pytask.worker.slots import Slots

BEATS_PER_LEASE = 4
FENCE_AT, OVER_AT = 0.75, 1.0
CHUNK = 200

_start_thread = monkey.get_original('_thread', 'start_new_thread')
_allocate_lock = monkey.get_original('_thread', 'allocate_lock')


def _is_kept(live: Live) -> bool:
    task = live.task
    return task is not None and task.on_partition == 'keep'


class _Hub(Hub):
    # With epoll, gevent ends the process if a task closes this thread's socket just as it begins to wait for it.
    backend = 'select'


class Heartbeat:
    """Renews for one worker. `hear` is called in the hub with each piece of news: a word, and what it is about."""

    def __init__(
        self,
        app: Application,
        slots: Slots,
        registration: Registration,
        hub_monitor: HubMonitor,
        hear: Callable[[str, Any], None],
    ) -> None:
        self._app, self._slots, self._registration = app, slots, registration
        self._hub_monitor, self._hear = hub_monitor, hear
        self._lease_ms = registration.lease_ms
        lease_s = self._lease_ms / 1000
        self.lease_s, self._period_s = lease_s, lease_s / BEATS_PER_LEASE
        self._store: Store
        self._news: deque[tuple[str, Any]] = deque()
        self._notes: deque[Note] = deque(maxlen=100)
        self._nudge = gevent.get_hub().loop.async_()
        self._nudge.start(self._post)
        self._wake = _allocate_lock()
        self._wake.acquire()
        self._has_come, self._gone = gevent.event.Event(), gevent.event.Event()
        self._is_stopping = False
        self.beat_at = boot_s()
        self._max_hang_s = app.settings.max_hang_s
        self._hung_s, self._looked_at = 0.0, boot_s()

    def start(self, timeout_s: float = 3.0) -> None:
        """Return after the first beat. The process exits if no file descriptor is left for the thread's hub."""
        _start_thread(self._run, ())
        self._hub_monitor.start(self.publish)
        self._has_come.wait(timeout_s)

    def stop(self, timeout_s: float = 3.0) -> None:
        self._is_stopping = True
        self._hub_monitor.stop()
        self.hurry()
        self._gone.wait(timeout_s)

    def late_s(self) -> float:
        """Return the age of the last beat if leases that began with it have reached their fence; else 0."""
        age_s = boot_s() - self.beat_at
        return age_s if age_s > FENCE_AT * self.lease_s else 0.0

    def hurry(self) -> None:
        """Beat now rather than when the next beat is due."""
        if self._wake.locked():
            with contextlib.suppress(RuntimeError):  # released by another one just now
                self._wake.release()

    def publish(self, live: Live | None, head: bytes) -> None:
        """Publish an event of a run, or for None only update the worker's record, at once; from any thread."""
        if live is not None:
            self._notes.append(Note(live.run_id, live.token, '', '', head, 0))
        self.hurry()

    # In the native thread.

    def _run(self) -> None:
        try:
            _hub_local.set_hub(_Hub())
            # The thread's own connection; a reply that takes longer than this is a missed beat.
            url, prefix = self._app.url, self._app.settings.prefix
            self._store = Store(url, prefix, size=1, timeout_s=min(2.0, self.lease_s / 6))
            while not self._is_stopping:
                self._beat()
                self._watch_hub()
                self._wake.acquire(True, self._until_next_s())  # noqa: FBT003 - the lock's own signature
            self._store.close()
            gevent.get_hub().destroy(destroy_loop=True)  # this thread's own, with its descriptors
        except BaseException as error:  # noqa: BLE001 - a heartbeat that dies silently would double every run
            sys.__stderr__.write(f'pytask: the heartbeat crashed: {error!r}\n')  # type: ignore[union-attr]
            os._exit(EXIT_BROKEN)
        self._tell('gone', None)

    def _beat(self) -> None:
        lives = self._leased()
        self._guard(lives)  # also before the beat, which takes long while Redis is away
        try:
            self._register([live for live in self._slots.all() if live.is_local])
            for chunk in chunks(lives, CHUNK):
                self._renew(chunk)
            while self._notes:
                self._store.queues.record([self._notes.popleft()], [])
            self.beat_at = boot_s()
            self._tell('beat', None)
        except PytaskError as error:
            self._tell('error', error)
        self._guard(lives)

    def _register(self, local: Sequence[Live]) -> None:
        before = [live.halt for live in local]
        registered = self._registration.register(self._store)
        if registered.is_told_to_stop:
            self._tell('SHUT_DOWN', None)
        self._pass_on(local, before, registered.verdicts)

    def _leased(self) -> list[Live]:
        return [live for live in self._slots.all() if not live.is_local]

    def _until_next_s(self) -> float:
        # Until the next beat, or until a run reaches its fence or the end of its lease.
        now = boot_s()
        marks = [
            self._marked_at(live.lease) - now for live in self._leased() if live.is_open and not _is_kept(live)
        ]
        return min([self._period_s, *(left for left in marks if left > 0)]) + 0.001

    def _marked_at(self, lease: Lease) -> float:
        if not lease.fenced_at:
            return lease.renewed_at + FENCE_AT * self.lease_s
        told_at = lease.fenced_at + (OVER_AT - FENCE_AT) * self.lease_s
        return max(lease.renewed_at + OVER_AT * self.lease_s, told_at)

    def _renew(self, lives: Sequence[Live]) -> None:
        sent_at = boot_s()
        pairs = [(live.run_id, live.token) for live in lives]
        before = [live.halt for live in lives]
        verdicts = self._pass_on(lives, before, self._store.queues.renew(pairs, lease_ms=self._lease_ms))
        for live in lives:
            if verdicts.get(live.run_id) not in ('LOST', 'GONE'):
                live.lease.renewed_at = sent_at

    def _pass_on(
        self, lives: Sequence[Live], before: Sequence[Halt | None], found: Sequence[tuple[str, str]]
    ) -> dict[str, str]:
        # `before` is each run's pause when Redis was asked.
        paused = {run_id for run_id, verdict in found if verdict == 'PAUSED'}
        verdicts = dict(pair for pair in found if pair[1] != 'PAUSED')
        for live, halt in zip(lives, before, strict=True):
            if (live.run_id in paused) != (halt is not None):
                self._tell('pause', (live, halt))
            if live.run_id in verdicts:
                self._tell(verdicts[live.run_id], live)
        return verdicts

    def _guard(self, lives: Iterable[Live]) -> None:
        now = boot_s()
        for live in lives:
            lease = live.lease
            age = (now - lease.renewed_at) / self.lease_s
            if age <= FENCE_AT or not live.is_open or _is_kept(live):
                continue
            lease.fenced_at = lease.fenced_at or now
            told_for = (now - lease.fenced_at) / self.lease_s
            if age > OVER_AT and told_for >= OVER_AT - FENCE_AT:
                sys.__stderr__.write(  # type: ignore[union-attr]
                    f'pytask: run {live.run_id} outlived its lease and could not be interrupted; '
                    f'exit {EXIT_BROKEN}\n'
                )
                os._exit(EXIT_BROKEN)
            self._tell('LOST', live)

    def _watch_hub(self) -> None:
        # A frozen process is not a hang: at most two beats are counted between two looks.
        now = boot_s()
        self._hung_s += min(now - self._looked_at, 2 * self._period_s)  # the hub sets it to 0
        self._looked_at = now
        if self._max_hang_s and self._hung_s > self._max_hang_s:
            sys.__stderr__.write(  # type: ignore[union-attr]
                f'pytask: no greenlet has had a turn for {self._hung_s:.0f} s; exit {EXIT_BROKEN}. '
                f'The event loop is blocked by {self._hub_monitor.culprit()}. All threads:\n'
            )
            faulthandler.dump_traceback(sys.__stderr__, all_threads=True)  # type: ignore[arg-type]
            os._exit(EXIT_BROKEN)

    def _tell(self, what: str, about: Any) -> None:
        self._news.append((what, about))
        self._nudge.send()

    # In the hub.

    def _post(self) -> None:
        self._hung_s = 0.0
        self._has_come.set()
        while self._news:
            what, about = self._news.popleft()
            if what == 'gone':
                self._gone.set()
            else:
                self._hear(what, about)
