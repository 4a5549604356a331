"""OpenAPI 3.1, made from the signatures of the routes and the tasks."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from pytask.core.version import VERSION
from pytask.web.request import JSON, PROBLEM
from pytask.web.schemas import SHAPES, TEXT, Schema, ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytask.authoring.registry import Registry
    from pytask.authoring.task import Task
    from pytask.web.redaction.redactor import Redactor
    from pytask.web.routing import Route, Routes

STREAM = 'text/event-stream'
# The field for a task's data, in the routes that start a run.
DATA_OF = {'start_run': 'data', 'start_task': 'inputs'}


def document(
    routes: Routes, registry: Registry, tasks: Iterable[type[Task]], root: str, redactor: Redactor
) -> Schema:
    """Describe the routes; `tasks` are those that may be started, `root` is the path below which all is served."""
    parts: dict[str, Schema] = dict(SHAPES)
    starts = {task.NAME: redactor.without_defaults(_data_of(registry, task, parts)) for task in tasks}
    paths: dict[str, Schema] = {}
    for route in routes.all:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(routes, route, starts)
    return {
        'openapi': '3.1.0',
        'info': {'title': 'pytask', 'version': VERSION, 'description': 'Start, inspect and control runs.'},
        'servers': [{'url': root or '/'}],
        'security': [{'bearer': []}, {'cookie': []}],
        'paths': paths,
        'components': {
            'schemas': parts,
            'securitySchemes': {
                'bearer': {'type': 'http', 'scheme': 'bearer'},
                'cookie': {'type': 'apiKey', 'in': 'cookie', 'name': 'pytask-PORT'},
            },
        },
    }


def _operation(routes: Routes, route: Route, starts: dict[str, Schema]) -> Schema:
    name = route.function.__name__
    summary, _, more = inspect.cleandoc(route.function.__doc__ or '').partition('\n\n')
    schema = routes.inputs(route).schema()
    found: Schema = {
        'operationId': name,
        'summary': summary.replace('\n', ' '),
        'description': f'{more}\n\nNeeds the role `{route.role}`.'.strip(),
        'parameters': _parameters(route, schema),
        'responses': {str(route.code): _answer(route), 'default': _problem()},
    }
    if route.method == 'POST':
        body = _body_of_start(schema, DATA_OF[name], starts) if name in DATA_OF else schema
        found['requestBody'] = {'required': bool(schema['required']), 'content': {JSON: {'schema': body}}}
    return found


def _parameters(route: Route, schema: Schema) -> list[Schema]:
    found = [{'name': name, 'in': 'path', 'required': True, 'schema': TEXT} for name in route.names]
    if route.method == 'GET':
        found += [{'name': name, 'in': 'query', 'schema': kind} for name, kind in schema['properties'].items()]
    return found


def _body_of_start(schema: Schema, where: str, starts: dict[str, Schema]) -> Schema:
    if not starts:
        return schema
    bodies = []
    for name, data in starts.items():
        is_needed = bool(data.get('required'))
        fields = schema['properties'] | {'task': {'const': name}, where: data}
        bodies.append(schema | {'title': name, 'properties': fields, 'required': ['task', *([where] * is_needed)]})
    return {'oneOf': bodies}


def _answer(route: Route) -> Schema:
    if route.shape == 'Events':
        return {'description': 'Events as they happen', 'content': {STREAM: {'schema': TEXT}}}
    schema = ref(route.shape) if route.shape else {'type': 'object'}
    return {'description': 'Done', 'content': {JSON: {'schema': schema}}}


def _problem() -> Schema:
    return {'description': 'Everything that is wrong', 'content': {PROBLEM: {'schema': ref('Problem')}}}


def _data_of(registry: Registry, task: type[Task], parts: dict[str, Any]) -> Schema:
    # Nested schemas move to the shared components, so their names get the task's as a prefix.
    prefix = re.sub(r'[^\w.-]', '.', task.NAME, flags=re.ASCII)
    schema = registry.inputs(task).schema(f'#/components/schemas/{prefix}.{{name}}')
    parts |= {f'{prefix}.{name}': part for name, part in schema.pop('$defs', {}).items()}
    return schema
