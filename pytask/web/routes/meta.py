"""Tasks that may be started, workers, and the OpenAPI description."""

from __future__ import annotations

from typing import Any

from pytask.core.fields import as_number, as_whole
from pytask.web import openapi
from pytask.web.access.roles import READ
from pytask.web.routing import Call, Route

# The fields of a worker's hash that the API shows.
_WORKER = ('id', 'host', 'pid', 'version', 'queues', 'slots', 'taken', 'draining', 'troubles', 'lag_ms')
_WHOLE = frozenset({'pid', 'slots', 'taken', 'draining'})


def list_tasks(call: Call) -> dict[str, Any]:
    """List the tasks that may be started from the web, with the JSON Schema of their inputs and output."""
    registry = call.site.app.registry
    return {
        'tasks': [
            {
                'name': task.NAME,
                'doc': (task.__doc__ or '').strip(),
                'inputs': call.site.redactor.without_defaults(registry.inputs(task).schema()),
                'output': registry.outputs(task).schema(),
                'queue': task.QUEUE,
            }
            for task in call.site.exposed_tasks()
        ]
    }


def list_workers(call: Call) -> dict[str, Any]:
    """List the live workers."""
    return {'workers': [_worker(fields) for fields in call.client.store.workers.alive()]}


def show_openapi(call: Call) -> dict[str, Any]:
    """Describe this API as OpenAPI 3.1."""
    site = call.site
    return openapi.document(site.routes, site.app.registry, site.exposed_tasks(), call.request.root, site.redactor)


def _worker(fields: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: fields.get(name, '') for name in _WORKER}
    found |= {name: as_whole(found[name]) or 0 for name in _WHOLE} | {'lag_ms': as_number(found['lag_ms']) or 0}
    found['queues'] = [name for name in found['queues'].split(',') if name]
    return found | {'draining': bool(found['draining'])}


ROUTES = [
    Route('GET', '/api/v1/tasks', list_tasks, READ, shape='Tasks', is_clean=True),
    Route('GET', '/api/v1/workers', list_workers, READ, shape='Workers'),
    Route('GET', '/api/v1/openapi.json', show_openapi, READ, is_clean=True),
]
