"""Dispatcher: what this worker does with a command, and with what the heartbeat learned of a run.

A command that names its attempt stands in the hash already. A bare word does not: a stop is written
down first and obeyed then, so that it holds even if this process is gone the next moment.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import gevent

from pytask.core import events
from pytask.errors import PytaskError
from pytask.worker.control.pauser import Pauser
from pytask.worker.monitoring.inquiry import answer_stack

if TYPE_CHECKING:
    from pytask.core.commands import Command
    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker

# Commands for any worker's runs are heard by all of them.
MOST_EARLY = 1000


class Dispatcher:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.pauser = Pauser(worker)
        self._early: list[tuple[str, Command]] = []
        self._carry_out = {
            events.STOP: self._stop,
            events.RELOAD: self._reload,
            events.EXTEND: self._extend,
            events.SEND: worker.inbox.obey,
            events.PAUSE: self._pause,
            events.RESUME: self._resume,
        }

    def obey(self, run_id: str, command: Command) -> None:
        """Carry out a command for a run this worker holds; one meant for another attempt is dropped."""
        worker = self._worker
        live = worker.slots.get(run_id)
        if live is None and worker.fetcher.is_claiming and len(self._early) < MOST_EARLY:
            self._early.append((run_id, command))
        elif live is None:
            worker.inbox.miss(run_id, command)
        if live is None or command.attempt not in (0, live.attempt) or worker.local_runs.is_builtin(live):
            return
        carry_out = self._carry_out.get(command.name)
        if carry_out is not None:
            carry_out(live, command)

    def catch_up(self) -> None:
        """Look again at what was heard while a claim was under way: it may be for a run that it has granted."""
        early, self._early = self._early, []
        for run_id, command in early:
            self.obey(run_id, command)

    def obey_as_worker(self, command: Command) -> None:
        """Carry out a command for this worker: `stop`, which does what SIGTERM does, or `stack`."""
        if command.name == events.STOP:
            # One that is written down is heard twice, here and by the heartbeat: that does not hurry.
            self._shut_down(may_hurry='is_durable' not in command.fields)
        elif command.name == events.STACK:
            gevent.spawn(answer_stack, self._worker, command.fields)

    def _shut_down(self, *, may_hurry: bool = False) -> None:
        worker = self._worker
        if may_hurry or worker.wants_restart or not worker.reason_to_stop.is_set():
            worker.shut_down('stop command')

    def _stop(self, live: Live, command: Command) -> None:
        grace_s = seconds(command.fields.get('grace'))
        if command.attempt:
            self._worker.stopper.end(live, 'stop', grace_s=grace_s)
        elif live.ending != 'stop' or grace_s is not None:
            gevent.spawn_raw(self._stop_for_good, live, grace_s)

    def _stop_for_good(self, live: Live, grace_s: float | None) -> None:
        worker = self._worker
        try:
            worker.store.runs.command(live.run_id, events.STOP, grace_s=grace_s, attempt=live.attempt)
        except PytaskError as error:  # obeyed all the same
            worker.report.not_written_down(live, error)
        worker.stopper.end(live, 'stop', grace_s=grace_s)

    def _reload(self, live: Live, command: Command) -> None:
        self._worker.reloader.reload(live, is_durable='id' in command.fields)

    def _extend(self, live: Live, command: Command) -> None:
        self._worker.ending.limits.extend(live, command.fields.get('seconds'))

    def _pause(self, live: Live, command: Command) -> None:
        self.pauser.pause(live, is_durable='at' in command.fields)

    def _resume(self, live: Live, command: Command) -> None:
        self.pauser.resume(live, is_durable='at' in command.fields)

    def hear(self, news: str, about: Any) -> None:
        """Act on what the heartbeat's thread learned; in the hub, so nothing here may block."""
        word, _, grace = news.partition(' ')
        if word in ('LOST', 'GONE'):
            self._lost(about, is_gone=word == 'GONE')
        elif word == 'STOP':
            self._worker.stopper.end(about, 'stop', grace_s=seconds(grace))
        elif word == 'RELOAD':
            self._worker.reloader.reload(about, is_durable=True)
        elif word == 'SHUT_DOWN':
            self._shut_down()
        elif word == 'error':
            self._worker.report.redis_is_away('heartbeat', about)
        elif word == 'beat':
            self._worker.report.redis_is_back('heartbeat')
            self._worker.ending.mend()

    def _lost(self, live: Live, *, is_gone: bool) -> None:
        worker = self._worker
        if live.ending != 'lost' and worker.slots.get(live.run_id) is live:
            worker.report.lost(live, is_gone=is_gone)
            worker.stopper.end(live, 'lost')


def seconds(given: Any) -> float | None:
    """Read a span of time that foreign hands may have written; None for what is none."""
    try:
        span = float(given)
    except (TypeError, ValueError):
        return None
    return span if 0 <= span < inf else None
