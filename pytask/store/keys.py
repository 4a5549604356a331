"""Every key and channel name, as functions of the prefix; scripts take theirs from here by name.

On a Cluster the prefix holds a hash tag, so that all names share one slot and a script may touch the
`task-<id>` keys whose ids it reads from lists.
"""

from __future__ import annotations


class Keys:
    """The names below one prefix. An attribute named as in a script's KEYS header is passed to it."""

    def __init__(self, prefix: str = '') -> None:
        self.prefix = prefix
        self.runs = f'{prefix}task-'  # and the id
        self.lines = f'{prefix}new-task'  # and -<queue>, but for the default queue
        self.queues = f'{prefix}queues'  # every queue that ever had a run, for those who look
        self.inboxes = f'{prefix}inbox-'  # and the id: messages that its run has not handled
        self.messages = f'{prefix}messages-'  # and the id: the last that its run has said
        self.leases = f'{prefix}leases'
        self.due = f'{prefix}due'
        self.held = f'{prefix}held'
        self.paused = f'{prefix}all-paused'  # queue:<queue> and task:<task>, since when
        self.ended = f'{prefix}ended-'  # and the state
        self.schedules = f'{prefix}schedules'  # name, when it fires next
        self.schedule_hashes = f'{prefix}schedule-'  # and its name
        self.dead = f'{prefix}dead-task'
        self.parked = f'{prefix}parked-'  # and the task
        self.parked_names = f'{prefix}all-parked'  # not parked-…: a task may be named anything
        self.suspects = f'{prefix}suspect-task'
        self.end_task = f'{prefix}end-task'
        self.end_handler = f'{prefix}end-handler'  # stands while workers have one
        self.workers = f'{prefix}workers'
        self.worker_hashes = f'{prefix}worker-'  # and the worker's id
        self.stats = f'{prefix}stats'

    def run(self, run_id: str) -> str:
        """Return the key of a run's hash, which is the name of its event channel too."""
        return self.runs + run_id

    def run_id(self, key: str) -> str:
        return key.removeprefix(self.runs)

    def run_control(self, run_id: str) -> str:
        return f'{self.runs}{run_id}-control'

    def inbox(self, run_id: str) -> str:
        return self.inboxes + run_id

    def said(self, run_id: str) -> str:
        return self.messages + run_id

    def line(self, queue: str) -> str:
        return self.lines if queue == 'default' else f'{self.lines}-{queue}'

    def ended_in(self, state: str) -> str:
        return self.ended + state

    def parked_list(self, task: str) -> str:
        return self.parked + task

    def schedule(self, name: str) -> str:
        return self.schedule_hashes + name

    def worker_hash(self, worker_id: str) -> str:
        return self.worker_hashes + worker_id

    def worker_control(self, worker_id: str) -> str:
        return f'{self.worker_hashes}{worker_id}-control'

    def answer(self, name: str) -> str:
        return f'{self.prefix}answer-{name}'

    def claim_record(self, worker_id: str) -> str:
        return f'{self.prefix}claim-{worker_id}'
