"""What happens to the processes and the network, drawn from the seed; each fault is counted and written down."""

import heapq
import itertools
import signal
from collections import Counter, defaultdict

from pytask.core.clock import boot_s

# A minute: of each worker, and of the one server. Most attempts are hit by something. A worker dies every
# other minute: a run that seven deaths in a row strike within its first seconds is poison by any rule.
OF_WORKERS = {
    'kill': 0.5, 'term': 1.0, 'freeze': 2.0,
    'cut': 2.0, 'cut_reply': 2.0, 'hole': 1.0, 'deaf': 1.0, 'delay': 1.0,
}  # fmt: skip
OF_SERVER = {'redis_kill': 2.0, 'redis_freeze': 2.0, 'client_kill_normal': 1.5, 'client_kill_pubsub': 1.5}
LONGEST = 3.0  # leases
LEAST_GAP_S = 0.2
DELAY_S = 0.2


class Faults:
    """`tick` does what is due. `windows` says when each process was frozen."""

    def __init__(self, rng, cast, *, lease_s, spared, log):
        self.rng, self.cast, self.lease_s, self.spared = rng, cast, lease_s, spared
        self.counts, self.windows = Counter(), defaultdict(list)
        self._log, self._due, self._order = log, [], itertools.count()
        count = len(cast.workers)
        self._rates = {name: rate * count for name, rate in OF_WORKERS.items()} | OF_SERVER
        self._every_s = 60 / sum(self._rates.values())
        self._next_at = boot_s() + 1.0
        self.is_on = True

    def tick(self):
        while self._due and self._due[0][0] <= boot_s():
            heapq.heappop(self._due)[2]()
        if self.is_on and boot_s() >= self._next_at:
            self._next_at = boot_s() + max(LEAST_GAP_S, self.rng.expovariate(1 / self._every_s))
            self._strike()

    def heal(self):
        """End all faults, and begin no more."""
        self.is_on = False
        for _, _, end in sorted(self._due):
            end()
        self._due.clear()
        for number in range(len(self.cast.workers)):
            self.cast.proxies.order(number, 'pass')
        self.cast.redis.again_at = 0.0
        self.note('healed', '')

    def note(self, what, about):
        self._log.write(f'{boot_s():.4f} {what} {about}\n')
        self._log.flush()

    def _strike(self):
        # All is drawn before anything is looked at: the same seed is the same list of faults.
        name = self.rng.choices(list(self._rates), list(self._rates.values()))[0]
        number = self.rng.randrange(len(self.cast.workers))
        span_s = self.rng.uniform(0.1, LONGEST) * self.lease_s
        dice = self.rng.random()
        if getattr(self, f'_{name}')(number, span_s, dice):
            self.counts[name] += 1
            self.note(name, f'worker {number} {span_s:.2f}s' if name in OF_WORKERS else f'{span_s:.2f}s')

    def _later(self, seconds, end):
        heapq.heappush(self._due, (boot_s() + seconds, next(self._order), end))

    # Each tells whether it could be done.

    def _kill(self, number, span_s, dice):
        return self._signal(number, signal.SIGKILL)

    def _term(self, number, span_s, dice):
        return self._signal(number, signal.SIGTERM)

    def _signal(self, number, what):
        worker = self.cast.workers[number]
        can = number >= self.spared and worker.process is not None
        if can:
            worker.signal(what)
        return can

    def _freeze(self, number, span_s, dice):
        return self._freeze_for(self.cast.workers[number], span_s)

    def _redis_freeze(self, number, span_s, dice):
        return self._freeze_for(self.cast.redis, span_s)

    def _freeze_for(self, kept, span_s):
        process, window = kept.process, [boot_s(), float('inf')]
        if kept.is_frozen or process is None:
            return False
        self.windows[process.pid].append(window)
        kept.freeze()

        def thaw():
            window[1] = boot_s()
            if kept.process is process:
                kept.thaw()

        self._later(span_s, thaw)
        return True

    def _redis_kill(self, number, span_s, dice):
        can = self.cast.redis.process is not None
        if can:
            self.cast.redis.kill(away_s=span_s * dice)
        return can

    def _client_kill_normal(self, number, span_s, dice):
        return self._client_kill('normal')

    def _client_kill_pubsub(self, number, span_s, dice):
        return self._client_kill('pubsub')

    def _client_kill(self, kind):
        can = self.cast.redis.process is not None and not self.cast.redis.is_frozen
        return can and self.cast.ask('CLIENT', 'KILL', 'TYPE', kind) is not None

    def _cut(self, number, span_s, dice):
        self.cast.proxies.order(number, 'cut')
        return True

    def _cut_reply(self, number, span_s, dice):
        return self._for_a_while(number, min(span_s, 2.0), 'cut_reply', 1 + int(dice * 4))

    def _hole(self, number, span_s, dice):
        return self._for_a_while(number, span_s, 'hole', 0, end='cut' if dice < 0.5 else 'pass')

    def _deaf(self, number, span_s, dice):
        return self._for_a_while(number, span_s, 'deaf', 0, end='cut' if dice < 0.5 else 'pass')

    def _delay(self, number, span_s, dice):
        return self._for_a_while(number, span_s, 'delay', DELAY_S)

    def _for_a_while(self, number, span_s, what, amount, end='pass'):
        self.cast.proxies.order(number, what, amount)
        self._later(span_s, lambda: self.cast.proxies.order(number, end))
        return True
