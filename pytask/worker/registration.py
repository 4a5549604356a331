"""Presence: what a worker says of itself with each heartbeat: that it is alive, what it serves, what it has."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from pytask.core.version import VERSION

if TYPE_CHECKING:
    from pytask.store import Store
    from pytask.store.records import Registered
    from pytask.worker.worker import Worker


def register(worker: Worker, store: Store) -> Registered:
    """Say that this worker is alive; the heartbeat does so through its own store. Raises ConfigError."""
    from pytask.worker.monitoring.readiness import troubles  # which looks at the heartbeat, and that comes here

    locals_ = {live.run_id: live for live in worker.slots.all() if live.is_local}
    app, slots = worker.app, worker.slots
    fields = {
        'host': socket.gethostname(), 'pid': os.getpid(), 'version': VERSION,
        'queues': ','.join(app.settings.queue), 'slots': slots.size, 'taken': slots.taken,
        'tasks': worker.serves, 'schedules': '\n'.join(['', *app.schedules, '']),
        'locals': '\n'.join(locals_), 'draining': int(worker.reason_to_stop.is_set()),
        'troubles': '; '.join(troubles(worker)), **worker.heartbeat.hub_monitor.fields(),
    }  # fmt: skip
    registered = store.workers.register(
        worker.id, lease_ms=worker.lease_ms, fields=fields, local_ids=locals_,
        handles_ends=app.end_handler is not None,
    )  # fmt: skip
    for run_id in registered.forgotten:  # by a long outage, or an empty restart: they go on all the same
        store.queues.begin_local(locals_[run_id].claimed, worker_id=worker.id, ttl_ms=worker.lease_ms)
    return registered
