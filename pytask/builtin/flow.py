"""pytask/flow: the task of flows. A worker runs their steps: see `worker/attempt/flow_runner`."""

from __future__ import annotations

from pytask.authoring.task import Task
from pytask.core.names import FLOW


class FlowTask(Task):
    NAME = FLOW

    def start(self) -> None:
        raise self.Error('start a flow with client.submit(client.flow(…))')
