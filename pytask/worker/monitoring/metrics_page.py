"""The metrics page: what this worker counted, its condition, and the queues in Redis.

Redis is asked at most once a second, and may take a second; if it does not answer, its figures are left out.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import BoundedSemaphore

from pytask.core.clock import monotonic_s
from pytask.errors import PytaskError
from pytask.worker.metrics import family, histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytask.store import Figures
    from pytask.worker.monitoring.backpressure import Backpressure
    from pytask.worker.monitoring.readiness import Readiness
    from pytask.worker.reporter import Reporter
    from pytask.worker.slots import Slots

ASK_WITHIN_S = 1.0
FRESH_S = 1.0


class MetricsPage:
    """Renders the page for one worker."""

    def __init__(
        self,
        report: Reporter,
        slots: Slots,
        readiness: Readiness,
        backpressure: Backpressure,
        take_figures: Callable[[], Figures],
    ) -> None:
        self._report, self._slots = report, slots
        self._readiness, self._backpressure = readiness, backpressure
        self._take_figures = take_figures
        self._one_asks = BoundedSemaphore(1)
        self._figures: Figures | None = None
        self._asked_at = 0.0
        # Queue → the run at its head and when it was first seen there: runs written by hand have no `created`.
        self._heads: dict[str, tuple[bytes | None, float]] = {}

    def page(self) -> str:
        """Return the metrics as Prometheus text."""
        figures = gevent.with_timeout(ASK_WITHIN_S, self._ask, timeout_value=None)
        parts = [self._of_tasks(), self._of_worker(), _of_process()]
        if figures is not None:
            parts.append(self._of_queues(figures))
        return '\n'.join([line for part in parts for line in part]) + '\n'

    def _ask(self) -> Figures | None:
        with self._one_asks:
            if monotonic_s() - self._asked_at > FRESH_S:
                self._figures = None
                with contextlib.suppress(PytaskError):
                    self._figures = self._take_figures()
                    self._asked_at = monotonic_s()
            return self._figures

    def _of_tasks(self) -> Iterator[str]:
        tasks = self._report.metrics.tasks()
        yield from family(
            'pytask_tasks_started_total', 'counter', 'Attempts begun by this worker.',
            [({'task': of.name, 'queue': queue}, n) for of in tasks for queue, n in of.started.items()],
        )  # fmt: skip
        yield from family(
            'pytask_tasks_finished_total', 'counter', 'Outcomes recorded by this worker.',
            [({'task': of.name, 'queue': queue, 'state': state}, n)
             for of in tasks for (queue, state), n in of.finished.items()],
        )  # fmt: skip
        yield from histogram(
            'pytask_task_run_seconds', 'Duration of attempts that have ended.',
            [({'task': of.name}, of.ran) for of in tasks if any(of.ran.counts)],
        )  # fmt: skip
        yield from histogram(
            'pytask_task_wait_seconds', 'Time that runs waited for a worker.',
            [({'task': of.name}, of.waited) for of in tasks if any(of.waited.counts)],
        )  # fmt: skip

    def _of_worker(self) -> Iterator[str]:
        slots, readiness = self._slots, self._readiness
        for name, about, value in (
            ('pytask_worker_up', 'No service is broken or stuck.', int(not readiness.ills())),
            ('pytask_worker_ready', 'As /ready says.', int(not readiness.reasons())),
            ('pytask_worker_slots', 'How many runs can run at a time.', slots.size),
            ('pytask_hub_lag_seconds', 'How late the event loop is.', round(self._backpressure.lag_s, 4)),
            ('pytask_worker_slots_taken', 'How many run now.', slots.taken),
            (
                'pytask_worker_greenlets',
                'Greenlets of runs: their own and those they spawned.',
                _greenlets(slots.all()),
            ),
        ):
            yield from _gauge(name, about, value)
        yield from family(
            'pytask_redis_errors_total', 'counter', 'Calls that Redis did not answer.',
            [({}, self._report.redis_errors)],
        )  # fmt: skip

    def _of_queues(self, figures: Figures) -> Iterator[str]:
        waiting = [({'queue': queue, 'state': 'WAIT'}, line.waiting) for queue, line in figures.lines.items()]
        # Due and held runs are in no queue; other states have no index by queue.
        apart = [({'queue': f'({key})', 'state': 'WAIT'}, figures.states[key]) for key in ('due', 'held')]
        others = [({'state': key}, n) for key, n in figures.states.items() if key not in ('due', 'held')]
        yield from family('pytask_tasks', 'gauge', 'Runs in Redis, of all workers.', [*waiting, *apart, *others])
        yield from family(
            'pytask_queue_latency_seconds', 'gauge', 'Age of the oldest waiting run.',
            [({'queue': queue}, f'{age_s:.3f}') for queue, age_s in self._ages(figures).items()],
        )  # fmt: skip

    def _ages(self, figures: Figures) -> dict[str, float]:
        now, before = monotonic_s(), self._heads
        self._heads = {}
        for queue, line in figures.lines.items():
            seen = before.get(queue, (None, now))
            self._heads[queue] = seen if seen[0] == line.oldest else (line.oldest, now)
        return {
            queue: (now - self._heads[queue][1] if line.age_s is None else line.age_s) if line.oldest else 0.0
            for queue, line in figures.lines.items()
        }


def _greenlets(lives: list[Any]) -> int:
    ports = [live.task.pytask_port for live in lives if live.task is not None]
    return len(lives) + sum(len(port.children or ()) for port in ports)


def _gauge(name: str, about: str, value: Any) -> Iterator[str]:
    return family(name, 'gauge', about, [({}, value)])


def _of_process() -> Iterator[str]:
    """Yield the metrics that every exporter has, if the system has /proc."""
    times = os.times()
    spent_s = round(times.user + times.system, 2)
    yield from family('process_cpu_seconds_total', 'counter', 'User and system time.', [({}, spent_s)])
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
        fds = sum(1 for _ in Path('/proc/self/fd').iterdir())
    except OSError:  # another system, or no descriptor left to look with
        return
    yield from _gauge('process_resident_memory_bytes', 'Resident memory.', pages * os.sysconf('SC_PAGE_SIZE'))
    yield from _gauge('process_open_fds', 'Open file descriptors.', fds)
