"""What a client does with schedules: see them, run one by hand, pause and resume it, forget it.

Schedules are declared in code, see `PyTask.cron`, `date` and `every`; workers fire them.
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
    """What a client does with schedules."""

    def schedules(self) -> list[Schedule]:
        """Return all schedules, the next one to fire first."""
        store = self.store.schedules
        return store.read(store.names())

    def schedule(self, name: str) -> Schedule:
        """Return a schedule. Raises NotFound with the near names."""
        store = self.store.schedules
        found = store.read([name])
        if not found:
            others = [other for other in store.names() if other != name]  # it may be there by half
            near = ' or '.join(map(repr, get_close_matches(name, others, n=2)))
            raise NotFound(f'no schedule {name!r}' + (f'; did you mean {near}?' if near else ''))
        return found[0]

    def run_schedule(self, name: str) -> Run:
        """Start what a schedule starts, now; its times stay as they are, paused or not. Raises as `start` does."""
        found = self.schedule(name)
        run_id = id_of_firing(name, self.store.schedules.now_ms())
        return start_runs(self, [Launch(found.task, found.data, run_id, found.queue)])[0]

    def pause_schedule(self, name: str) -> str:
        """Let a schedule not fire until it is resumed, also through restarts. Answers `applied`, `not_found`."""
        return in_words(self.store.schedules.pause(name))

    def resume_schedule(self, name: str) -> str:
        """Let a paused schedule go on; what it would have fired meanwhile is not made up for.

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
        """Forget a schedule that is gone from the code.

        Answers `applied`, `refused` (a living worker has it in its code: pause it), `not_found`.
        """
        return in_words(self.store.schedules.remove(name))
