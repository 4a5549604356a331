"""Registration: what a worker says about itself in Redis, with its start and with each heartbeat."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from typing import TYPE_CHECKING

from pytask.core.names import no_such_task
from pytask.core.version import VERSION
from pytask.errors import PytaskError, Unavailable
from pytask.store import Claimant

if TYPE_CHECKING:
    from pytask.store import Claimed, Store
    from pytask.store.records import Registered
    from pytask.worker.application import Application
    from pytask.worker.monitoring.readiness import Readiness
    from pytask.worker.slots import Slots


class Registration:
    """One worker as Redis sees it: its id, the length of its leases, its record and its local runs."""

    def __init__(self, app: Application, store: Store, slots: Slots, readiness: Readiness) -> None:
        self._app, self._store, self._slots, self._readiness = app, store, slots, readiness
        name = app.settings.name or socket.gethostname().split('.')[0][:24]
        self.worker_id = f'{name}-{secrets.token_hex(2)}'
        self.lease_ms = int(app.settings.lease_s * 1000)
        self._serves = '\n'.join(['', *app.registry.answers_to(), ''])

    def register(self, store: Store | None = None) -> Registered:
        """Write the record of this worker; the heartbeat does so through its own store. Raises ConfigError."""
        store = store or self._store
        locals_ = {live.run_id: live for live in self._slots.all() if live.is_local}
        app, slots = self._app, self._slots
        fields = {
            'host': socket.gethostname(), 'pid': os.getpid(), 'version': VERSION,
            'queues': ','.join(app.settings.queue), 'slots': slots.size, 'taken': slots.taken,
            'tasks': self._serves, 'schedules': '\n'.join(['', *app.schedules, '']),
            'locals': '\n'.join(locals_), **self._readiness.fields(),
        }  # fmt: skip
        registered = store.workers.register(
            self.worker_id, lease_ms=self.lease_ms, fields=fields, local_ids=locals_,
            handles_ends=app.end_handler is not None,
        )  # fmt: skip
        for run_id in registered.forgotten:  # after a long outage, or a restart that lost data; they still run
            self.write_down(locals_[run_id].claimed, store)
        return registered

    def leave(self) -> None:
        """Delete the record, if Redis is reachable; otherwise it expires."""
        with contextlib.suppress(PytaskError):
            self._store.workers.forget(self.worker_id)

    def claimant(self, nonce: str) -> Claimant:
        return Claimant(self.worker_id, nonce, self.lease_ms)

    def why_parked(self, task: str) -> str:
        """Return a text: this worker has no such task, and which names are similar."""
        return no_such_task(task, self._app.registry.names())

    def write_down(self, claimed: Claimed, store: Store | None = None) -> None:
        """Store a local run as RUNNING."""
        queues = (store or self._store).queues
        queues.begin_local(claimed, worker_id=self.worker_id, ttl_ms=self.lease_ms)

    def remove(self, run_id: str) -> None:
        """Delete a local run, if Redis is reachable; otherwise it expires."""
        with contextlib.suppress(Unavailable):
            self._store.db.call('UNLINK', self._store.keys.run(run_id))
