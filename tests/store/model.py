"""What one run must look like after everything that was done to it."""

from dataclasses import dataclass

ENDS = ('STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION')
CONVICTED_AT = 5


@dataclass
class Run:
    run_id: str
    task: str = 'hello'
    queue: str = 'default'
    data: str = '{}'
    state: str = 'WAIT'
    attempt: int = 0
    token: str = ''
    worker: str = ''
    progress: str | None = None
    reload_id: str = ''
    index: str = ''  # the state under which it stands among the ended
    crashes: int = 0
    alone: int | None = None  # its crashes as the only suspect of its worker since it last had company
    fallen: str = ''  # the claim whose worker was taken for dead last
    is_leased: bool = False
    is_told_to_stop: bool = False
    is_paused: bool = False
    is_old: bool = False  # has lived for more than a minute
    is_unhandled: bool = False  # owned by end-task
    is_taken: bool = False  # by an end handler, and not visible to others now
    is_fresh: bool = False  # taken by nobody since it last ended
    end: tuple = ()

    @property
    def is_ended(self):
        return self.state in ENDS

    @property
    def is_convict(self):
        return self.state == 'WAIT' and (self.alone or 0) >= CONVICTED_AT

    def is_held_by(self, claimed):
        return self.token == claimed.token and self.state == 'RUNNING'

    def grant(self, claimed, worker, queue):
        if self.index:  # started again by foreign hands: a new life
            self.index, self.is_unhandled = '', False
            self.forgive()
        self.state, self.token, self.worker, self.attempt = 'RUNNING', claimed.token, worker, claimed.attempt
        self.queue = queue or self.queue
        self.is_leased, self.is_old, self.end, self.progress = True, False, (), None

    def wait(self):
        self.state, self.end, self.token = 'WAIT', (), ''
        self.is_leased = self.is_told_to_stop = False

    def retry(self):
        self.wait()
        self.index, self.progress, self.is_unhandled = '', None, False
        self.forgive()

    def forgive(self):
        self.crashes, self.alone, self.fallen = 0, None, ''

    def finish(self, state, stats, *, is_handed_on):
        self.state = self.index = state
        self.is_leased = self.is_told_to_stop = self.is_paused = False
        self.reload_id, self.end = '', ()
        stats[f'{state}:{self.task}'] += 1
        if is_handed_on:
            self.is_unhandled, self.is_taken, self.is_fresh = True, False, True

    def give_back(self, stats, *, is_handed_on):
        if self.is_told_to_stop:
            self.finish('STOPPED', stats, is_handed_on=is_handed_on)
        else:
            self.wait()

    def recover(self, stats, *, is_crash, is_handed_on):
        if is_crash and not self.is_told_to_stop:
            self.crashes += 1
            self.fallen = self.token
            if self.alone is not None:
                self.alone += 1
        return self.give_back(stats, is_handed_on=is_handed_on)

    def is_pardoned_by(self, claimed):
        return self.fallen == claimed.token and not self.is_ended

    def pardon(self):
        self.fallen = ''
        self.crashes -= 1
        if self.alone:
            self.alone -= 1
