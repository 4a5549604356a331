"""OpenAPI 3.1: valid, whole, and true."""

import msgspec
import pytest
from callers import TOKEN, Add, Caller, fits
from openapi_spec_validator import OpenAPIV31SpecValidator
from support import SOON_S, wait_until

from pytask import Task
from pytask.web.wsgi import ROUTES


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Route(Task):
    NAME = 'maps/route'
    EXPOSE = True

    def __init__(self, points: list[Point], style: str = 'plain'): ...

    def start(self) -> list[Point]:
        return []


@pytest.fixture
def document(call):
    call.site.app.add_task(Route)
    call.site.app.every(3600, data={'a': 1})(Add)
    return call.get('/api/v1/openapi.json').json


def test_it_is_valid(document):
    assert document['openapi'].startswith('3.1')
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_in_it(document):
    there = {(method.upper(), path) for path, of in document['paths'].items() for method in of}
    assert there == {(route.method, route.path) for route in ROUTES.all}
    operations = [operation for of in document['paths'].values() for operation in of.values()]
    names = [operation['operationId'] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation['summary'] for operation in operations)


def test_starts_are_described_by_the_signatures_of_the_tasks(document):
    bodies = {}
    for path, field in (('/api/v1/runs', 'data'), ('/tasks/', 'inputs')):
        body = document['paths'][path]['post']['requestBody']['content']['application/json']['schema']
        bodies[path] = {one['properties']['task']['const']: one for one in body['oneOf']}
        assert sorted(bodies[path]) == ['add', 'fail', 'keep', 'maps/route', 'site/crawl/deep', 'stay']
        assert bodies[path]['add']['required'] == ['task', field]
        assert bodies[path]['stay']['required'] == ['task']
    assert 'hunter2' not in str(document)  # the default of a password
    points = bodies['/api/v1/runs']['maps/route']['properties']['data']['properties']['points']
    assert points['items'] == {'$ref': '#/components/schemas/maps.route.Point'}
    assert document['components']['schemas']['maps.route.Point']['properties']['x'] == {'type': 'integer'}


def test_real_answers_fit(document, call, app, worker):
    worker()
    started = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}})
    fits(document, started, '/api/v1/runs', 'post')
    run_id = started.json['id']
    app.client.get(run_id).wait(timeout=SOON_S)
    wait_until(lambda: call.get('/api/v1/workers').json['workers'], 'a worker is there')
    for path in ('/api/v1/runs', '/api/v1/tasks', '/api/v1/workers', '/api/v1/schedules'):
        fits(document, call.get(path), path)
    fits(document, call.get(f'/api/v1/runs/{run_id}'), '/api/v1/runs/{run}')
    fits(document, call.get(f'/tasks/{run_id}/'), '/tasks/{uuid}/')
    fits(document, call.post('/tasks/', {'task': 'add', 'inputs': {'a': 1}}), '/tasks/', 'post')
    fits(document, call.post(f'/api/v1/runs/{run_id}/stop'), '/api/v1/runs/{run}/stop', 'post')
    for wrong in (call.get('/api/v1/runs/none'), call.get('/api/v1/runs?limit=x')):
        assert wrong.code in (400, 404)
        fits(document, wrong, '/api/v1/runs/{run}')


def test_below_a_path_it_says_so(sites):
    call = Caller(sites(token=TOKEN))
    assert call.get('/api/v1/openapi.json', environ={'SCRIPT_NAME': '/inner'}).json['servers'] == [
        {'url': '/inner'}
    ]
