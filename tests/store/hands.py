"""Short words for what a worker does with a store."""

from itertools import count

from pytask.core.states import Outcome, State
from pytask.store import Claimant, Ended, Line, NewRun, Note

LEASE_MS = 60_000
PAST_MS = 1000  # long ago by any server's clock


class Hands:
    """What a worker does, in one word each; every claim has its own nonce unless one is given."""

    def __init__(self, store, redis, raw):
        self.store, self.redis, self.raw, self.keys = store, redis, raw, store.keys
        self.nonces = count(1)

    def register(self, worker='w1', *tasks, lease_ms=LEASE_MS, queues='default', **more):
        fields = {'tasks': '\n'.join(['', *(tasks or ('hello',)), '']), 'queues': queues}
        self.store.workers.register(worker, lease_ms=lease_ms, fields=fields, **more)

    def start(self, *run_ids, task='hello', data=b'{}', queue='default', timeout='', at=''):
        return self.store.queues.start([NewRun(run_id, queue, task, data, timeout, at) for run_id in run_ids])

    def claim(
        self, worker='w1', *, nonce=None, limit=16, queue='default', parked='', suspects=None, lease_ms=LEASE_MS
    ):
        who = Claimant(worker, nonce or f'n{next(self.nonces)}', lease_ms)
        line = Line(self.keys.line(queue), queue=queue)
        if parked:
            line = Line(self.keys.parked_list(parked), parked=parked)
        if suspects is not None:
            line = Line(self.keys.suspects, held=suspects)
        return self.store.queues.claim(who, line, limit)

    def claimed_ids(self, **how):
        return [run.run_id for run in self.claim(**how).runs]

    def run(self, run_id='1', worker='w1', **how):
        """Start a run and claim it; return the claim."""
        self.register(worker)
        self.start(run_id, **how)
        [claimed] = self.claim(worker, queue=how.get('queue', 'default')).runs
        return claimed

    def record(self, *endings):
        return [answer.decode() for answer in self.store.queues.record([], endings)]

    def finish(self, claimed, state='SUCCESS', *, output=b'1', reason='', seq=1):
        outcome = Outcome(State(state), output, reason)
        return self.record(Ended(claimed.run_id, claimed.token, outcome, seq))[0]

    def release(self, claimed, reason='shutdown'):
        return self.finish(claimed, 'WAIT', reason=reason)

    def emit(self, claimed, head=b'{"event":"page","data":1', *, done='', target='', seq=1, kept=b''):
        return self.store.queues.record([Note(claimed.run_id, claimed.token, done, target, head, seq, kept)], [])

    def renew(self, *claims):
        pairs = [(claimed.run_id, claimed.token) for claimed in claims]
        return self.store.queues.renew(pairs, lease_ms=LEASE_MS)

    def lose(self, run_id):
        """Let its lease be over."""
        self.redis.zadd('leases', {run_id: PAST_MS}, xx=True)

    def recover(self, *run_ids):
        """Let the leases of these be over, and recover them."""
        for run_id in run_ids:
            self.lose(run_id)
        return self.store.queues.recover([(run_id, PAST_MS) for run_id in run_ids], lease_ms=LEASE_MS)

    def send(self, run_id='1', text=b'{"name":"add"}'):
        """Send a message; return its key and the answer."""
        key = f'{next(self.nonces):016}'.encode()
        return key, self.store.inboxes.send(run_id, key + text)

    def taken(self, claimed, handled=b''):
        return self.store.inboxes.taken(claimed.run_id, claimed.token, handled)

    def command(self, run_id='1', command='stop', **more):
        return self.store.runs.command(run_id, command, **more)

    def begin_reload(self, claimed, last_id=''):
        return self.store.runs.begin_reload(claimed.run_id, claimed.token, last_id)

    def wanted(self, run_id='1'):
        """Return (reload id, its data, present data) as they stand in the hash."""
        return tuple(self.redis.hmget(f'task-{run_id}', 'reload_id', 'reload_data', 'data'))

    def hash(self, run_id='1'):
        return self.redis.hgetall(f'task-{run_id}')

    def state(self, run_id='1'):
        return self.redis.hget(f'task-{run_id}', 'state')

    def line(self, queue='default'):
        """The ids of a queue, the next one first."""
        return self.redis.lrange(self.keys.line(queue), 0, -1)[::-1]

    def now_ms(self):
        seconds, micros = self.redis.time()
        return seconds * 1000 + micros // 1000

    def everything(self):
        """The whole database, for comparing before and after."""
        read = {
            'hash': self.raw.hgetall,
            'string': self.raw.get,
            'set': self.raw.smembers,
            'list': lambda key: self.raw.lrange(key, 0, -1),
            'zset': lambda key: self.raw.zrange(key, 0, -1, withscores=True),
        }
        return {key: read[self.raw.type(key).decode()](key) for key in self.raw.keys('*')}
