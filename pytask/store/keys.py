"""Every key and channel name, as a function of the prefix. Scripts take theirs from here by name.

On a Cluster the prefix has a hash tag: all names share one slot, so a script may use `task-<id>` keys whose ids
it reads from lists.
"""

from __future__ import annotations


class Keys:
    """The names below one prefix. A script gets the attributes that its KEYS header names."""

    def __init__(self, prefix: str = '') -> None:
        self.prefix = prefix
        self.runs = f'{prefix}task-'  # and the id
        self.lines = f'{prefix}new-task'  # and -<queue>, except for the default queue
        self.queues = f'{prefix}queues'  # every queue that ever had a run, for lists
        self.inboxes = f'{prefix}inbox-'  # and the id: messages that the run has not handled
        self.messages = f'{prefix}messages-'  # and the id: the last messages that the run published
        self.flows = f'{prefix}flow-'  # and the id: steps, results and saved state of a flow
        self.routines = f'{prefix}routines'
        self.leases = f'{prefix}leases'
        self.due = f'{prefix}due'
        self.held = f'{prefix}held'
        self.paused = f'{prefix}all-paused'  # queue:<queue> and task:<task>: since when
        self.ended = f'{prefix}ended-'  # and the state
        self.schedules = f'{prefix}schedules'  # name: when it fires next
        self.schedule_hashes = f'{prefix}schedule-'  # and the name of a schedule
        self.dead = f'{prefix}dead-task'
        self.parked = f'{prefix}parked-'  # and the task
        self.parked_names = f'{prefix}all-parked'  # not parked-…, since a task may have any name
        self.suspects = f'{prefix}suspect-task'
        self.end_task = f'{prefix}end-task'
        self.end_handler = f'{prefix}end-handler'  # exists while workers have one
        self.workers = f'{prefix}workers'
        self.worker_hashes = f'{prefix}worker-'  # and the worker's id
        self.stats = f'{prefix}stats'

    def run(self, run_id: str) -> str:
        """Return the key of a run's hash, which is also its event channel."""
        return self.runs + run_id

    def run_id(self, key: str) -> str:
        return key.removeprefix(self.runs)

    def inbox(self, run_id: str) -> str:
        return self.inboxes + run_id

    def said(self, run_id: str) -> str:
        return self.messages + run_id

    def flow(self, run_id: str) -> str:
        return self.flows + run_id

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
