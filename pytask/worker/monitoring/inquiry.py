"""Inquiries: questions to this worker about a run, and where it leaves what it knows."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pytask.core import codec
from pytask.errors import PytaskError
from pytask.worker.monitoring import stacks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytask.worker.worker import Worker

LONGEST_NAME = 64


def answer_stack(worker: Worker, asked: Mapping[str, Any]) -> None:
    """Leave the stacks of `run` under the name `answer`; a question that is not in order is dropped."""
    run_id, name = asked.get('run'), asked.get('answer')
    if not isinstance(run_id, str) or not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        return
    live = worker.slots.get(run_id)
    said: dict[str, str] = {}
    if live is not None:
        said = {'stack': stacks.of_run(live, is_full=asked.get('full') is True), 'told': live.ending}
    with contextlib.suppress(PytaskError):  # who asked says that no answer came
        worker.store.answers.give(name, codec.encode(said))
