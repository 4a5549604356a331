"""The dispatcher passes each command, and each piece of news of the heartbeat, to the part that carries it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.worker.control.stopper import seconds
from pytask.worker.local_runs import is_builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytask.core.commands import Command
    from pytask.worker.attempt.launcher import Launcher
    from pytask.worker.control.inbox import Inbox
    from pytask.worker.control.stopper import Stopper
    from pytask.worker.live import Live
    from pytask.worker.reporter import Reporter
    from pytask.worker.slots import Slots

# Every worker receives the commands for the runs of all workers.
MOST_EARLY = 1000


class Dispatcher:
    """Dispatches commands: `of_runs` and `of_worker` map each to the function that carries it out."""

    def __init__(
        self,
        slots: Slots,
        inbox: Inbox,
        of_runs: Mapping[str, Callable[[Live, Command], None]],
        of_worker: Mapping[str, Callable[[Command], object]],
    ) -> None:
        self._slots, self._inbox = slots, inbox
        self._of_runs, self._of_worker = dict(of_runs), of_worker
        self._is_claiming = False
        self._early: list[tuple[str, Command]] = []

    def obey(self, run_id: str, command: Command) -> None:
        """Carry out a command for a run of this worker; one for another attempt is ignored."""
        live = self._slots.get(run_id)
        if live is None and self._is_claiming and len(self._early) < MOST_EARLY:
            self._early.append((run_id, command))
        elif live is None:
            self._inbox.miss(run_id, command)
        if live is None or command.attempt not in (0, live.attempt) or is_builtin(live):
            return
        carry_out = self._of_runs.get(command.name)
        if carry_out is not None:
            carry_out(live, command)

    def obey_as_worker(self, command: Command) -> None:
        """Carry out a command for this worker."""
        carry_out = self._of_worker.get(command.name)
        if carry_out is not None:
            carry_out(command)

    def begin(self, live: Live, *, has_messages: bool) -> None:
        """Handle the messages that wait for an attempt that begins."""
        self._inbox.begin(live, has_messages=has_messages)

    def expect(self) -> None:
        """Keep commands for unknown runs during a claim: they may be for a run that it grants."""
        self._is_claiming = True

    def catch_up(self) -> None:
        """Carry out the commands kept during a claim."""
        self._is_claiming = False
        early, self._early = self._early, []
        for run_id, command in early:
            self.obey(run_id, command)


class News:
    """Acts on what the heartbeat's thread learned. It runs in the hub, so nothing here may block.

    `others` maps words to functions of a single part of the worker.
    """

    def __init__(
        self,
        slots: Slots,
        report: Reporter,
        stopper: Stopper,
        launcher: Launcher,
        others: Mapping[str, Callable[[Any], None]],
    ) -> None:
        self._slots, self._report = slots, report
        self._stopper, self._launcher = stopper, launcher
        self._others = others

    def hear(self, news: str, about: Any) -> None:
        """Act on one piece of news; a STOP may carry its grace, as `STOP 2.5`."""
        word, _, grace = news.partition(' ')
        if word in ('LOST', 'GONE'):
            self._lose(about, is_gone=word == 'GONE')
        elif word == 'STOP':
            self._stopper.end(about, 'stop', grace_s=seconds(grace))
        elif word == 'error':
            self._report.redis_is_away('heartbeat', about)
        elif word == 'beat':
            self._report.redis_is_back('heartbeat')
            self._launcher.mend()
        elif word in self._others:
            self._others[word](about)

    def _lose(self, live: Live, *, is_gone: bool) -> None:
        if live.end.reason != 'lost' and self._slots.get(live.run_id) is live:
            self._report.lost(live, is_gone=is_gone)
            self._stopper.end(live, 'lost')
