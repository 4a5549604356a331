"""pytask/flow: the task of flows. Its runs come from queues; a worker runs their steps, see `worker/flows`."""

from __future__ import annotations

from pytask.authoring.task import Task
from pytask.core.names import FLOW


class FlowTask(Task):
    NAME = FLOW

    def start(self) -> None:
        raise self.Error('a flow is started from a queue: client.submit(client.flow(…))')
