"""Routes of schedules: list them, run one now, pause and resume it. They stand in code; none is made here."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pytask.web.access.roles import CONTROL, READ
from pytask.web.request import Answer, Problem
from pytask.web.routes.runs import shown
from pytask.web.routing import Call, Route


def list_schedules(call: Call) -> dict[str, Any]:
    """List the schedules, the next one to fire first."""
    return {'schedules': [schedule.to_json() for schedule in call.client.schedules()]}


def run_schedule(call: Call, name: str) -> Answer:
    """Start what a schedule starts, now; its times stay as they are."""
    run = call.client.run_schedule(name)
    where = f'{call.request.root}/api/v1/runs/{quote(run.id, safe="")}'
    return call.site.as_json(shown(call, run), 201, (('Location', where),))


def pause_schedule(call: Call, name: str) -> dict[str, str]:
    """Let a schedule not fire until it is resumed."""
    return _answer(call.client.pause_schedule(name))


def resume_schedule(call: Call, name: str) -> dict[str, str]:
    """Let a paused schedule go on; what it would have fired meanwhile is not made up for."""
    return _answer(call.client.resume_schedule(name))


def _answer(text: str) -> dict[str, str]:
    if text == 'not_found':
        raise Problem(404, 'no such schedule')
    if text == 'refused':
        raise Problem(409, 'refused: it is not paused')
    return {'answer': text}


ROUTES = [
    Route('GET', '/api/v1/schedules', list_schedules, READ, shape='Schedules'),
    Route('POST', '/api/v1/schedules/{name}/run', run_schedule, CONTROL, 201, shape='Run'),
    Route('POST', '/api/v1/schedules/{name}/pause', pause_schedule, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/schedules/{name}/resume', resume_schedule, CONTROL, shape='Answer'),
]
