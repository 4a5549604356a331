"""Orders: what this worker does with a command, and with what the heartbeat learned of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask import messages
from pytask.worker.pauser import Pauser

if TYPE_CHECKING:
    from pytask.messages import Command
    from pytask.worker.slots import Live
    from pytask.worker.worker import Worker


class Orders:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.pauser = Pauser(worker)
        self._carry_out = {
            messages.STOP: self._stop,
            messages.RELOAD: self._reload,
            messages.EXTEND: self._extend,
            messages.SEND: worker.inbox.obey,
            messages.PAUSE: self._pause,
            messages.RESUME: self._resume,
        }

    def obey(self, run_id: str, command: Command) -> None:
        """Carry out a command for a run this worker holds; one meant for another attempt is dropped."""
        worker = self._worker
        live = worker.slots.get(run_id)
        if live is None:
            worker.inbox.miss(run_id, command)
        if live is None or command.attempt not in (0, live.attempt):
            return
        carry_out = self._carry_out.get(command.name)
        if carry_out is not None:
            carry_out(live, command)

    def _stop(self, live: Live, _command: Command) -> None:
        if not self._worker.local_runs.is_builtin(live):
            self._worker.stopper.end(live, 'stop')

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
        worker = self._worker
        if news in ('LOST', 'GONE'):
            live: Live = about
            if live.ending != 'lost' and worker.slots.get(live.run_id) is live:
                worker.report.lost(live, is_gone=news == 'GONE')
                worker.stopper.end(live, 'lost')
        elif news == 'STOP':
            worker.stopper.end(about, 'stop')
        elif news == 'RELOAD':
            worker.reloader.reload(about, is_durable=True)
        elif news == 'error':
            worker.report.redis_is_away('heartbeat', about)
        elif news == 'beat':
            worker.report.redis_is_back('heartbeat')
            worker.ending.mend()
