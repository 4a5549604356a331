"""The API of runs, tasks and workers, over WSGI."""

import pytest
from callers import BEARER
from support import SOON_S, wait_until

from pytask import State


def test_a_run_is_started_shown_and_listed(call, app, worker):
    worker()
    started = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': '2', 'b': 3}, 'timeout': 5})
    assert (started.code, started.json['task'], started.json['state']) == (201, 'add', 'WAIT')
    run_id = started.json['id']
    assert started.headers['location'] == f'/api/v1/runs/{run_id}'
    assert app.client.get(run_id).wait(timeout=SOON_S).state is State.SUCCESS
    shown = call.get(f'/api/v1/runs/{run_id}')
    assert (shown.code, shown.json['output'], shown.json['progress'], shown.json['target']) == (200, 5, 1, 2)
    [said] = shown.json['messages']
    assert said['text'] == 'adding with '
    assert shown.json['started'] <= said['at'] <= shown.json['ended']
    listed = call.get('/api/v1/runs?state=SUCCESS,ERROR').json
    assert [run['id'] for run in listed['runs']] == [run_id]
    assert listed['counts']['SUCCESS'] == 1


def test_an_id_of_ones_own_makes_a_start_repeatable(call):
    again = [
        call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'id': 'a/b c', 'queue': 'q'}) for _ in 'ab'
    ]
    assert [reply.code for reply in again] == [201, 201]
    assert [(reply.json['id'], reply.json['queue']) for reply in again] == [('a/b c', 'q')] * 2
    assert again[0].headers['location'] == '/api/v1/runs/a%2Fb%20c'
    assert call.get('/api/v1/runs/a/b c').json['id'] == 'a/b c'
    other = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 2}, 'id': 'a/b c'})
    assert (other.code, other.headers['content-type']) == (409, 'application/problem+json')


def test_all_that_is_wrong_is_told_with_its_path_and_nothing_is_enqueued(call, redis):
    wrong = call.post('/api/v1/runs', {'task': 'add', 'data': {'b': 'x', 'c': 1}})
    assert (wrong.code, sorted(wrong.paths)) == (400, ['data.a', 'data.b', 'data.c'])
    wrong = call.post('/api/v1/runs', {'tusk': 'add', 'data': 5, 'timeout': 'soon'})
    assert (wrong.code, sorted(wrong.paths)) == (400, ['data', 'task', 'timeout', 'tusk'])
    assert wrong.json['status'] == 400
    assert redis.keys('*') == []


def test_lists_are_filtered(call):
    for n in range(3):
        call.post('/api/v1/runs', {'task': 'add', 'data': {'a': n}, 'id': f'add-{n}', 'queue': 'one'})
    call.post('/api/v1/runs', {'task': 'stay', 'data': {'name': 'Grace'}, 'id': 'grace'})

    def found(query):
        return sorted(run['id'] for run in call.get(f'/api/v1/runs?{query}').json['runs'])

    assert found('task=stay') == ['grace']
    assert found('queue=one') == ['add-0', 'add-1', 'add-2']
    assert found('q=GRACE') == ['grace']
    assert found('q=add-1') == ['add-1']
    assert found('q=%22name%22:%22Gr') == ['grace']  # as JSON
    assert len(found('state=wait')) == 4
    assert len(found('limit=2')) == 2
    assert found('state=RUNNING') == []
    wrong = call.get('/api/v1/runs?state=DONE&limit=many')
    assert (wrong.code, wrong.paths) == (400, ['limit'])
    assert call.get('/api/v1/runs?state=DONE').paths == ['state']


def test_a_run_is_told_and_asked(call, app, running):
    run = running('stay', run_id='s/1')

    def tell(what, data=None):
        return call.post(f'/api/v1/runs/{run.id}/{what}', data)

    assert tell('ask', {'name': 'name'}).json == {'value': 'world'}
    assert tell('send', {'name': 'say', 'data': {'text': 'x'}}).json == {'answer': 'requested'}
    assert tell('reload', {'data': {'name': 'Ada'}}).json == {'answer': 'applied'}
    assert tell('ask', {'name': 'name'}).json == {'value': 'Ada'}
    assert tell('ask', {'name': 'nothing'}).code == 409
    assert tell('extend', {'seconds': 10}).json == {'answer': 'requested'}
    assert tell('extend', {'seconds': -1}).paths == ['seconds']
    assert tell('stop', {'grace': -1}).paths == ['grace']
    assert tell('pause').json == {'answer': 'requested'}
    assert tell('resume').json['answer'] == 'requested'
    assert tell('stop', {'grace': 1, 'wait': 10}).json == {'answer': 'applied'}
    assert tell('stop').json == {'answer': 'STOPPED'}
    assert tell('send', {'name': 'say'}).json == {'answer': 'STOPPED'}
    assert tell('retry').json == {'answer': 'applied'}
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs again')
    assert tell('stop', {'wait': 10}).json == {'answer': 'applied'}
    assert call('DELETE', f'/api/v1/runs/{run.id}').json == {'answer': 'applied'}
    assert call.get(f'/api/v1/runs/{run.id}').code == 404


