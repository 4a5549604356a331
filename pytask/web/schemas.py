"""The API's answers as JSON Schema. Tests check real answers against these."""

from __future__ import annotations

from typing import Any

from pytask.core.states import State

Schema = dict[str, Any]

ANY: Schema = {}
TEXT: Schema = {'type': 'string'}
TIME: Schema = {'type': ['number', 'null'], 'description': 'Unix seconds, by the clock of Redis'}
WHOLE: Schema = {'type': 'integer'}
MAYBE_WHOLE: Schema = {'type': ['integer', 'null']}
FLAG: Schema = {'type': 'boolean'}
CUT: Schema = {'type': 'boolean', 'description': 'true if something was left out to keep the answer short'}


def ref(name: str) -> Schema:
    return {'$ref': f'#/components/schemas/{name}'}


def some(items: Schema) -> Schema:
    return {'type': 'array', 'items': items}


def shape(*, also: Schema | None = None, **fields: Schema) -> Schema:
    """Return the schema of an object with these fields; those in `also` are optional."""
    return {'type': 'object', 'properties': fields | (also or {}), 'required': list(fields)}


STATE: Schema = {'type': 'string', 'enum': [state.value for state in State]}
MESSAGE = shape(at={'type': 'number'}, text=TEXT)
RUN = shape(
    id=TEXT, task=TEXT, state=STATE, data=ANY, output=ANY, reason=TEXT, queue=TEXT, worker=TEXT, attempt=WHOLE,
    crashes=WHOLE, progress=MAYBE_WHOLE, target=MAYBE_WHOLE, created=TIME, started=TIME, ended=TIME, local=FLAG,
    parent=TEXT, also={'messages': some(MESSAGE), 'at': TIME, 'is_cut': CUT},
)  # fmt: skip
SHAPES: dict[str, Schema] = {
    'Run': RUN,
    'Runs': shape(
        runs=some(ref('Run')), counts={'type': 'object', 'additionalProperties': WHOLE}, is_cut=CUT
    ),
    'Answer': shape(
        answer=TEXT | {'description': 'applied, requested, full, or the state that made it impossible'}
    ),
    'Value': shape(value=ANY),
    'Task': shape(name=TEXT, doc=TEXT, inputs={'type': 'object'}, output={'type': 'object'}, queue=TEXT),
    'Tasks': shape(tasks=some(ref('Task'))),
    'Worker': shape(
        id=TEXT, host=TEXT, pid=WHOLE, version=TEXT, queues=some(TEXT), slots=WHOLE, taken=WHOLE, draining=FLAG,
        troubles=TEXT, lag_ms={'type': 'number'},
    ),
    'Workers': shape(workers=some(ref('Worker'))),
    'Step': shape(key=TEXT, task=TEXT, name=TEXT),
    'Routine': shape(name=TEXT, version=WHOLE, steps=some(ref('Step'))),
    'Routines': shape(routines=some(ref('Routine'))),
    'Flow': shape(
        id=TEXT, name=TEXT, routine=TEXT, state=STATE, reason=TEXT, position=WHOLE, steps=some(ref('Step')),
        results=some(shape(position=WHOLE, key=TEXT, value=ANY)), errors=some(shape(position=WHOLE, error=ANY)),
        forced=some(shape(position=WHOLE)), saved={'type': 'object'}, run=ref('Run'),
        also={'is_cut': CUT},
    ),
    'Flows': shape(flows=some(ref('Flow')), is_cut=CUT),
    'Schedule': shape(
        name=TEXT, task=TEXT, data=ANY, queue=TEXT, trigger=TEXT, tz=TEXT, next_at=TIME, last_at=TIME,
        last_run=TEXT, is_paused=FLAG, missed=FLAG, is_declared=FLAG,
    ),
    'Schedules': shape(schedules=some(ref('Schedule'))),
    'SingleTask': shape(
        uuid=TEXT, task=TEXT, status={'type': 'string', 'enum': ['pending', 'running', 'succeeded', 'failed']},
        progress=MAYBE_WHOLE, target=MAYBE_WHOLE, inputs=ANY, outputs=ANY, messages=some(TEXT), created=TIME,
        started=TIME, finished=TIME,
    ),
    'Problem': shape(
        type=TEXT, title=TEXT, status=WHOLE, detail=TEXT, also={'errors': some(shape(path=TEXT, message=TEXT))}
    ),
}  # fmt: skip
