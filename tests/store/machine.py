"""A machine that does to pytask's scripts what workers, clients, crashes and vandals may, in any order.

Beside the real server stands a model of every run (`model.Run`). Each rule says what it expects of an answer;
the invariants compare everything that stands in Redis with the model after each step; at the end all is healed,
and every accepted run must end. A worker here is what it believes: the grants it heard of, with their tokens.
"""

import sys
from collections import Counter
from itertools import count

from hands import LEASE_MS, PAST_MS
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)  # fmt: skip
from model import CONVICTED_AT, ENDS, Run
from support import check_keys

from pytask.core.states import Outcome, State
from pytask.store import Ended

TASKS = {'w1': ['hello'], 'w2': ['hello'], 'w3': ['hello', 'other']}
QUEUES = {'w1': 'default', 'w2': 'default', 'w3': 'default,mail'}
LINES = {
    'default': 'new-task',
    'mail': 'new-task-mail',
    'parked': 'parked-other',
    'suspects': 'suspect-task',
}
GARBAGE = ('', 'a-control', 'line\nfeed', 'x' * 300, 'foreign')
MOST_RUNS = 6

workers = st.sampled_from(sorted(TASKS))
lines = st.sampled_from(sorted(LINES))
ends = st.sampled_from(ENDS)
picks = st.integers(0, 11)
limits = st.sampled_from([1, 2, 16])
queues = st.sampled_from(['default', 'default', 'mail'])
tasks = st.sampled_from(['hello', 'hello', 'hello', 'other'])
names = st.sampled_from([('queue', 'mail'), ('queue', 'default'), ('task', 'other')])


def some(of):
    """Only while the machine has some of these."""
    return precondition(lambda self: getattr(self, of)())


