"""pytask/cleanup: passes ended runs to the end handler, and deletes those that are too old or too many.

Runs marked `keep` stay, as do those that the end handler has not had.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from pytask.authoring.task import Task
from pytask.builtin.end_handler import hand_on
from pytask.core.clock import monotonic_s
from pytask.core.states import ENDED, State

if TYPE_CHECKING:
    from pytask.config.settings import Settings
    from pytask.store import Store

EVERY_S = 10.0
HAND_ON_EVERY_S = 1.0


class Cleanup(Task):
    """Prunes every ten seconds, in each end state; passes ended runs on every second."""

    NAME = 'pytask/cleanup'

    def start(self) -> None:
        store: Store = self.client.store
        prune_at = 0.0
        while not self.stopping.is_set():
            if monotonic_s() >= prune_at:
                prune_at = monotonic_s() + EVERY_S * random.uniform(0.8, 1.2)
                for state in sorted(ENDED):
                    self.prune(store, state, self.app.settings)
                store.ends.forget_unwanted()
            while self.app.end_handler is not None and hand_on(self, self.app.end_handler):
                pass
            self.stopping.wait(HAND_ON_EVERY_S)

    @staticmethod
    def prune(store: Store, state: State, settings: Settings) -> int:
        """Delete the runs in one end state that are too old or too many; return how many."""
        is_success = state is State.SUCCESS
        keep_s = settings.keep_success_s if is_success else settings.keep_ended_s
        keep_count = settings.max_success if is_success else settings.max_ended
        kept = deleted = 0
        while True:
            ids = store.runs.oldest_ended(state, keep_s=keep_s, keep_count=keep_count, offset=kept)
            if not ids:
                return deleted
            answers = store.runs.remove(ids, takes_kept=False)
            gone = sum(answer in ('OK', 'NOT_FOUND') for answer in answers)
            deleted += gone
            kept += len(ids) - gone
