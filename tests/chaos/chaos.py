"""One chaos run, in order: start all, let it rage, heal, wait for rest, stop the residents, judge, end all."""

import random
import threading
import time

from ask import Ask
from faults import Faults
from gauge import Gauge
from journal import Journal
from ledger import Ledger
from load import Meddler, Submitter, stop_all
from processes import Proxies, make_redis, make_worker
from recorder import Recorder

from pytask.core.clock import boot_s

TICK_S = 0.02
LOOK_EVERY_S = 0.5
PROGRESS_EVERY_S = 5.0
STOP_LIMIT_S, LEAVE_LIMIT_S = 30.0, 25.0
STALL_S = 0.3  # a tick that took so much longer: the machine itself stood still
OUR_TASKS = ('short', 'long', 'polite', 'resident')
LISTS = ('new-task', 'dead-task', 'suspect-task')
SETS = ('leases', 'due', 'held')


class Chaos:
    """The cast, and what is learned about it. `end` ends every process, whatever has happened."""

    def __init__(self, settings, folder, progress):
        self.settings, self.folder, self._progress = settings, folder, progress
        self.phase, self.longest_stall_s, self.rest_s = 'starting', 0.0, 0.0
        self.recorded, self.told = 0, set()
        self._over, self._quiet, self._threads = threading.Event(), threading.Event(), []
        self._log = (folder / 'chaos.log').open('a')
        self.redis = make_redis(folder)
        self.redis.start()
        self.proxies = Proxies(self.redis.port, settings.workers, folder)
        self.workers = [
            make_worker(number, port, folder, settings.lease) for number, port in enumerate(self.proxies.ports)
        ]
        self.ask = Ask(self.redis.port, 0.3)
        self.faults = Faults(
            self._rng('faults'), self, lease_s=settings.lease, spared=settings.spare, log=self._log
        )
        self.journal = Journal(folder / 'journal', self.faults.windows, settings.lease)
        self.ledger = Ledger(Ask(self.redis.port, 2.0), self._say)
        self.recorder = Recorder(Ask(self.redis.port, 2.0), folder / 'events', self.ledger.accuse)
        url = f'redis://127.0.0.1:{self.redis.port}/0'
        self.submitter = Submitter(
            self._rng('load'), url, self.ledger, rate=settings.rate, workers=settings.workers
        )
        self.meddler = Meddler(self._rng('meddler'), url, self.ledger, Ask(self.redis.port, 2.0))
        self.gauge = Gauge(self)
        self._looked_at = self._told_at = self.began_at = boot_s()

    def run(self):
        self._wait(lambda: self.ask('PING'), 20)
        for run in (self.recorder.run, self._watch):
            self._thread(run, self._over)
        for run in (self.submitter.run, self.meddler.run):
            self._thread(run, self._quiet)
        self.phase = 'chaos'
        self._wait(lambda: False, self.settings.seconds)
        self._quiet.set()
        self.faults.heal()
        self.phase = 'resting'
        limit_s, since = self.settings.rest, boot_s()
        self._wait(lambda: not self._submitting() and not self.ledger.open_work(), limit_s)
        self.rest_s = boot_s() - since
        for run_id in self.ledger.open_work():
            self.ledger.accuse('lost', run_id, f'has no end {limit_s:.0f} s after the last fault')
        self.phase = 'stopping'
        self._stop_residents()
        self._judge()
        self._leave()
        self.phase = 'over'

    def end(self):
        self._quiet.set()
        self._over.set()
        for kept in (*self.workers, self.redis):
            kept.end()
        self.proxies.end()
        for thread in self._threads:
            thread.join(5)
        self.journal.read()
        self.journal.judge()
        self._log.close()

    def elapsed_s(self):
        return boot_s() - self.began_at

    def violations(self):
        """Return all that must not be, as (kind, run id) → what."""
        found = dict(self.ledger.violations)
        for (run_id, old, new), seconds in self.journal.overlaps.items():
            found['overlap', run_id] = f'attempts {old} and {new} at the same time for {seconds:.3f} s'
        for run_id, attempt in self.journal.twice:
            found['begun twice', run_id] = f'attempt {attempt}'
        return found

    def _rng(self, part):
        return random.Random(f'{self.settings.seed} {part}')

    def _say(self, text):
        self._log.write(f'{boot_s():.4f} VIOLATION {text}\n')
        self._log.flush()

    def _thread(self, run, until):
        def body():
            try:
                run(until)
            except Exception as error:
                self.ledger.accuse('harness', run.__qualname__, repr(error))
                raise

        thread = threading.Thread(target=body, name=run.__qualname__, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _submitting(self):
        return any(thread.is_alive() for thread in self._threads[2:])

    def _watch(self, over):
        while not over.wait(LOOK_EVERY_S):
            self.ledger.look()

    def _wait(self, predicate, limit_s):
        """Turn everything the main thread turns, until something is so; tell whether it was within the limit."""
        limit = boot_s() + limit_s
        while not (is_so := predicate()) and boot_s() < limit:
            before = boot_s()
            for kept in (self.redis, *self.workers):
                kept.tick()
            self.faults.tick() if self.phase == 'chaos' else None
            self.gauge.tick() if self.phase in ('chaos', 'resting') else None
            self._read_journal()
            if boot_s() >= self._told_at + PROGRESS_EVERY_S:
                self._told_at = boot_s()
                self._progress(self)
            time.sleep(TICK_S)
            self.longest_stall_s = max(self.longest_stall_s, boot_s() - before - TICK_S)
        return bool(is_so)

    def _read_journal(self):
        if boot_s() < self._looked_at + LOOK_EVERY_S:
            return
        self._looked_at = boot_s()
        self.journal.read()
        self.journal.judge()
        settled = self.ledger.settled
        while len(settled) > 5000:  # late lines come within seconds
            self.journal.forget(settled.popleft())

    def _stop_residents(self):
        residents, client = sorted(self.ledger.residents & set(self.ledger.entries)), self.submitter.client
        for run_id in residents:
            self.ledger.entries[run_id].stopped = True
        stop_all(client, residents, 10)
        self._wait(lambda: not self.ledger.open.keys() & set(residents), STOP_LIMIT_S)
        for run_id in residents:
            end = self.ledger.entries[run_id].end
            if end is None or end[0] not in ('STOPPED', 'EXCEPTION'):  # that has been told already
                self.ledger.accuse('not stopped', run_id, f'told to stop, {end} after {STOP_LIMIT_S:.0f} s')

    def _judge(self):
        self._wait(lambda: not any(self.ask('LLEN', name) for name in LISTS), 10)
        self.ledger.look_at_all()
        left = {name: self.ask('LLEN', name) for name in LISTS} | {name: self.ask('ZCARD', name) for name in SETS}
        for name, count in left.items():
            if count:
                self.ledger.accuse('left behind', name, f'{count} entries at rest')
        stats = self.ask('HGETALL', 'stats') or {}
        self.recorded = sum(int(n) for name, n in stats.items() if name.partition(':')[2] in OUR_TASKS)
        least, more = self.ledger.outcomes()
        more += self.submitter.unanswered
        if not least <= self.recorded <= least + more:
            what = f'{self.recorded} outcomes recorded, {least} to {least + more} are right'
            self.ledger.accuse('second outcome', 'stats', what)

    def _leave(self):
        for worker in self.workers:
            worker.is_wanted = False
            worker.signal(15)
        self._wait(lambda: not any(worker.process for worker in self.workers), LEAVE_LIMIT_S)
        for worker in self.workers:
            if worker.process:
                self.ledger.accuse('did not leave', worker.name, f'{LEAVE_LIMIT_S:.0f} s after SIGTERM')
