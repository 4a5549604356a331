"""The API for one task at a time: start it, read its progress and its result."""

from __future__ import annotations

import uuid
from typing import Any

from pytask.core.states import State
from pytask.web.access.roles import READ, START
from pytask.web.request import Answer, created
from pytask.web.routes.runs import start
from pytask.web.routing import Call, Route

STATUSES = {State.WAIT: 'pending', State.RUNNING: 'running', State.SUCCESS: 'succeeded'}  # all others: failed


def start_task(call: Call, task: str, inputs: dict[str, Any] = {}) -> Answer:  # noqa: B006 - never changed
    """Start a task; Location in the answer is where to read it."""
    run = start(call, task, inputs, 'inputs.', run_id=str(uuid.uuid4()))
    return created(call.request, '/tasks/{}/', run.id, _shown(call, run))


def show_task(call: Call, uuid: str) -> dict[str, Any]:
    """Show a task's status and progress; `outputs` is what it returned."""
    return _shown(call, call.client.get(uuid))


def _shown(call: Call, run: Any) -> dict[str, Any]:
    redactor = call.site.redactor
    answer = {
        'uuid': run.id,
        'task': run.task,
        'status': STATUSES.get(run.state, 'failed'),
        'progress': run.progress,
        'target': run.target,
        'inputs': run.data,
        'outputs': run.output,
        'messages': [message.text for message in call.client.messages(run.id)],
        'created': run.created,
        'started': run.started,
        'finished': run.ended,
    }
    cleaned: dict[str, Any] = redactor.clean_answer(answer, redactor.secrets_of(run.data))
    return cleaned


ROUTES = [
    Route('POST', '/tasks/', start_task, START, 201, shape='SingleTask'),
    Route('GET', '/tasks/{uuid}/', show_task, READ, shape='SingleTask', is_clean=True),
]
