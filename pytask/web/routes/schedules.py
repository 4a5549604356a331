"""Schedules: list them, run one now, pause and resume it. They are declared in code, so none is created here."""

from __future__ import annotations

from typing import Any

from pytask.web.access.roles import CONTROL, READ
from pytask.web.request import Answer, Problem, created
from pytask.web.routes.runs import shown
from pytask.web.routing import Call, Route


def list_schedules(call: Call) -> dict[str, Any]:
    """List the schedules, the next one to fire first."""
    return {'schedules': [schedule.to_json() for schedule in call.client.schedules()]}


def run_schedule(call: Call, name: str) -> Answer:
    """Start a run of the schedule now; its next time does not change."""
    run = call.client.run_schedule(name)
    return created(call.request, '/api/v1/runs/{}', run.id, shown(call, run))


def pause_schedule(call: Call, name: str) -> dict[str, str]:
    """Pause a schedule: it does not fire until it is resumed."""
    return _answer(call.client.pause_schedule(name))


def resume_schedule(call: Call, name: str) -> dict[str, str]:
    """Resume a paused schedule; times that passed meanwhile are skipped."""
    return _answer(call.client.resume_schedule(name))


def _answer(text: str) -> dict[str, str]:
    if text == 'not_found':
        raise Problem(404, 'no such schedule')
    if text == 'refused':
        raise Problem(409, 'refused: the schedule is not paused')
    return {'answer': text}


ROUTES = [
    Route('GET', '/api/v1/schedules', list_schedules, READ, shape='Schedules'),
    Route('POST', '/api/v1/schedules/{name}/run', run_schedule, CONTROL, 201, shape='Run'),
    Route('POST', '/api/v1/schedules/{name}/pause', pause_schedule, CONTROL, shape='Answer'),
    Route('POST', '/api/v1/schedules/{name}/resume', resume_schedule, CONTROL, shape='Answer'),
]
