"""The surface of one task at a time: start it, ask how far it is, read what it returned; nothing else."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from pytask.core.states import State
from pytask.web.access.roles import READ, START
from pytask.web.request import Answer
from pytask.web.routes.runs import start
from pytask.web.routing import Call, Route

STATUSES = {State.WAIT: 'pending', State.RUNNING: 'running', State.SUCCESS: 'succeeded'}  # the others have failed


def start_task(call: Call, task: str, inputs: dict[str, Any] = {}) -> Answer:  # noqa: B006 - never changed
    """Start a task, and answer with where to ask for it."""
    run = start(call, task, inputs, 'inputs.', run_id=str(uuid.uuid4()))
    where = f'{call.request.root}/tasks/{quote(run.id, safe="")}/'
    return call.site.as_json(_shown(call, run), 201, (('Location', where),))


def show_task(call: Call, uuid: str) -> dict[str, Any]:
    """Show how far it is; `outputs` is what it returned."""
    return _shown(call, call.client.get(uuid))


def _shown(call: Call, run: Any) -> dict[str, Any]:
    redactor = call.site.redactor
    told = {
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
    cleaned: dict[str, Any] = redactor.clean_answer(told, redactor.secrets_of(run.data))
    return cleaned


ROUTES = [
    Route('POST', '/tasks/', start_task, START, 201, shape='SingleTask'),
    Route('GET', '/tasks/{uuid}/', show_task, READ, shape='SingleTask', is_clean=True),
]
