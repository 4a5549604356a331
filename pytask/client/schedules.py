"""Read schedules, run one by hand, pause, resume and remove it.

Schedules are declared in code with `PyTask.cron`, `date` and `every`; workers fire them.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pytask.client.base import ClientBase
from pytask.client.messages import in_words
from pytask.client.starting import Launch, start_runs
from pytask.errors import NotFound
from pytask.schedules.schedule import id_of_firing, read_trigger

if TYPE_CHECKING:
    from pytask.core.run import Run
    from pytask.schedules.schedule import Schedule


class ScheduleCommands(ClientBase):
    """The stored schedules."""

    def schedules(self) -> list[Schedule]:
        """Return all schedules, the one that fires next first."""
        store = self.store.schedules
        return store.read(store.names())

    def schedule(self, name: str) -> Schedule:
        """Return a schedule. Raises NotFound, which suggests similar names."""
        store = self.store.schedules
        found = store.read([name])
        if not found:
            others = [other for other in store.names() if other != name]  # its name may be stored without its hash
            near = ' or '.join(map(repr, get_close_matches(name, others, n=2)))
            raise NotFound(f'no schedule {name!r}' + (f'; did you mean {near}?' if near else ''))
        return found[0]

    def run_schedule(self, name: str) -> Run:
        """Start the run of a schedule now, paused or not; its times do not change. Raises as `start` does."""
        found = self.schedule(name)
        run_id = id_of_firing(name, self.store.schedules.now_ms())
        return start_runs(self, [Launch(found.task, found.data, run_id, found.queue)])[0]

    def pause_schedule(self, name: str) -> str:
        """Keep a schedule from firing until it is resumed. Answers `applied` or `not_found`."""
        return in_words(self.store.schedules.pause(name))

    def resume_schedule(self, name: str) -> str:
        """Resume a paused schedule; firings missed during the pause are not made up.

        Answers `applied`, `refused` (it was not paused), `not_found`.
        """
        store = self.store.schedules
        found = store.read([name])
        if not found:
            return 'not_found'
        trigger = read_trigger(store.trigger(name))
        is_over = trigger.is_once and found[0].last_at is not None
        next_ms = None if is_over else trigger.first_ms(store.now_ms())
        return in_words(store.resume(name, next_ms, is_missed=next_ms is None and not is_over))

    def remove_schedule(self, name: str) -> str:
        """Remove a schedule that is no longer in the code.

        Answers `applied`, `refused` (a live worker has it in its code; pause it instead), `not_found`.
        """
        return in_words(self.store.schedules.remove(name))
