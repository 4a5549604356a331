"""The API of schedules."""

import pytest
from callers import TOKEN, Add, Caller
from support import SOON_S, wait_until


@pytest.fixture
def call(sites, worker):
    site = sites(token=TOKEN)
    site.app.every(3600, data={'a': 1, 'password': 'swordfish'}, name='hourly/add')(Add)
    worker(site.app)
    call = Caller(site)
    wait_until(lambda: call.get('/api/v1/schedules').json['schedules'], 'it is declared')
    return call


def test_schedules_are_listed_without_their_secrets(call):
    [told] = call.get('/api/v1/schedules').json['schedules']
    assert (told['name'], told['task'], told['is_paused']) == ('hourly/add', 'add', False)
    assert told['data'] == {'a': 1, 'password': '***'}
    assert told['next_at'] > 1_700_000_000


def test_one_is_run_now(call):
    started = call.post('/api/v1/schedules/hourly/add/run')
    assert (started.code, started.json['task'], started.json['data']['password']) == (201, 'add', '***')
    run = call.site.app.client.get(started.json['id'])
    assert run.wait(timeout=SOON_S).output == 2
    assert started.headers['location'].startswith('/api/v1/runs/hourly%2Fadd')


def test_one_is_paused_and_resumed(call):
    assert call.post('/api/v1/schedules/hourly/add/pause').json == {'answer': 'applied'}
    assert call.get('/api/v1/schedules').json['schedules'][0]['is_paused'] is True
    assert call.post('/api/v1/schedules/hourly/add/resume').json == {'answer': 'applied'}
    assert call.post('/api/v1/schedules/hourly/add/resume').code == 409


@pytest.mark.parametrize('what', ['run', 'pause', 'resume'])
def test_what_is_not_there_is_404(call, what):
    assert call.post(f'/api/v1/schedules/nothing/{what}').code == 404


def test_a_run_starts_later(call):
    later = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'delay': 3600})
    dated = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'at': '2100-01-01T00:00:00Z'})
    assert (later.code, dated.code) == (201, 201)
    assert call.get(f'/api/v1/runs/{dated.json["id"]}').json['at'] == 4_102_444_800
    assert call.get(f'/api/v1/runs/{later.json["id"]}').json['state'] == 'WAIT'
    assert call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'at': 'soon'}).code == 400
    assert call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'at': 5, 'delay': 5}).code == 400