class Machine(RuleBasedStateMachine):
    hands = None  # given by a subclass

    def __init__(self):
        super().__init__()
        self.redis, self.store = self.hands.redis, self.hands.store
        self.redis.flushall()
        self.runs, self.stats = {}, Counter()
        self.ghosts = set()  # ids without a run: pushed before their hash, or their hash was deleted
        self.haunted = set()  # ids whose hash was deleted while they held a lease
        self.held = {worker: {} for worker in TASKS}
        self.alive = set()
        self.late = []  # claims that are over, for writes that come too late
        self.seen = []
        self.closed = set()  # the queues and tasks that are paused
        self.numbers = count(1)
        self.has_end_handler = self.is_robbed = False
        for worker in TASKS:
            self.register(worker, handles_ends=False)

    @initialize(handles_ends=st.booleans(), crashes=st.sampled_from([0, 0, 0, 2]), claims=st.integers(0, 4))
    def begin_in_the_middle_of_things(self, handles_ends, crashes, claims):
        self.register('w1', handles_ends=handles_ends)
        for task, queue in [('hello', 'default'), ('hello', 'default'), ('other', 'default'), ('hello', 'mail')]:
            self.start(queue, task)
        if crashes:
            self.die_of_it('w3', 16, crashes)
        for at in range(claims):
            self.claim(f'w{3 - at % 3}', ('default', 'mail')[at % 2], 1, 'heard')

    # What there is.

    def named(self, pick, found):
        return self.runs[sorted(run.run_id for run in found)[pick % len(found)]]

    def all_runs(self):
        return list(self.runs.values())

    def waiting(self):
        return [run for run in self.all_runs() if run.state == 'WAIT']

    def running(self):
        return [run for run in self.all_runs() if run.state == 'RUNNING']

    def suspects(self):
        return [run for run in self.waiting() if run.crashes >= 2]

    def ended(self):
        return [run for run in self.all_runs() if run.is_ended]

    def unhandled(self):
        return [run for run in self.all_runs() if run.is_unhandled]

    def claims(self):
        held = [(worker, claimed) for worker in sorted(self.held) for claimed in self.held[worker].values()]
        return held + [('', claimed) for claimed in self.late[-3:]]

    def room(self):
        return len(self.runs) + len(self.ghosts) < MOST_RUNS

    def claimable(self):
        return self.waiting() or self.ghosts

    def robbed(self):
        return self.is_robbed

    def handed(self):
        return {'is_handed_on': self.has_end_handler}

    # Clients.

    @some('room')
    @rule(queue=queues, task=tasks)
    def start(self, queue, task):
        run = Run(f'r{next(self.numbers)}', task, queue)
        assert self.hands.start(run.run_id, task=task, queue=queue) == [True]
        self.runs[run.run_id] = run
        assert self.hands.start(run.run_id, task='other') == [False], 'repeated'

    @some('room')
    @rule(queue=queues, task=tasks)
    def start_by_foreign_hands(self, queue, task):
        run = Run(f'f{next(self.numbers)}', task, queue)
        self.redis.hset(f'task-{run.run_id}', mapping={'task': task, 'data': '{}'})
        self.redis.lpush(LINES[queue], run.run_id)
        self.runs[run.run_id] = run

    @some('all_runs')
    @rule(pick=picks, times=st.integers(1, 3))
    def push_again(self, pick, times):
        run = self.named(pick, self.all_runs())
        self.redis.lpush(LINES[run.queue], *[run.run_id] * times)

    @rule(entry=st.sampled_from(GARBAGE), line=lines)
    def push_garbage(self, entry, line):
        self.redis.set('task-foreign', 'a key of another type')
        self.redis.rpush(LINES[line], entry)
        self.redis.sadd('all-parked', 'other')

    @some('room')
    @rule(queue=queues)
    def push_an_id_before_its_hash(self, queue):
        ghost = f'g{next(self.numbers)}'
        self.redis.lpush(LINES[queue], ghost)
        self.ghosts.add(ghost)

    @precondition(lambda self: self.ghosts)
    @rule(pick=picks)
    def write_a_late_hash(self, pick):
        ghost = sorted(self.ghosts)[pick % len(self.ghosts)]
        if ghost in self.pushed():
            home = self.redis.hget(f'task-{ghost}', 'queue') or 'default'
            self.redis.hset(f'task-{ghost}', mapping={'task': 'hello', 'data': '{}'})
            self.runs[ghost] = Run(ghost, queue=home)
            self.ghosts.discard(ghost)

    @some('ended')
    @rule(pick=picks)
    def start_again_by_foreign_hands(self, pick):
        run = self.named(pick, self.ended())
        self.redis.hset(f'task-{run.run_id}', 'state', 'WAIT')
        self.redis.lpush(LINES[run.queue], run.run_id)
        run.state, run.end = 'WAIT', ()
        for claimed in self.late:
            if claimed.token == run.token:
                self.finish_claim(claimed, 'ERROR')

    @some('claims')
    @rule(pick=picks, then=st.sampled_from(['renew', 'finish', 'release', 'recover']))
    def stop_what_is_held(self, pick, then):
        worker, claimed = self.a_claim(pick)
        if run := self.runs.get(claimed.run_id):
            self.stop_run(run)
        if then == 'renew':
            self.renew_claims([claimed])
        elif then == 'release':
            self.release_claim(claimed)
            self.drop(worker, claimed)
        elif then == 'finish':
            self.finish_claim(claimed, 'SUCCESS')
            self.drop(worker, claimed)
        else:
            self.expire_run(claimed.run_id)
            self.look_for_overdue()
            self.recover(self.seen)

    @some('all_runs')
    @rule(pick=picks)
    def stop(self, pick):
        self.stop_run(self.named(pick, self.all_runs()))

    def stop_run(self, run):
        expected = {'WAIT': 'APPLIED', 'RUNNING': 'REQUESTED'}.get(run.state, run.state)
        assert self.hands.command(run.run_id, 'stop') == expected
        if run.state == 'RUNNING':
            run.is_told_to_stop = True
        elif run.state == 'WAIT':
            run.finish('STOPPED', self.stats, **self.handed())

    @some('all_runs')
    @rule(pick=picks)
    def pause_or_resume(self, pick):
        run = self.named(pick, self.all_runs())
        if run.is_paused:
            self.resume_run(run)
        else:
            self.pause_run(run)
            self.resume_run(run)
            self.pause_run(run)

    @some('running')
    @rule(pick=picks, then=st.sampled_from(['renew', 'finish', 'release', 'recover']))
    def pause_what_runs(self, pick, then):
        run = self.named(pick, self.running())
        self.pause_run(run)
        for worker, claimed in self.claims():
            if not run.is_held_by(claimed):
                continue
            if then == 'recover':
                self.expire_run(run.run_id)
                self.look_for_overdue()
                self.recover(self.seen)
            elif then == 'renew':
                self.renew_claims([claimed])
            else:
                self.finish_claim(claimed, 'SUCCESS') if then == 'finish' else self.release_claim(claimed)
                self.drop(worker, claimed)

    def pause_run(self, run):
        expected = {'WAIT': 'APPLIED', 'RUNNING': 'REQUESTED'}.get(run.state, run.state)
        assert self.store.pauses.pause(run.run_id) == expected
        run.is_paused = not run.is_ended

    def resume_run(self, run):
        expected = {'WAIT': 'APPLIED', 'RUNNING': 'REQUESTED'}[run.state] if run.is_paused else run.state
        assert self.store.pauses.resume(run.run_id) == expected
        run.is_paused = False

    @rule(name=names)
    def close_or_reopen(self, name):
        if name in self.closed:
            self.reopen(name)
        else:
            self.reopen(name)
            self.store.pauses.close(*name)
            self.closed.add(name)

    def reopen(self, name):
        assert self.store.pauses.open(*name) == (name in self.closed)
        self.closed.discard(name)

    @some('all_runs')
    @rule(pick=picks)
    def reload(self, pick):
        run, number = self.named(pick, self.all_runs()), next(self.numbers)
        expected = {'WAIT': 'APPLIED', 'RUNNING': 'REQUESTED'}.get(run.state, run.state)
        data = f'{{"n":{number}}}'
        answer = self.hands.command(run.run_id, 'reload', data=data.encode(), command_id=f'c{number}')
        assert answer == expected
        if run.state == 'RUNNING':
            run.reload_id = f'c{number}'
        elif run.state == 'WAIT':
            run.data, run.reload_id = data, ''

    @some('all_runs')
    @rule(pick=picks)
    def retry(self, pick):
        self.retry_run(self.named(pick, self.all_runs()))

    def retry_run(self, run):
        assert self.store.runs.retry(run.run_id) == ('APPLIED' if run.is_ended else run.state)
        if run.is_ended:
            run.retry()

    # Workers that claim.

    @some('claimable')
    @rule(worker=workers, line=lines, limit=limits, answer=st.sampled_from(['heard', 'heard', 'lost', 'repeated']))
    def claim(self, worker, line, limit, answer):
        grant = self.claim_from(worker, line, limit, nonce := f'n{next(self.numbers)}')
        if answer == 'lost':
            return
        if answer == 'repeated' and grant.runs:
            again = self.hands.claim(worker, nonce=nonce, limit=limit, **self.how(worker, line))
            assert tokens(again.runs) == tokens(grant.runs), 'the same nonce, another answer'
        self.held[worker] |= {claimed.run_id: claimed for claimed in grant.runs}

    def how(self, worker, line):
        if line == 'suspects':
            return {'suspects': self.held_suspects(worker)}
        return {'parked': 'other'} if line == 'parked' else {'queue': line}

    def held_suspects(self, worker):
        held = (self.runs.get(run_id) for run_id in self.held[worker])
        return sorted(run.run_id for run in held if run and run.crashes >= 2)

    def claim_from(self, worker, line, limit, nonce):
        """Claim, check what was granted, and put it in the model; whether the worker hears of it is its affair."""
        if line not in ('parked', 'suspects') and line not in QUEUES[worker].split(','):
            line = 'default'
        how = self.how(worker, line)
        told = [self.runs[run_id] for run_id in how.get('suspects') or ()]
        fellows = [run for run in told if run.state == 'RUNNING' and run.worker == worker and run.crashes >= 2]
        if line == 'parked' and worker != 'w3':
            line, how = 'default', {'queue': 'default'}
        grant = self.hands.claim(worker, nonce=nonce, limit=limit, **how)
        assert grant.is_registered == (worker in self.alive)
        assert line != 'suspects' or not grant.runs or not fellows, 'more suspects too early'
        assert len(grant.runs) <= limit
        for claimed in grant.runs:
            self.check_granted(claimed, worker, line)
            run = self.runs[claimed.run_id]
            run.grant(claimed, worker, line if line in ('default', 'mail') else '')
            is_alone = line == 'suspects' and len(grant.runs) == 1 and run.crashes >= 2
            run.alone = (run.alone or 0) if is_alone else None
        return grant

    def check_granted(self, claimed, worker, line):
        run = self.runs[claimed.run_id]
        assert run.state == 'WAIT', f'granted what is {run.state}'
        assert not run.is_paused, 'granted what is paused'
        # By the hash: a stale entry in another line, of foreign hands, may have moved it.
        home = self.redis.hget(f'task-{run.run_id}', 'queue')
        assert not {('queue', home), ('task', run.task)} & self.closed, 'granted what may not start'
        assert run.run_id not in self.haunted, 'granted what another holds a lease for'
        assert (claimed.attempt, claimed.data.decode(), claimed.task) == (run.attempt + 1, run.data, run.task)
        assert run.task in TASKS[worker], 'granted to a worker that does not know it'
        assert line == 'suspects' or run.crashes < 2 or run.index, 'a suspect was not held apart'
        assert line != 'suspects' or home in QUEUES[worker].split(','), 'a suspect of a queue not served'

    # Workers that write.

    @some('claims')
    @rule(pick=picks, state=ends, is_repeated=st.booleans())
    def finish(self, pick, state, is_repeated):
        worker, claimed = self.a_claim(pick)
        answer = self.finish_claim(claimed, state)
        if is_repeated:
            expected = {'OK': 'DUP'}.get(answer, answer)
            self.unchanged(
                claimed, lambda: self.hands.finish(claimed, 'ERROR', output=b'"no"') == expected, pardons=True
            )
        self.drop(worker, claimed)

    def finish_claim(self, claimed, state):
        run = self.runs.get(claimed.run_id)
        output = f'"{next(self.numbers)}"'.encode()
        if run and run.is_held_by(claimed):
            assert self.hands.finish(claimed, state, output=output) == 'OK'
            run.finish(state, self.stats, **self.handed())
            assert self.hands.hash(run.run_id)['output'] == output.decode()
            return 'OK'
        expected = 'DUP' if run and run.token == claimed.token and run.is_ended else 'STALE'
        self.unchanged(claimed, lambda: self.hands.finish(claimed, state, output=output) == expected, pardons=True)
        return expected

    @some('claims')
    @rule(pick=picks)
    def release(self, pick):
        worker, claimed = self.a_claim(pick)
        self.release_claim(claimed)
        self.unchanged(claimed, lambda: self.hands.release(claimed) == 'STALE', pardons=True)
        self.drop(worker, claimed)

    def release_claim(self, claimed):
        run = self.runs.get(claimed.run_id)
        if run and run.is_held_by(claimed):
            assert self.hands.release(claimed) == 'OK'
            run.give_back(self.stats, **self.handed())
            run.token = ''
        else:
            self.unchanged(claimed, lambda: self.hands.release(claimed) == 'STALE', pardons=True)

    @some('claims')
    @rule(pick=picks)
    def emit(self, pick):
        self.emit_claim(self.a_claim(pick)[1])

    def emit_claim(self, claimed):
        run, number = self.runs.get(claimed.run_id), next(self.numbers)
        self.hands.emit(claimed, done=number, target=number)
        if run and run.is_held_by(claimed):
            run.progress = str(number)
        assert run is None or self.progress(run) == [run.progress] * 2, 'written by a stranger, or before'

    def progress(self, run):
        return self.redis.hmget(f'task-{run.run_id}', 'progress', 'target')

    @some('claims')
    @rule(pick=picks)
    def answer_a_reload(self, pick):
        _, claimed = self.a_claim(pick)
        run = self.runs.get(claimed.run_id)
        is_ours = bool(run and run.is_held_by(claimed))
        reload_id, data = (run.reload_id if run else '') or 'c0', f'{{"n":{next(self.numbers)}}}'
        answer = self.store.runs.reloaded(claimed.run_id, claimed.token, reload_id, '', data.encode(), 1)
        assert answer == is_ours
        if is_ours:
            run.data, run.reload_id = data, ''

    @some('claims')
    @rule(worker=workers)
    def renew(self, worker):
        claims = {claimed.run_id: claimed for claimed in self.late[-3:]} | self.held[worker]
        for claimed in self.renew_claims(list(claims.values())):
            self.drop(worker, claimed)

    def renew_claims(self, claims):
        """Renew; return the claims that are lost."""
        said = self.hands.renew(*claims)
        verdicts = dict(pair for pair in said if pair[1] != 'PAUSED')
        assert verdicts == {c.run_id: v for c in claims if (v := self.verdict(c))}
        for claimed in claims:
            run = self.runs.get(claimed.run_id)
            is_held = bool(run and run.is_held_by(claimed))
            assert ((claimed.run_id, 'PAUSED') in said) == (is_held and run.is_paused), 'a pause is not told'
            if is_held:
                run.is_leased = True
                if run.is_old:
                    run.forgive()
        return [claimed for claimed in claims if verdicts.get(claimed.run_id) in ('LOST', 'GONE')]

    def verdict(self, claimed):
        run = self.runs.get(claimed.run_id)
        if run is None or run.token != claimed.token:
            return 'LOST' if run and self.hands.hash(run.run_id).keys() & {'state', 'token'} else 'GONE'
        if run.state != 'RUNNING':
            return None
        return 'STOP' if run.is_told_to_stop else 'RELOAD' if run.reload_id else None

    def a_claim(self, pick):
        return self.claims()[pick % len(self.claims())]

    def drop(self, worker, claimed):
        self.late.append(claimed)
        if worker:
            self.held[worker].pop(claimed.run_id, None)

    def unchanged(self, claimed, write, *, pardons=False):
        """A late write changes nothing; but who speaks again was never dead."""
        before, run = self.around(claimed.run_id), self.runs.get(claimed.run_id)
        assert write(), f'a late write was answered otherwise: {claimed}'
        if pardons and run and run.is_pardoned_by(claimed):
            run.pardon()
            del before[0]['fallen']
            before[0]['crashes'] = str(run.crashes)
            if run.alone is not None:
                before[0]['alone'] = str(run.alone)
        assert self.around(claimed.run_id) == before, f'a late write changed something: {claimed}'

    def around(self, run_id):
        return self.hands.hash(run_id), self.redis.zscore('leases', run_id), self.redis.hgetall('stats')

    # Leases that are over, and who is dead.

    @some('running')
    @rule(pick=picks)
    def expire(self, pick):
        self.expire_run(self.named(pick, self.running()).run_id)

    def expire_run(self, run_id):
        # Each time at another moment: as long as nobody renews a lease its deadline is its own.
        self.redis.zadd('leases', {run_id: PAST_MS + next(self.numbers)}, xx=True)

    @some('running')
    @rule()
    def look_for_overdue(self):
        self.seen = self.store.queues.overdue(lease_ms=LEASE_MS, limit=100)

    @precondition(lambda self: self.seen)
    @rule()
    def recover_what_was_seen(self):
        self.recover(self.seen)
        self.seen = []

    def recover(self, seen):
        ripe = [run_id for run_id, deadline in seen if self.redis.zscore('leases', run_id) == deadline]
        hit = [run for run_id in ripe if (run := self.runs.get(run_id)) and run.state == 'RUNNING']
        found = self.store.queues.recover(seen, lease_ms=LEASE_MS)
        assert sorted(found) == sorted(run.run_id for run in hit), 'recovered others'
        self.haunted -= set(ripe)
        for run in hit:
            run.recover(self.stats, is_crash=run.worker not in self.alive, **self.handed())
            assert not run.is_convict or self.redis.zscore('due', run.run_id), f'not to be convicted: {run}'

    @some('running')
    @rule(pick=picks)
    def renew_between_two_looks(self, pick):
        run = self.named(pick, self.running())
        self.expire_run(run.run_id)
        self.look_for_overdue()
        claims = [claimed for _, claimed in self.claims() if run.is_held_by(claimed)]
        self.renew_claims(claims[:1])
        if claims:
            self.expire_run(run.run_id)
        self.recover(self.seen)

    @some('claims')
    @rule(worker=workers)
    def die(self, worker):
        self.redis.zadd('workers', {worker: PAST_MS})
        self.redis.delete(f'worker-{worker}', f'claim-{worker}')
        self.alive.discard(worker)
        for claimed in list(self.held[worker].values()):
            self.expire_run(claimed.run_id)
            self.drop(worker, claimed)

    @rule(worker=workers, handles_ends=st.booleans())
    def register(self, worker, handles_ends):
        self.hands.register(worker, *TASKS[worker], queues=QUEUES[worker], handles_ends=handles_ends)
        self.alive.add(worker)
        self.has_end_handler |= handles_ends

    @precondition(lambda self: any(self.held.values()))
    @rule(pick=picks, other=workers, is_dead=st.booleans(), is_claimed=st.booleans())
    def freeze_and_wake_up(self, pick, other, is_dead, is_claimed):
        """A worker sleeps past its lease, its run goes elsewhere, and then it goes on as if nothing had been."""
        awake = [(worker, claimed) for worker, claimed in self.claims() if worker]
        worker, old = awake[pick % len(awake)]
        if is_dead:
            self.redis.zadd('workers', {worker: PAST_MS})
            self.alive.discard(worker)
        self.expire_run(old.run_id)
        self.look_for_overdue()
        self.recover(self.seen)
        if is_claimed:
            self.register(other, handles_ends=False)
            self.claim(other, self.runs[old.run_id].queue if old.run_id in self.runs else 'default', 16, 'heard')
        self.emit_claim(old)
        self.renew_claims([old])
        self.finish_claim(old, 'SUCCESS')
        self.release_claim(old)
        if self.held[worker].get(old.run_id) == old:
            self.drop(worker, old)
        self.register(worker, handles_ends=False)

    @some('waiting')
    @rule(worker=workers, other=workers, line=lines, has_ended=st.booleans())
    def repeat_a_claim_late(self, worker, other, line, has_ended):
        """The answer comes so late that a lease is over, or a run has ended; then the worker asks again."""
        self.register(worker, handles_ends=False)
        nonce = f'n{next(self.numbers)}'
        if not (grant := self.claim_from(worker, line, 16, nonce)).runs:
            return
        if has_ended:
            self.finish_claim(grant.runs[-1], 'SUCCESS')
        self.expire_run(grant.runs[0].run_id)
        self.look_for_overdue()
        self.recover(self.seen)
        if other != worker:
            self.claim(other, line, 16, 'heard')
        still = [claimed for claimed in grant.runs if self.runs[claimed.run_id].is_held_by(claimed)]
        again = self.hands.claim(worker, nonce=nonce, limit=16, **self.how(worker, line))
        assert tokens(again.runs) == tokens(still)
        self.held[worker] |= {claimed.run_id: claimed for claimed in still}

    @some('waiting')
    @rule(worker=workers, limit=limits, times=st.integers(1, 8))
    def die_of_it(self, worker, limit, times):
        """A worker that always claims what was laid aside first, dies, and comes back."""
        for _ in range(times):
            self.register(worker, handles_ends=False)
            for line in ('suspects', 'default', 'mail'):
                if not self.held[worker] or limit == 16:
                    self.claim(worker, line, limit, 'heard')
            self.die(worker)
            self.look_for_overdue()
            self.recover(self.seen)

    @some('suspects')
    @rule(worker=workers, is_patient=st.booleans(), is_deadly=st.booleans())
    def gather_suspects(self, worker, is_patient, is_deadly):
        """A worker takes one suspect, then more, and perhaps dies with all of them."""
        self.register(worker, handles_ends=False)
        for limit in (1, 2):
            self.claim(worker, 'suspects', limit, 'heard')
            for run_id in self.held[worker] if is_patient else ():
                if (run := self.runs.get(run_id)) and run.state == 'RUNNING':
                    self.age(run)
        if is_deadly:
            self.die(worker)
            self.look_for_overdue()
            self.recover(self.seen)

    @some('running')
    @rule(pick=picks)
    def grow_old(self, pick):
        self.age(self.named(pick, self.running()))

    def age(self, run):
        self.redis.hset(f'task-{run.run_id}', 'started', self.hands.now_ms() / 1000 - 40_000)
        run.is_old = True

    @precondition(lambda self: self.ghosts or self.haunted or any(run.is_convict for run in self.all_runs()))
    @rule()
    def promote(self):
        due = self.redis.zrange('due', 0, -1)
        if due:
            self.redis.zadd('due', dict.fromkeys(due, PAST_MS))
        assert self.store.queues.promote(100) == len(due)
        assert not self.redis.exists('due'), 'still due'
        for run in self.all_runs():
            if run.run_id in due and run.is_convict:
                run.finish('EXCEPTION', self.stats, **self.handed())
        self.ghosts = {ghost for ghost in self.ghosts if ghost in self.pushed() or ghost in self.haunted}

    # What has ended, and its handler.

    @some('unhandled')
    @rule(limit=limits)
    def take_ends(self, limit):
        visible = {run.run_id for run in self.unhandled() if not run.is_taken}
        taken = {run_id for run_id, _ in self.store.ends.take(limit, visible_s=60)}
        assert taken <= visible
        assert limit < MOST_RUNS or taken == visible, 'an end was not handed on'
        for run_id in taken:
            self.runs[run_id].is_taken, self.runs[run_id].is_fresh = True, False

    @some('unhandled')
    @rule()
    def die_while_handling(self):
        self.redis.zadd('end-task', dict.fromkeys((run.run_id for run in self.unhandled()), PAST_MS), xx=True)
        for run in self.unhandled():
            run.is_taken = False

    @some('unhandled')
    @rule(pick=picks)
    def let_go_of_an_end(self, pick):
        self.let_go(self.named(pick, self.unhandled()))

    def let_go(self, run):
        self.store.ends.let_go([run.run_id])
        if not run.is_fresh:
            run.is_unhandled = False

    @some('unhandled')
    @rule(pick=picks)
    def end_again_while_the_first_end_is_handled(self, pick):
        run = self.named(pick, self.unhandled())
        if not run.is_ended or run.task != 'hello':
            return
        self.take_ends(16)
        self.retry_run(run)
        self.register('w3', handles_ends=True)
        self.claim('w3', run.queue, 16, 'heard')
        if claimed := self.held['w3'].get(run.run_id):
            self.finish_claim(claimed, 'SUCCESS')
            self.drop('w3', claimed)
            self.let_go(run)

    @precondition(lambda self: self.has_end_handler)
    @rule()
    def lose_the_end_handler(self):
        self.redis.delete('end-handler')
        self.has_end_handler = False

    @some('unhandled')
    @rule()
    def lose_the_end_handler_for_long(self):
        kept = [run for run in self.unhandled() if run.is_ended]
        self.lose_the_end_handler()
        self.store.ends.forget_unwanted()
        for run in self.unhandled():
            run.is_unhandled = False
        self.register('w1', handles_ends=True)
        for run in kept[:1]:
            self.prune_run(run)

    @some('all_runs')
    @rule(pick=picks)
    def prune(self, pick):
        self.prune_run(self.named(pick, self.all_runs()))

    def prune_run(self, run):
        is_kept = run.is_unhandled and self.has_end_handler
        expected = ('KEPT' if is_kept else 'OK') if run.is_ended else run.state
        assert self.store.runs.remove([run.run_id], takes_kept=False) == [expected]
        if expected == 'OK':
            self.forget(run)

    def forget(self, run):
        del self.runs[run.run_id]
        if run.run_id in self.pushed() or run.is_leased:
            self.ghosts.add(run.run_id)

    # Vandals, and who mends.

    @some('running')
    @rule()
    def delete_leases(self):
        self.redis.delete('leases')
        self.is_robbed = True
        self.haunted.clear()
        for run in self.running():
            run.is_leased = False

    @some('all_runs')
    @rule(pick=picks)
    def delete_a_hash(self, pick):
        run = self.named(pick, self.all_runs())
        if run.index:  # its index would stay: `prune` clears that when its time has come
            return
        self.redis.delete(f'task-{run.run_id}')
        assert self.store.pauses.resume(run.run_id) == 'NOT_FOUND'  # and it is held no more
        if run.is_leased:
            self.haunted.add(run.run_id)
        self.forget(run)

    @precondition(lambda self: self.haunted)
    @rule(pick=picks, worker=workers)
    def start_under_an_old_lease(self, pick, worker):
        """Somebody deleted the hash of a run that goes on, and starts another under its id."""
        run_id = sorted(self.haunted)[pick % len(self.haunted)]
        if run_id not in self.runs:
            assert self.hands.start(run_id) == [True]
            self.runs[run_id] = Run(run_id)
            self.ghosts.discard(run_id)
            self.claim(worker, 'default', 16, 'heard')

    @some('robbed')
    @rule()
    def sweep(self):
        cursor = '0'
        while True:
            cursor, _ = self.store.queues.sweep(cursor)
            if cursor == '0':
                break
        self.is_robbed = False
        for run in self.running():
            run.is_leased = True

    # What must be true after each step.

    def pushed(self):
        """The ids that stand in a list, or are due or held."""
        pipe = self.redis.pipeline(transaction=False)
        for line in LINES.values():
            pipe.lrange(line, 0, -1)
        for index in ('due', 'held'):
            pipe.zrange(index, 0, -1)
        return {run_id for found in pipe.execute() for run_id in found}

    @invariant()
    def everything_is_as_the_model_says(self):
        pipe = self.redis.pipeline(transaction=False)
        for index in ('leases', 'end-task', *(f'ended-{state}' for state in ENDS)):
            pipe.zrange(index, 0, -1)
        pipe.hgetall('stats')
        for run_id in self.runs:
            pipe.hgetall(f'task-{run_id}')
        leases, end_task, *found = pipe.execute()
        pushed = self.pushed()
        for run, hash_ in zip(self.all_runs(), found[5:], strict=True):
            self.check_hash(run, hash_)
            self.check_place(run, set(leases), pushed)
            assert not run.is_unhandled or (run.run_id in end_task and 'unhandled' in hash_), (
                f'not handed on: {run}'
            )
        for state, ids in zip(ENDS, found, strict=False):
            expected = {run.run_id for run in self.all_runs() if run.index == state}
            assert set(ids) == expected, f'ended-{state} disagrees'
        assert {name: int(n) for name, n in found[4].items()} == +self.stats, 'the counters disagree'
        strangers = set(leases) - {run.run_id for run in self.running()} - self.haunted
        assert not strangers, f'leased, but not running: {strangers}'

    def check_place(self, run, leases, pushed):
        if run.state == 'WAIT':
            assert run.run_id in pushed | leases, f'lost: {run}'
        elif run.state == 'RUNNING':
            assert run.run_id in leases or (self.is_robbed and not run.is_leased), f'running without a lease: {run}'

    def check_hash(self, run, found):
        assert found.get('state', 'WAIT') == run.state, f'{run} is {found}'
        assert (found['task'], found['data']) == (run.task, run.data)
        assert int(found.get('attempt', 0)) == run.attempt, f'{run} is {found}'
        assert found.get('token', '') == run.token, f'{run} is {found}'
        assert int(found.get('crashes', 0)) == run.crashes, f'{run} is {found}'
        assert found.get('alone', 'None') == str(run.alone), f'{run} is {found}'
        assert found.get('fallen', '') == run.fallen, f'{run} is {found}'
        assert ('stop' in found) == run.is_told_to_stop, f'{run} is {found}'
        assert ('paused' in found) == run.is_paused, f'{run} is {found}'
        if run.is_ended:
            is_poison = found['state'] == 'EXCEPTION' and found.get('reason') == 'poison'
            run.end = run.end or self.an_end(found)
            assert run.end == self.an_end(found), f'an outcome was overwritten: {run} is {found}'
            assert is_poison <= ((run.alone or 0) >= CONVICTED_AT), f'not poison: {run}'

    @staticmethod
    def an_end(found):
        return found.get('attempt', '0'), found['state'], found.get('output')

    # The end.

    def teardown(self):
        if sys.exc_info()[0] is None:
            self.heal()
            assert all(run.is_ended for run in self.all_runs()), f'not ended: {self.waiting() + self.running()}'
            self.everything_is_as_the_model_says()
            self.redis.delete('task-foreign')
            check_keys(self.redis)

    def heal(self):
        """Let healthy workers do what they do, until nothing changes any more."""
        self.resume_all()
        for worker in TASKS:
            self.register(worker, handles_ends=False)
        for _ in range(40):
            self.sweep()
            for run_id in self.redis.zrange('leases', 0, -1):
                self.expire_run(run_id)
            self.look_for_overdue()
            self.recover(self.seen)
            self.promote()
            for line in LINES:
                for worker in TASKS:
                    self.claim(worker, line, 16, 'heard')
                    self.finish_all(worker)
            if all(run.is_ended for run in self.all_runs()) and not self.pushed():
                return

    def resume_all(self):
        for run in self.all_runs():
            self.resume_run(run)
        for name in sorted(self.closed):
            self.reopen(name)

    def finish_all(self, worker):
        claims = list(self.held[worker].values())
        answers = self.hands.record(*(Ended(c.run_id, c.token, Outcome(State.SUCCESS), 1) for c in claims))
        for claimed, answer in zip(claims, answers, strict=True):
            run = self.runs.get(claimed.run_id)
            if answer == 'OK':
                run.finish('SUCCESS', self.stats, **self.handed())
            elif run and run.is_pardoned_by(claimed):
                run.pardon()
            self.drop(worker, claimed)


def tokens(claims):
    return [(claimed.run_id, claimed.token, claimed.data) for claimed in claims]


def run_machine(hands, number, examples, steps=50, phases=(Phase.generate, Phase.shrink)):
    """Run it on one server from one seed; return the error that it died of, and how many examples it took."""
    begun = count()

    class OnThisServer(Machine):
        def __init__(self):
            next(begun)
            super().__init__()

    OnThisServer.hands = hands
    rough = settings(
        max_examples=examples, stateful_step_count=steps, phases=phases, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(number)(OnThisServer), settings=rough)
    except Exception as error:  # noqa: BLE001 - what it died of is what is asked for
        return error, next(begun)
    return None, next(begun)
