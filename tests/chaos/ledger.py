"""What was accepted, and what Redis says has become of it: read again and again, and once more at the end.

An end that was seen stands: its state, attempt and time never change unless somebody asked for a retry.
This is what can be proved with hashes alone; events, which may be lost, only add to it (see `recorder`).
"""

import threading
from collections import Counter, deque

ENDS = ('SUCCESS', 'STOPPED', 'ERROR', 'EXCEPTION')
FIELDS = ('state', 'attempt', 'ended', 'reason', 'output')
CHUNK = 200
LOOK_AGAIN = 2000  # at so many that ended last, at each look; at all of them in the end


class Entry:
    """One accepted run. `retried` is true from the asking for a retry to the next end that was seen."""

    __slots__ = ('end', 'rests', 'retried', 'retries', 'stop_attempt', 'stopped', 'unsure')

    def __init__(self):
        self.end = None  # (state, attempt, ended)
        self.stopped = self.retried = self.rests = False
        self.stop_attempt = None  # the attempt that a stop was answered for
        self.retries = self.unsure = 0

    def may_end_as(self, state):
        return state == 'SUCCESS' or (state == 'STOPPED' and self.stopped)


class Ledger:
    def __init__(self, ask, log):
        self.entries, self.open = {}, {}
        self.residents = set()
        self.violations = {}  # (kind, run id) → what
        self.ended = Counter()
        self._ask, self._log = ask, log
        self._recent, self.settled = deque(maxlen=LOOK_AGAIN), deque()
        self._lock = threading.Lock()

    def accept(self, run_ids):
        with self._lock:
            for run_id in run_ids:
                self.entries[run_id] = self.open[run_id] = Entry()

    def accuse(self, kind, run_id, what):
        if (kind, run_id) not in self.violations:
            self.violations[kind, run_id] = what
            self._log(f'{kind} {run_id}: {what}')

    def look(self):
        """Read what is open and what ended last; raises nothing that Redis' absence explains."""
        self._look_at([*self.open, *self._recent])

    def look_at_all(self):
        self._look_at(list(self.entries))

    def open_work(self):
        """Return the runs that have to end and have not."""
        open_ = list(self.open.items())
        return [run_id for run_id, entry in open_ if run_id not in self.residents and not entry.rests]

    def count_open(self):
        return len(self.open_work()) + len(self.residents & self.open.keys())

    def outcomes(self):
        """Return how many outcomes must have been recorded, and how many more may have been."""
        entries = list(self.entries.values())
        least = sum(1 + entry.retries for entry in entries if entry.end is not None)
        return least, sum(entry.unsure for entry in entries)

    def retry_asked(self, run_id):
        """Note it before it is asked: the answer may be lost."""
        with self._lock:
            entry = self.entries[run_id]
            entry.retried, entry.stop_attempt = True, None
            self.open[run_id] = entry

    def _look_at(self, run_ids):
        for at in range(0, len(run_ids), CHUNK):
            chunk = run_ids[at : at + CHUNK]
            before = [(run_id, self.entries[run_id], self.entries[run_id].retried) for run_id in chunk]
            hashes = self._ask.hashes(chunk, FIELDS)
            if hashes is None:
                return
            for (run_id, entry, was_retried), found in zip(before, hashes, strict=True):
                if entry.retried == was_retried:  # else it changed while we looked
                    self._compare(run_id, entry, found)

    def _compare(self, run_id, entry, found):
        state, attempt, ended, *_ = found
        is_same = entry.end == (state, attempt or '0', ended)
        entry.rests = is_same  # a retry that was asked for, and not heard
        if state is None:
            self.accuse('vanished', run_id, 'its hash is gone')
        elif entry.end is not None and not entry.retried:
            if not is_same:
                self.accuse('second outcome', run_id, f'{entry.end} became {found}')
        elif state in ENDS and not is_same:
            if entry.end is not None and int(attempt or 0) <= int(entry.end[1]) and state != 'STOPPED':
                self.accuse('second outcome', run_id, f'{entry.end} became {found} without a claim')
            self._close(run_id, entry, found)

    def _close(self, run_id, entry, found):
        state, attempt, ended, reason, output = found
        with self._lock:
            if entry.end is not None:
                self.ended[entry.end[0]] -= 1
            entry.end, entry.retried = (state, attempt or '0', ended), False
            self.open.pop(run_id, None)
            self._recent.append(run_id)
            self.settled.append(run_id)
            self.ended[state] += 1
        if state == 'EXCEPTION':
            self.accuse(
                'poison' if reason == 'poison' else 'wrong end', run_id, f'ended EXCEPTION, reason {reason}'
            )
        elif not entry.may_end_as(state) or (run_id in self.residents and not entry.stopped):
            self.accuse('wrong end', run_id, f'ended {state}, reason {reason}')
        if state == 'SUCCESS' and output != attempt:  # each task returns the number of its attempt
            self.accuse('not fenced', run_id, f'attempt {output} ended attempt {attempt}')
        if entry.stop_attempt is not None and int(attempt or 0) != entry.stop_attempt:
            self.accuse('ran after stop', run_id, f'stopped in attempt {entry.stop_attempt}, ended in {attempt}')
