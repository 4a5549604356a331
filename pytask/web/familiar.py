"""What the feed knows of runs by their ids: the task, and the secrets in the data. Each is looked up once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytask.client import Client
    from pytask.web.redact import Redactor

MOST = 5000

Facts = tuple[str, list[str]]


class Familiar:
    def __init__(self, client: Client, redactor: Redactor) -> None:
        self._client, self._redactor = client, redactor
        self._known: dict[str, Facts] = {}

    def of(self, run_ids: Collection[str]) -> dict[str, Facts]:
        """Return (task, secrets) of these runs, ('', []) where there is no such run. Raises Unavailable."""
        new = [run_id for run_id in run_ids if run_id not in self._known]
        if new:
            runs = self._client.store.runs.read(new)
            for run_id, run in zip(new, runs, strict=True):
                self._known[run_id] = ('', []) if run is None else (run.task, self._redactor.secrets_of(run.data))
        found = {run_id: self._known[run_id] for run_id in run_ids}
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return found
