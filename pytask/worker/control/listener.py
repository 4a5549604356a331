"""The listener receives commands by pub/sub.

Commands missed while it was not subscribed are stored, so a renewal, whose answers name them, follows each new
subscription. A message to itself proves that the subscription works: a half-open connection, or one to an old
primary, does not fail by itself.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gevent.event import Event

from pytask.core.clock import monotonic_s
from pytask.core.commands import Command
from pytask.worker.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.store import CommandStream, Store
    from pytask.worker.control.dispatcher import Dispatcher
    from pytask.worker.lifetime import Lifetime

PROOF_EVERY_S = 2.0
PROOF_WITHIN_S = 6.0
# A first subscription takes a millisecond or two; if Redis does not answer, the worker starts anyway.
FIRST_WITHIN_S = 2.0
ECHO = 'echo'


class ControlListener(Service):
    """Listens for one worker, and for the runs of all. `on_subscribed` is called after each subscription."""

    def __init__(
        self,
        worker_id: str,
        store: Store,
        dispatcher: Dispatcher,
        lifetime: Lifetime,
        on_subscribed: Callable[[], None],
    ) -> None:
        super().__init__('listener', lifetime)
        self._worker_id, self._store, self._dispatcher = worker_id, store, dispatcher
        self._on_subscribed = on_subscribed
        self._stream: CommandStream | None = None
        self._nonce = ''
        self._proved_at = self._asked_at = 0.0
        self._listens = Event()
        self._echoed_at = monotonic_s()

    def silent_s(self) -> float:
        """Return how many seconds ago the subscription last proved that it works."""
        return monotonic_s() - self._echoed_at

    def start(self) -> None:
        """Return once it listens: a worker that has started receives what is published from then on."""
        super().start()
        self._listens.wait(FIRST_WITHIN_S)

    def turn(self) -> None:
        try:
            if self._stream is None:
                self._subscribe()
            self._prove()
            got = self._stream.read(timeout_s=1.0)  # type: ignore[union-attr]
            if got is not None:
                self._hear(*got)
        except BaseException:
            self._unsubscribe()
            raise

    def stop(self, timeout_s: float = 1.0) -> None:
        super().stop(timeout_s)
        self._unsubscribe()

    def _subscribe(self) -> None:
        self._stream = self._store.commands(self._worker_id)
        self._listens.set()
        self._proved_at, self._asked_at = monotonic_s(), 0.0  # ask a new one for proof at once
        self._on_subscribed()

    def _unsubscribe(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _prove(self) -> None:
        now = monotonic_s()
        if now - self._proved_at > PROOF_WITHIN_S:
            self._report.deaf()
            self._unsubscribe()
            self._subscribe()
        if now - self._asked_at > PROOF_EVERY_S:
            self._asked_at, self._nonce = now, secrets.token_hex(4)
            channel = self._store.keys.worker_control(self._worker_id)
            self._store.publish(channel, f'{{"command":"{ECHO}","nonce":"{self._nonce}"}}')

    def _hear(self, run_id: str, command: Command) -> None:
        if run_id:
            self._dispatcher.obey(run_id, command)
        elif command.name == ECHO:
            if command.fields.get('nonce') == self._nonce:
                self._proved_at = self._echoed_at = monotonic_s()
        else:
            self._dispatcher.obey_as_worker(command)
