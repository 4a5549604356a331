"""The API of flows and routines."""

import pytest
from callers import TOKEN, Caller, fits
from support import wait_until

from pytask import Task, spawn, wait


class Fetch(Task):
    EXPOSE = True

    def __init__(self, url: str, password: str = ''):
        self.url, self.password = url, password

    def start(self):
        return f'page of {self.url}, {self.password}'


class LogIn(Task):
    EXPOSE = True

    def __init__(self, password: str):
        self.password = password

    def start(self):
        raise ValueError(f'can not log in with {self.password}')


class Ask(Task):
    EXPOSE = True

    def start(self):
        return spawn('fetch-it', task='log-in', data={'password': 'swordfish-of-the-child'})


class Approve(Task):
    EXPOSE = True

    def start(self):
        return wait(reason='approval')

    def check(self, is_good: bool = False, **data):
        return is_good or False


class Failing(Task):
    EXPOSE = True

    def start(self):
        raise self.Error('not today')


@pytest.fixture
def call(sites, worker):
    site = sites(token=TOKEN)
    for task in (Fetch, Approve, Failing, LogIn, Ask):
        site.app.add_task(task)
    worker(site.app)
    client = site.app.client
    client.routine('nightly', [('page', 'fetch'), 'approve'])
    client.routine('secret', ['hidden'])
    return Caller(site)


def reaches(call, flow_id, state, reason=None):
    def look():
        flow = call.get(f'/api/v1/flows/{flow_id}').json
        return flow['state'] == state and reason in (None, flow['reason']) and flow

    return wait_until(look, f'{flow_id} is {state}')


def test_a_flow_is_started_told_and_shown(call):
    started = call.post('/api/v1/flows', {'routine': 'nightly', 'data': {'url': 'u'}, 'id': 'f/1', 'name': 'mine'})
    assert (started.code, started.json['id'], started.json['name']) == (201, 'f/1', 'mine')
    assert started.headers['location'] == '/api/v1/flows/f%2F1'
    waiting = reaches(call, 'f/1', 'WAIT', 'approval')
    assert waiting['position'] == 1
    assert waiting['results'] == [{'position': 0, 'key': 'page', 'value': 'page of u, '}]
    assert call.post('/api/v1/flows/f/1/submit', {'data': {'is_good': True}}).json == {'answer': 'requested'}
    ended = reaches(call, 'f/1', 'SUCCESS')
    assert ended['position'] == 2
    document = call.get('/api/v1/openapi.json').json
    fits(document, started, '/api/v1/flows', 'post')
    fits(document, call.get('/api/v1/flows/f/1'), '/api/v1/flows/{flow}')
    for path in ('/api/v1/flows', '/api/v1/routines'):
        fits(document, call.get(path), path)
    assert [flow['id'] for flow in call.get('/api/v1/flows').json['flows']] == ['f/1']


def test_a_step_is_forced_and_retried(call):
    steps = [{'task': 'failing'}, ['page', 'fetch']]
    flow_id = call.post('/api/v1/flows', {'steps': steps, 'data': {'url': 'u'}}).json['id']
    failed = reaches(call, flow_id, 'ERROR')
    assert failed['errors'] == [{'position': 0, 'error': 'not today'}]
    assert call.post(f'/api/v1/flows/{flow_id}/retry', {'step': 0}).json == {'answer': 'applied'}
    reaches(call, flow_id, 'ERROR')
    assert call.post(f'/api/v1/flows/{flow_id}/retry', {'step': 9}).code == 400
    assert call.post(f'/api/v1/flows/{flow_id}/force', {'output': 'by hand'}).json == {'answer': 'applied'}
    done = reaches(call, flow_id, 'SUCCESS')
    fits(call.get('/api/v1/openapi.json').json, call.get(f'/api/v1/flows/{flow_id}'), '/api/v1/flows/{flow}')
    assert [(one['position'], one['by']) for one in done['forced']] == [(0, 'web')]


def test_secrets_of_a_flow_are_not_shown(call):
    """S28."""
    data = {'url': 'u', 'password': 'swordfish'}
    flow_id = call.post('/api/v1/flows', {'routine': 'nightly', 'data': data}).json['id']
    shown = reaches(call, flow_id, 'WAIT', 'approval')
    assert shown['results'][0]['value'] == 'page of u, ***'
    assert b'swordfish' not in call.get('/api/v1/flows').body
    assert call.post(f'/api/v1/runs/{flow_id}/stop', {'wait': 10}).json == {'answer': 'applied'}


def test_secrets_of_what_a_flow_started_are_not_shown(call):
    """S28: it fails with what that has said."""
    call.post('/api/v1/flows', {'steps': ['ask'], 'id': 'f'})
    failed = reaches(call, 'f', 'EXCEPTION')
    assert 'log in with ***' in str(failed['errors'])
    for path in ('/api/v1/flows', '/api/v1/flows/f', '/api/v1/runs/f', '/api/v1/runs/f.1', '/api/v1/runs'):
        assert b'swordfish' not in call.get(path).body


def test_only_exposed_tasks_are_steps(call, redis):
    """S3: also where they are named by a routine, or by a flow that is there."""
    before = redis.dbsize()
    for body in ({'routine': 'secret'}, {'steps': ['fetch', 'hidden']}, {'steps': ['pytask/flow']}):
        reply = call.post('/api/v1/flows', body)
        assert (reply.code, reply.paths) == (400, ['task'])
    assert redis.dbsize() == before
    call.site.app.client.flow('secret', flow_id='h')
    assert call.post('/api/v1/flows/h/submit').paths == ['task']
    assert call.post('/api/v1/flows/h/force').paths == ['task']
    assert call.get('/api/v1/flows/h').json['state'] == 'WAIT'


def test_what_is_wrong_is_told(call):
    assert call.post('/api/v1/flows', {}).paths == ['routine']
    assert call.post('/api/v1/flows', {'routine': 'nightly', 'steps': []}).paths == ['routine']
    assert call.post('/api/v1/flows', {'routine': 'nightl'}).code == 404
    assert call.post('/api/v1/flows', {'steps': [{'tusk': 'x'}]}).code == 400
    for what in ('submit', 'force', 'retry'):
        assert call.post(f'/api/v1/flows/nothing/{what}').code == 404
    assert call.get('/api/v1/flows/nothing').code == 404


def test_routines_are_listed(call):
    names = [(routine['name'], len(routine['steps'])) for routine in call.get('/api/v1/routines').json['routines']]
    assert names == [('nightly', 2), ('secret', 1)]
