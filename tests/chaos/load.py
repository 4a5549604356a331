"""What others do to pytask meanwhile: start runs, stop some, retry some, push ids that need no push."""

import time

from pytask import Client
from pytask.client.starting import Launch
from pytask.errors import Unavailable

BACKLOG = 500  # runs that are accepted and have not ended; more are not started
PAUSE_S = 0.2
SHORT_S, LONG_S = (0.0, 0.05), (1.0, 10.0)
LONG_PART, POLITE_PART = 0.05, 0.3
RESIDENTS_PER_WORKER = 8


class Submitter:
    """Starts runs until told to end. One whose answer was lost is started again, same id, until answered."""

    def __init__(self, rng, url, ledger, *, rate, workers):
        self.rng, self.ledger, self.rate = rng, ledger, rate
        self.client = Client(url)
        self.count = self.repeated = self.unanswered = 0
        self._residents = workers * RESIDENTS_PER_WORKER

    def run(self, over):
        residents = [self._launch('e', 'resident', None) for _ in range(self._residents)]
        self.ledger.residents |= {launch.run_id for launch in residents}
        self._start(residents, over)
        while not over.wait(PAUSE_S):
            if len(self.ledger.open) - len(self.ledger.residents) < BACKLOG:
                count = 1 + int(self.rng.expovariate(1 / (self.rate * PAUSE_S)))
                self._start([self._next() for _ in range(min(count, BACKLOG))], over)

    def _next(self):
        if self.rng.random() >= LONG_PART:
            return self._launch('s', 'short', self.rng.uniform(*SHORT_S))
        is_polite = self.rng.random() < POLITE_PART
        return self._launch('p' if is_polite else 'l', 'polite' if is_polite else 'long', self.rng.uniform(*LONG_S))

    def _launch(self, letter, task, seconds):
        self.count += 1
        data = {} if seconds is None else {'seconds': round(seconds, 3)}
        return Launch(task, data, run_id=f'{letter}{self.count}')

    def _start(self, launches, over):
        while True:
            try:
                self.client.start_many(launches)
            except Unavailable:
                self.repeated += 1
                if over.wait(0.05):
                    self.unanswered += len(launches)  # not accepted, whatever becomes of them
                    return
            else:
                self.ledger.accept([launch.run_id for launch in launches])
                return


class Meddler:
    """Stops, retries and pushes again, at random. One thread, so that a stop and a retry never cross."""

    STOP, RETRY, PUSH = 0.4, 0.1, 0.5
    EVERY_S = 0.3

    def __init__(self, rng, url, ledger, ask):
        self.rng, self.ledger, self.ask = rng, ledger, ask
        self.client = Client(url)
        self.counts = {'stop': 0, 'retry': 0, 'push': 0}

    def run(self, over):
        while not over.wait(self.rng.uniform(0, 2 * self.EVERY_S)):
            what = self.rng.choices(['stop', 'retry', 'push'], [self.STOP, self.RETRY, self.PUSH])[0]
            entries = self.ledger.entries
            if not entries:
                continue
            is_late = self.rng.random() < 0.2  # mostly one that has not ended
            pool = list(entries)[-5000:] if is_late or what == 'retry' else list(self.ledger.open)
            if pool:
                getattr(self, f'_{what}')(self.rng.choice(pool))

    def _stop(self, run_id):
        if run_id in self.ledger.residents:
            return
        entry = self.ledger.entries[run_id]
        entry.stopped = True
        self.counts['stop'] += 1
        try:
            answer = self.client.stop(run_id)
        except Unavailable:
            return
        if answer == 'not_found':
            self.ledger.accuse('vanished', run_id, 'stop says there is no such run')
        if answer not in ('requested', 'applied'):
            return
        found = self.ask('HMGET', f'task-{run_id}', 'attempt', 'state')
        if found:  # answered: from now on there is no further attempt
            entry.stop_attempt = int(found[0] or 0)

    def _retry(self, run_id):
        entry = self.ledger.entries[run_id]
        if entry.end is None or entry.retried or run_id in self.ledger.residents:
            return
        self.ledger.retry_asked(run_id)
        self.counts['retry'] += 1
        entry.unsure += 1
        try:
            answer = self.client.retry(run_id)
        except Unavailable:
            return
        entry.unsure -= 1
        entry.retries += answer == 'applied'

    def _push(self, run_id):
        self.counts['push'] += 1
        for _ in range(self.rng.choice((1, 1, 3))):
            self.ask('LPUSH', 'new-task', run_id)


def stop_all(client, run_ids, limit_s):
    """Stop runs, asking until answered; return the answers."""
    limit = time.monotonic() + limit_s
    while True:
        try:
            return client.stop_many(run_ids)
        except Unavailable:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)