@pytest.mark.parametrize('queue', ['default\n', 'a b', 'ü', 'x' * 65])
def test_a_queue_is_named_as_in_the_settings(call, redis, queue):
    wrong = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'queue': queue})
    assert (wrong.code, wrong.paths) == (400, ['queue'])
    assert redis.keys('*') == []


def test_a_run_whose_id_ends_as_a_stream_does_is_shown(call):
    call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'id': 'a/events'})
    assert call.get('/api/v1/runs/a/events').json['id'] == 'a/events'
    for headers, path in (({'Accept': 'text/event-stream'}, 'a'), ({}, 'b'), ({}, 'a/events')):
        reply = call.get(f'/api/v1/runs/{path}/events', headers=BEARER | headers)
        assert reply.headers['content-type'].startswith('text/event-stream')
        reply.body.close()


def test_what_foreign_hands_wrote_is_shown(call, redis):
    odd = {
        'task': 'x',
        'state': 'ERROR',
        'progress': '1e300',
        'attempt': '1e300',
        'crashes': '-1e30',
        'ended': '1e300',
    }
    redis.hset('task-odd', mapping=odd)
    redis.zadd('ended-ERROR', {'odd': 1})
    redis.hset(
        'worker-odd', mapping={'id': 'odd', 'slots': 'many', 'lag_ms': '1e-5', 'pid': '1e300', 'taken': '1.5'}
    )
    redis.zadd('workers', {'odd': 10**13 * 9})
    [run] = call.get('/api/v1/runs').json['runs']
    assert (run['progress'], run['attempt'], run['crashes']) == (None, 0, 0)
    [told] = call.get('/api/v1/workers').json['workers']
    assert (told['slots'], told['lag_ms'], told['pid'], told['taken']) == (0, 1e-5, 0, 1)


def test_a_bad_reload_says_why(call, running):
    run = running('stay')
    bad = call.post(f'/api/v1/runs/{run.id}/reload', {'data': {'name': 5}})
    assert bad.code == 400
    assert 'name' in bad.json['detail']
    assert run.stop(wait=10) == 'applied'


@pytest.mark.parametrize('what', ['stop', 'reload', 'retry', 'pause', 'resume', 'extend', 'send', 'ask'])
def test_what_is_not_there_is_404(call, what):
    bodies = {'extend': {'seconds': 1}, 'send': {'name': 'x'}, 'ask': {'name': 'x'}}
    assert call.post(f'/api/v1/runs/nobody/{what}', bodies.get(what)).code == 404


def test_unknown_paths_and_methods(call):
    assert call.get('/api/v1/nothing').code == 404
    assert call.get('/api/v1/openapiXjson').code == 404
    wrong = call('PUT', '/api/v1/runs')
    assert (wrong.code, wrong.headers['allow']) == (405, 'GET, POST')
    assert call('DELETE', '/api/v1/runs/x/stop').code == 404  # a run of that name


def test_head_is_get_without_the_body(call):
    full, head = call.get('/api/v1/tasks'), call('HEAD', '/api/v1/tasks')
    assert (head.code, head.body) == (200, b'')
    assert head.headers['content-length'] == full.headers['content-length'] == str(len(full.body))


def test_what_has_not_changed_is_not_sent_again(call):
    etag = call.get('/static/app.js').headers['etag']
    reply = call.get('/static/app.js', headers={'If-None-Match': etag})
    assert (reply.code, reply.body, 'content-length' in reply.headers) == (304, b'', False)


def test_tasks_are_those_that_are_exposed_with_their_schemas(call):
    tasks = {task['name']: task for task in call.get('/api/v1/tasks').json['tasks']}
    assert sorted(tasks) == ['add', 'fail', 'keep', 'site/crawl/deep', 'stay']
    assert tasks['add']['doc'] == 'Add two numbers.'
    assert tasks['add']['inputs']['required'] == ['a']
    assert tasks['keep']['inputs']['properties'] == {
        'password': {'type': 'string'},
        'style': {'type': 'string', 'default': 'plain'},
    }
    assert tasks['add']['output'] == {'type': 'integer'}
    assert tasks['site/crawl/deep']['queue'] == 'crawl'


def test_workers_are_listed(call, worker):
    running = worker()
    [told] = call.get('/api/v1/workers').json['workers']
    assert (told['id'], told['queues'], told['taken'], told['draining']) == (
        running.id,
        ['default', 'crawl'],
        0,
        False,
    )
    assert told['slots'] == 1000


def test_a_name_with_slashes_is_a_task_and_a_segment(call):
    started = call.post('/api/v1/runs', {'task': 'site/crawl/deep', 'id': 'x/y/stop'})
    assert started.json['queue'] == 'crawl'
    assert call.post('/api/v1/runs/x/y/stop/stop').json == {'answer': 'applied'}


def test_without_redis_it_says_so(call, server, caplog):
    server.kill()
    replies = [call.get('/api/v1/runs') for _ in range(3)]
    assert len([record for record in caplog.records if record.message.startswith('web: ')]) == 1  # a minute
    reply = replies[-1]
    assert (reply.code, reply.headers['retry-after']) == (503, '2')
    assert 'redis://' not in reply.body.decode()
