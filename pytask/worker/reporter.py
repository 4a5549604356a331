"""What a worker logs: code reports events, and only this module turns them into log lines.

At INFO: start, stop, outages, one record per ERROR or EXCEPTION. At DEBUG: successes.
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

# An outage is logged when it begins, once a minute, and when it is over: no service has failed for two seconds.
OUTAGE_EVERY_S, OVER_AFTER_S = 60.0, 2.0
# `pytask dev` leaves it out: it prints the traceback itself.
ENDED_EXCEPTION = 'run %s %s EXCEPTION %s: %s\n%s'


class Reporter:
    """Reports for one worker, and counts what it reports."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.counts: Counter[str] = Counter()
        self._away: set[str] = set()
        self._away_since = self._told_at = self._back_at = 0.0
        self._is_told = False
        self.redis_errors = 0

    def started(self, worker_id: str, queues: Any, tasks: int, slots: int, url: str) -> None:
        known = _count(tasks, 'task')
        log.info('worker %s: %s, %s slots, queues %s, %s', worker_id, known, slots, ', '.join(queues), url)

    def shutting_down(self, why: str, running: int) -> None:
        log.info('shutting down (%s), %s still running', why, _count(running, 'run'))

    def hurrying(self) -> None:
        log.info('told again, or out of time: interrupting all runs')

    def restarting(self) -> None:
        log.info('restarting this process')

    def stopped(self, code: int) -> None:
        log.info('worker stopped, exit code %d', code)

    def recorded(self, live: Live, outcome: Outcome, answer: str) -> None:
        """Report an outcome and Redis' answer: OK, DUP (recorded before) or STALE (another worker has the run)."""
        self.counts[answer if answer != 'OK' else outcome.state.value] += 1
        if answer != 'STALE' and not outcome.is_given_back:
            self.metrics.finished(live, outcome.state.value)
        if answer == 'STALE':
            if live.end.reason != 'lost':
                log.warning('%s: %s not recorded, another worker has the run by now', live, outcome.state)
        elif outcome.is_given_back:
            log.debug('%s requeued: %s', live, outcome.reason)
        elif outcome.state is State.ERROR:
            log.info('%s ERROR: %s', live, (str(_told(outcome)).splitlines() or [''])[0][:500])
        elif outcome.state is State.EXCEPTION:
            log.error(ENDED_EXCEPTION, live.run_id, live.task_name, *_described(outcome))
        else:
            log.debug('%s %s', live, outcome.state)

    def redis_is_away(self, service: str, error: Unavailable) -> None:
        now = monotonic_s()
        self.redis_errors += 1
        if not self._is_told:
            self._away_since = now
        if not self._is_told or now - self._told_at > OUTAGE_EVERY_S:
            self._is_told, self._told_at = True, now
            log.warning('%s; retrying, runs continue until their leases end', error)
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
        """Return for how many seconds some service has not reached Redis; 0 if all do."""
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
        log.critical('service %s keeps crashing; this worker shuts down', service)

    def deaf(self) -> None:
        log.warning('the control subscription receives nothing; subscribing again')

    def lost(self, live: Live, *, is_gone: bool = False) -> None:
        if is_gone:
            log.critical('%s is no longer in Redis; interrupting it', live)
        else:
            log.warning('%s: its lease is lost; interrupting it', live)

    def blocked(self, who: str, seconds: float, place: str) -> None:
        log.warning('%s blocked the event loop for %.1f s at %s', who, seconds, place)

    def put_back(self, what: str) -> None:
        log.warning('a task changed %s; restored it', what)

    def unkillable(self, live: Live) -> None:
        log.error('%s ignores every interruption; only a new process ends it', live)

    def not_written_down(self, live: Live, error: BaseException) -> None:
        log.warning('%s is being stopped, but Redis did not store that: %s', live, error)

    def stop_failed(self, live: Live, error: BaseException) -> None:
        log.error('%s: stop() failed: %s', live, describe(error)['traceback'])

    def hook_failed(self, live: Live, name: str, error: BaseException) -> None:
        log.error('%s: %s() failed: %s', live, name, describe(error)['traceback'])

    def app_hook_failed(self, what: str, error: BaseException) -> None:
        log.error('%s failed: %s', what, describe(error)['traceback'])

    def start_failed(self, name: str, error: BaseException) -> None:
        text = describe(error)
        first = f'{text["type"]}: {first_line(error)}'
        log.critical('on_start hook %s failed, so this worker ends: %s\n%s', name, first, text['traceback'])

    def threads_left(self, names: list[str]) -> None:
        if names:
            log.debug('%s left behind by runs: %s', _count(len(names), 'thread'), ', '.join(names)[:500])

    def killed(self, live: Live) -> None:
        log.warning('%s: its greenlet was killed before its first step', live)

    def child_failed(self, live: Live, error: BaseException) -> None:
        log.warning('%s: one of its greenlets failed: %s: %s', live, type(error).__name__, first_line(error))

    def leaked(self, live: Live, error: BaseException) -> None:
        log.warning('%s left a timer running: %s', live, type(error).__name__)

    def context_failed(self, live: Live, error: BaseException) -> None:
        log.error('%s: leaving its context failed: %s', live, describe(error)['traceback'])

    def reload_failed(self, live: Live, error: BaseException) -> None:
        log.warning('%s not reloaded: %s', live, first_line(error))

    def message_failed(self, live: Live, name: str, error: BaseException) -> None:
        log.warning('%s: message %s failed: %s', live, name, first_line(error))

    def message_dropped(self, live: Live) -> None:
        log.warning('%s: dropped a published message, too many are waiting', live)

    def inbox_refused(self, live: Live, error: BaseException) -> None:
        log.error('%s: Redis rejected its inbox or one of its answers: %s', live, error)

    def message_unheard(self, live: Live, name: str) -> None:
        log.info('%s ended before it handled message %s', live, name)

    def not_written(self, live: Live, what: str, error: BaseException) -> None:
        log.warning('%s: a published %s failed: %s', live, what, error)

    def refused(self, live: Live, why: str) -> None:
        log.error('%s: Redis rejected one of its events: %s', live, why)

    def dead_entry(self, entry: str, why: str) -> None:
        log.warning('moved a queue entry that cannot be a run to dead-task: %r: %s', entry[:80], why)

    def parked(self, run_id: str, why: str) -> None:
        log.warning('run %s is waiting for a worker that knows its task: %s', run_id, why)


def _told(outcome: Outcome) -> Any:
    # Not from the exception: its own code runs once, in the run's greenlet, and never in the writer's.
    return as_json(outcome.output)


def _described(outcome: Outcome) -> list[str]:
    told = _told(outcome)
    if not isinstance(told, dict):  # a child that another process ended
        told = {'type': outcome.reason, 'message': told}
    return [str(told.get(word, '')) for word in ('type', 'message', 'traceback')]


def _count(n: int, noun: str) -> str:
    return f'{n:,} {noun}' if n == 1 else f'{n:,} {noun}s'
