"""Reads the tasks' journal, and finds two attempts of one run alive at the same time.

An attempt was alive from its `begin` to its last line, which is less than the truth, so no overlap is
found that was none. Not alive is what was frozen (SIGSTOP): no process can notice that its lease ends
while it does not run. Nor do the first moments after it counts: on waking, its timers that fell due go
off before its heartbeat's thread can learn from Redis, or from the lack of an answer, that the lease is
another's. `WAKING` says how long that may take; what is longer is an overlap.
"""

from collections import defaultdict
from dataclasses import dataclass

# Of a lease. A beat waits a sixth of a lease for its answer before it judges without one; the rest is for the
# thread to be scheduled, on a machine that is busy with what the outage has piled up.
WAKING = 0.3
MARGIN_S = 0.002  # the clock is read before the line is written


@dataclass(slots=True)
class Stretch:
    """One `start` of one attempt."""

    attempt: int
    pid: int
    begun: float
    last: float
    how: str = 'begin'


class Journal:
    def __init__(self, path, windows, lease_s):
        self.path, self.windows, self.waking_s = path, windows, WAKING * lease_s
        self.stretches = defaultdict(list)
        self.overlaps, self.twice = {}, set()
        self.attempts = self.lines = 0
        self.longest_waking = (0.0, '')
        self.residents_s = 0.0
        self.wakings = set()
        self._at, self._touched = 0, set()

    def read(self):
        """Take in what was written since."""
        if not self.path.exists():
            return
        with self.path.open('rb') as file:
            file.seek(self._at)
            text, _, _ = file.read().rpartition(b'\n')
        for line in text.splitlines():
            self._take(line.decode())
        self._at += len(text) + 1 if text else 0

    def judge(self):
        """Look for overlaps where something has happened."""
        touched, self._touched = self._touched, set()
        for run_id in touched:
            if len(self.stretches[run_id]) > 1:
                self._judge(run_id)

    def forget(self, run_id):
        """Let go of a run that has ended long ago."""
        self.stretches.pop(run_id, None)

    def _take(self, line):
        self.lines += 1
        run_id, attempt, pid, at, what = line.split(' ', 4)
        stretches = self.stretches[run_id]
        if what == 'begin':
            self.attempts += 1
            if any(other.attempt == int(attempt) for other in stretches):
                self.twice.add((run_id, int(attempt)))
            stretches.append(Stretch(int(attempt), int(pid), float(at), float(at)))
            self._touched.add(run_id)
            return
        for stretch in reversed(stretches):
            if (stretch.attempt, stretch.pid) == (int(attempt), int(pid)):
                self.residents_s += float(at) - stretch.last if run_id.startswith('e') else 0
                stretch.last, stretch.how = max(stretch.last, float(at)), what
                break
        if len(stretches) > 1:
            self._touched.add(run_id)

    def _judge(self, run_id):
        stretches = sorted(self.stretches[run_id], key=lambda stretch: stretch.begun)[-50:]
        for at, one in enumerate(stretches):
            for other in stretches[at + 1 :]:
                if other.begun < one.last - MARGIN_S:
                    self._compare(run_id, *sorted((one, other), key=lambda stretch: stretch.attempt))

    def _compare(self, run_id, old, new):
        # Only the older attempt may be excused by a waking: it is the one that has lost its lease.
        for start, end, woke in self._pieces(old):
            for new_start, new_end, _ in self._pieces(new):
                since, until = max(start, new_start), min(end, new_end)
                if until - since <= MARGIN_S:
                    continue
                if woke and since <= woke + self.waking_s:
                    self.longest_waking = max(self.longest_waking, (until - woke, run_id))
                    self.wakings.add((run_id, old.attempt, new.attempt))
                if until > max(since, woke + self.waking_s) + MARGIN_S:
                    self.overlaps[run_id, old.attempt, new.attempt] = until - since

    def _pieces(self, stretch):
        """Cut what was frozen out of a stretch; yield (start, end, when it woke up before that, or 0)."""
        start, woke = stretch.begun, 0.0
        for frozen, thawed in self.windows.get(stretch.pid, ()):
            if thawed < stretch.begun:
                continue
            if frozen < stretch.last:
                yield start, frozen, woke
                start = woke = max(thawed, stretch.begun)
        if start < stretch.last:
            yield start, stretch.last, woke
