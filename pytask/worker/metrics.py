"""Metrics: counts in plain dicts, and their Prometheus text format (0.0.4).

No client library: every run passes through here, and the format takes fifty lines. Labels are bounded: the names of
registered tasks, else `(unknown)`. Counted in the hub's thread only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytask.authoring.registry import Registry
    from pytask.worker.live import Live

CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
UNKNOWN = '(unknown)'
BOUNDS_S = (0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300, 900, 3600)


class Histogram:
    """Counts of durations by BOUNDS_S, and their total in seconds."""

    __slots__ = ('counts', 'total')

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total += seconds


class TaskCounts:
    """The counts of one task: started by queue, finished by queue and state, seconds that runs took and waited."""

    __slots__ = ('finished', 'name', 'ran', 'started', 'waited')

    def __init__(self, name: str) -> None:
        self.name = name
        self.started: defaultdict[str, int] = defaultdict(int)
        self.finished: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.ran, self.waited = Histogram(), Histogram()


class Metrics:
    """What one worker has counted."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._by_label: dict[str, TaskCounts] = {}
        self._by_name: dict[str, TaskCounts] = {}  # a task answers to more than one name

    def started(self, live: Live, waited_ms: int) -> None:
        """Count a start. `waited_ms` is how long the run waited in its queue by Redis' clock; -1 is not counted."""
        of = self._by_name.get(live.task_name) or self._meet(live.task_name)
        of.started[live.queue] += 1
        if waited_ms >= 0:
            of.waited.observe(waited_ms / 1000)

    def finished(self, live: Live, state: str) -> None:
        of = self._by_name.get(live.task_name) or self._meet(live.task_name)
        of.finished[live.queue, state] += 1
        of.ran.observe(live.took_s)

    def tasks(self) -> list[TaskCounts]:
        return [self._by_label[label] for label in sorted(self._by_label)]

    def _meet(self, name: str) -> TaskCounts:
        task = self._registry.get(name)
        label = task.NAME if task else UNKNOWN
        of = self._by_label.setdefault(label, TaskCounts(label))
        if task:  # unknown names are unbounded, so they are not kept
            self._by_name[name] = of
        return of


def family(name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], Any]]) -> Iterator[str]:
    """Yield the lines of one metric; none if it has no sample."""
    lines = [f'{name}{_labels(labels)} {value}' for labels, value in samples]
    if lines:
        yield from (f'# HELP {name} {about}', f'# TYPE {name} {kind}', *lines)


def histogram(name: str, about: str, samples: Iterable[tuple[Mapping[str, str], Histogram]]) -> Iterator[str]:
    lines: list[str] = []
    for labels, of in samples:
        seen = 0
        for bound, count in zip((*BOUNDS_S, '+Inf'), of.counts, strict=True):
            seen += count
            lines.append(f'{name}_bucket{_labels({**labels, "le": str(bound)})} {seen}')
        lines += [f'{name}_sum{_labels(labels)} {of.total}', f'{name}_count{_labels(labels)} {seen}']
    if lines:
        yield from (f'# HELP {name} {about}', f'# TYPE {name} histogram', *lines)


def _labels(labels: Mapping[str, str]) -> str:
    return '{' + ','.join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + '}' if labels else ''


def _escaped(value: str) -> str:
    return value.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')
