"""What a worker has to say: code reports events here, and only here they become log lines.

Level INFO: start, stop, outages, one record per ERROR or EXCEPTION. Successes at DEBUG.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytask.core.clock import monotonic_s
from pytask.core.fields import as_json
from pytask.core.states import Outcome, State
from pytask.worker.error_text import describe, first_line
from pytask.worker.log_format import log

if TYPE_CHECKING:
    from pytask.errors import Unavailable
    from pytask.worker.live import Live
    from pytask.worker.metrics import Metrics

# An outage is told when it begins, once a minute, and when it is over: for so long no service was refused anything.
OUTAGE_EVERY_S, OVER_AFTER_S = 60.0, 2.0
# Left out by who shows it already.
ENDED_EXCEPTION = 'run %s %s EXCEPTION %s: %s\n%s'


class Reporter:
    """One per worker. Also counts what it reports."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.counts: Counter[str] = Counter()
        self._away: set[str] = set()
        self._away_since = self._told_at = self._back_at = 0.0
        self._is_told = False
        self.redis_errors = 0

    def started(self, worker_id: str, queues: Any, tasks: int, slots: int, url: str) -> None:
        log.info(
            'worker %s: %s, %s slots, queues %s, %s',
            worker_id,
            _count(tasks, 'task'),
            slots,
            ', '.join(queues),
            url,
        )

    def shutting_down(self, why: str, running: int) -> None:
        log.info('shutting down (%s), %s still going', why, _count(running, 'run'))

    def hurrying(self) -> None:
        log.info('told again, or out of time: interrupting what runs')

    def starting_anew(self) -> None:
        log.info('this process starts itself anew')

    def stopped(self, code: int) -> None:
        log.info('worker stopped, exit code %d', code)

    def recorded(self, live: Live, outcome: Outcome, answer: str) -> None:
        self.counts[answer if answer != 'OK' else outcome.state.value] += 1
        name = (live.run_id, live.task_name)
        if answer != 'STALE' and not outcome.is_given_back:
            self.metrics.finished(live, outcome.state.value)
        if answer == 'STALE':
            if live.end.reason != 'lost':
                log.warning("run %s %s: %s not recorded, the run is another worker's by now", *name, outcome.state)
        elif outcome.is_given_back:
            log.debug('run %s %s given back: %s', *name, outcome.reason)
        elif outcome.state is State.ERROR:
            log.info('run %s %s ERROR: %s', *name, (str(_told(outcome)).splitlines() or [''])[0][:500])
        elif outcome.state is State.EXCEPTION:
            log.error(ENDED_EXCEPTION, *name, *_described(outcome))
        else:
            log.debug('run %s %s %s', *name, outcome.state)

    def redis_is_away(self, service: str, error: Unavailable) -> None:
        now = monotonic_s()
        self.redis_errors += 1
        if not self._is_told:
            self._away_since = now
        if not self._is_told or now - self._told_at > OUTAGE_EVERY_S:
            self._is_told, self._told_at = True, now
            log.warning('%s; trying again, runs go on until their leases end', error)
        self._away.add(service)

    def redis_is_back(self, service: str) -> None:
        if not self._is_told:
            return
        if service in self._away:
            self._away.discard(service)
            self._back_at = monotonic_s()
        if not self._away and monotonic_s() - self._back_at > OVER_AFTER_S:
            self._is_told = False
            log.info('Redis is back after %.1f s', self._back_at - self._away_since)

    def away_s(self) -> float:
        """Return for how long some service has not got through to Redis; 0 where all do."""
        return monotonic_s() - self._away_since if self._away else 0.0

    def not_ready(self, reasons: list[str]) -> None:
        log.warning('not ready: %s', '; '.join(reasons))

    def ready_again(self, after_s: float) -> None:
        log.info('ready again after %.0f s', after_s)

    def serves_health(self, url: str) -> None:
        log.info('health on %s: /live /ready /metrics', url)

    def service_crashed(self, service: str, error: BaseException) -> None:
        log.error('service %s crashed and is restarted: %s', service, describe(error)['traceback'])

    def service_is_broken(self, service: str) -> None:
        log.critical('service %s crashes again and again; this worker gives up', service)

    def deaf(self) -> None:
        log.warning('the control subscription has gone deaf; subscribing anew')

    def lost(self, live: Live, *, is_gone: bool = False) -> None:
        if is_gone:
            log.critical('run %s %s: Redis has forgotten it, interrupting it', live.run_id, live.task_name)
        else:
            log.warning('run %s %s: its lease is lost, interrupting it', live.run_id, live.task_name)

    def blocked(self, who: str, seconds: float, place: str) -> None:
        log.warning('%s blocked the hub for %.1f s at %s', who, seconds, place)

    def put_back(self, what: str) -> None:
        log.warning('a task changed %s; put back', what)

    def unkillable(self, live: Live) -> None:
        log.error('run %s %s ignores every interruption; only a new process ends it', live.run_id, live.task_name)

    def not_written_down(self, live: Live, error: BaseException) -> None:
        log.warning('run %s %s: its stop is obeyed, and not written down: %s', live.run_id, live.task_name, error)

    def stop_failed(self, live: Live, error: BaseException) -> None:
        log.error('run %s %s: stop() failed: %s', live.run_id, live.task_name, describe(error)['traceback'])

    def hook_failed(self, live: Live, name: str, error: BaseException) -> None:
        log.error('run %s %s: %s() failed: %s', live.run_id, live.task_name, name, describe(error)['traceback'])

    def app_hook_failed(self, what: str, error: BaseException) -> None:
        log.error('%s failed: %s', what, describe(error)['traceback'])

    def start_failed(self, name: str, error: BaseException) -> None:
        text = describe(error)
        first = f'{text["type"]}: {first_line(error)}'
        log.critical('on_start hook %s failed, so this worker ends: %s\n%s', name, first, text['traceback'])

    def threads_left(self, names: list[str]) -> None:
        if names:
            log.debug('%s that runs have left: %s', _count(len(names), 'thread'), ', '.join(names)[:500])

    def killed(self, live: Live) -> None:
        log.warning('run %s %s: its greenlet was killed before its first step', live.run_id, live.task_name)

    def child_failed(self, live: Live, error: BaseException) -> None:
        name = (live.run_id, live.task_name)
        log.warning('run %s %s: a greenlet of it failed: %s: %s', *name, type(error).__name__, first_line(error))

    def leaked(self, live: Live, error: BaseException) -> None:
        log.warning('run %s %s left a timer ticking: %s', live.run_id, live.task_name, type(error).__name__)

    def context_failed(self, live: Live, error: BaseException) -> None:
        text = describe(error)['traceback']
        log.error('run %s %s: leaving its context failed: %s', live.run_id, live.task_name, text)

    def reload_failed(self, live: Live, error: BaseException) -> None:
        log.warning('run %s %s not reloaded: %s', live.run_id, live.task_name, first_line(error))

    def message_failed(self, live: Live, name: str, error: BaseException) -> None:
        log.warning('run %s %s: message %s failed: %s', live.run_id, live.task_name, name, first_line(error))

    def message_dropped(self, live: Live) -> None:
        log.warning('run %s %s: a published message was dropped, too many wait', live.run_id, live.task_name)

    def inbox_refused(self, live: Live, error: BaseException) -> None:
        log.error('run %s %s: Redis refused its inbox, or an answer of it: %s', live.run_id, live.task_name, error)

    def message_unheard(self, live: Live, name: str) -> None:
        log.info('run %s %s ended before it handled message %s', live.run_id, live.task_name, name)

    def not_written(self, live: Live, what: str, error: BaseException) -> None:
        log.warning('run %s %s: a published %s was not carried out: %s', live.run_id, live.task_name, what, error)

    def refused(self, live: Live, why: str) -> None:
        log.error('run %s %s: Redis refused an event of it: %s', live.run_id, live.task_name, why)

    def dead_entry(self, entry: str, why: str) -> None:
        log.warning('an entry of a queue can not be a run, and went to dead-task: %r: %s', entry[:80], why)

    def parked(self, run_id: str, why: str) -> None:
        log.warning('run %s is parked: %s', run_id, why)

    def recovered(self, run_ids: list[str]) -> None:
        log.warning(
            'recovered %s of a dead or frozen worker: %s', _count(len(run_ids), 'run'), ', '.join(run_ids[:5])
        )


def _told(outcome: Outcome) -> Any:
    # Not the exception again: its own code runs in the run's greenlet, once, and never in the writer's.
    return as_json(outcome.output)


def _described(outcome: Outcome) -> list[str]:
    told = _told(outcome)
    if not isinstance(told, dict):  # of a child that others have ended
        told = {'type': outcome.reason, 'message': told}
    return [str(told.get(word, '')) for word in ('type', 'message', 'traceback')]


def _count(n: int, noun: str) -> str:
    return f'{n:,} {noun}' if n == 1 else f'{n:,} {noun}s'
