"""The task and the secrets of runs, by id, for the feed: read from Redis once for each run.

They are read again after an event that may have changed the data; old secrets are kept, as they may still appear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.web.redaction.redactor import ANY_TEXT, MOST_SECRETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.client.client import Client
    from pytask.core.events import Event
    from pytask.web.redaction.redactor import Redactor

MOST = 5000
# After these events a run may have other data, or be a new run with the same id.
CHANGES = frozenset({'reloaded', 'running', 'wait'})
# Secrets of one run, old ones included, in all their spellings.
MOST_TEXTS = 8 * MOST_SECRETS

Facts = tuple[str, list[str]]
UNKNOWN: Facts = ('', [])


class KnownRuns:
    def __init__(self, client: Client, redactor: Redactor) -> None:
        self._client, self._redactor = client, redactor
        self._known: dict[str, Facts] = {}

    def of(self, events: Sequence[Event]) -> dict[str, Facts]:
        """Return (task, secrets) by run id, ('', []) for a run that does not exist. Raises Unavailable."""
        run_ids = {event.run_id for event in events}
        changed = {event.run_id for event in events if event.event in CHANGES}
        new = [run_id for run_id in run_ids if run_id in changed or run_id not in self._known]
        # A missing run is not remembered, as it may be created later.
        runs = [run for run in self._client.store.runs.read(new) if run is not None] if new else []
        self._known |= {run.id: self._facts(run.id, run.task, run.data) for run in runs}
        for run in runs:
            if run.parent in self._known:  # a flow, whose error may quote this run
                self._known[run.parent] = self._facts(run.parent, self._known[run.parent][0], run.data)
        facts = {run_id: self._known.get(run_id, UNKNOWN) for run_id in run_ids}
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return facts

    def _facts(self, run_id: str, task: str, data: Any) -> Facts:
        before = self._known.get(run_id, UNKNOWN)[1]
        secrets = {*self._redactor.secrets_of(data), *before}
        return task, [ANY_TEXT] if len(secrets) > MOST_TEXTS else sorted(secrets, key=len, reverse=True)
