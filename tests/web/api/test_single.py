"""The surface of one task at a time."""

import uuid

import pytest
from callers import Caller
from support import wait_until


@pytest.fixture
def as_anybody(sites):
    return Caller(sites(auth=lambda environ: True), Host='localhost')


def test_a_task_is_started_and_asked_for(as_anybody, worker):
    call = as_anybody
    started = call.post('/tasks/', {'task': 'add', 'inputs': {'a': '4', 'b': 2}})
    assert started.code == 201
    told = started.json
    assert sorted(told) == [
        'created', 'finished', 'inputs', 'messages', 'outputs', 'progress', 'started', 'status', 'target', 'task',
        'uuid',
    ]  # fmt: skip
    assert (told['task'], told['status'], told['outputs'], told['finished']) == ('add', 'pending', None, None)
    assert uuid.UUID(told['uuid']).version == 4
    where = started.headers['location']
    assert where == f'/tasks/{told["uuid"]}/'
    worker(call.site.app)
    told = wait_until(
        lambda: (found := call.get(where).json)['status'] == 'succeeded' and found, 'it has succeeded'
    )
    assert (told['outputs'], told['progress'], told['target']) == (6, 1, 2)
    assert told['messages'] == ['adding with ']
    assert told['created'] <= told['started'] <= told['finished']


def test_its_statuses(as_anybody, worker):
    call = as_anybody
    where = {name: call.post('/tasks/', {'task': name}).headers['location'] for name in ('stay', 'fail')}
    assert call.get(where['stay']).json['status'] == 'pending'
    worker(call.site.app)
    wait_until(lambda: call.get(where['stay']).json['status'] == 'running', 'it runs')
    wait_until(lambda: call.get(where['fail']).json['status'] == 'failed', 'it has failed')
    run_id = where['stay'].split('/')[2]
    assert call.site.app.client.stop(run_id, wait=10) == 'applied'
    assert call.get(where['stay']).json['status'] == 'failed'


def test_bad_inputs_are_400_with_all_paths_and_nothing_is_enqueued(as_anybody, redis):
    wrong = as_anybody.post('/tasks/', {'task': 'add', 'inputs': {'b': 'x', 'c': 1}})
    assert (wrong.code, sorted(wrong.paths)) == (400, ['inputs.a', 'inputs.b', 'inputs.c'])
    assert as_anybody.post('/tasks/', {'inputs': {}}).paths == ['task']
    assert as_anybody.post('/tasks/', {'task': 'add', 'inputs': [1]}).paths == ['inputs']
    assert redis.keys('*') == []


def test_what_is_not_there(as_anybody):
    assert as_anybody.get(f'/tasks/{uuid.uuid4()}/').code == 404
    assert as_anybody.get('/tasks/').code == 405
