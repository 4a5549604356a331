"""The web inside of other people's: below a path of a Flask or Django site, in threads, without gevent."""

import json
import subprocess
import sys
import textwrap

import pytest
from callers import TOKEN, Caller

from pytask.web import mount


def hello(environ, start_response):
    start_response('200 OK', [])
    return [environ['SCRIPT_NAME'].encode() + b'|' + environ['PATH_INFO'].encode()]


def test_it_is_mounted_below_a_path(sites):
    site = mount(hello, '/jobs', sites(token=TOKEN))
    call = Caller(site)
    assert call.get('/jobs/api/v1/workers').json == {'workers': []}
    assert call.get('/jobs/nothing').json['status'] == 404
    started = call.post('/jobs/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'id': 'x'})
    assert started.headers['location'] == '/jobs/api/v1/runs/x'
    assert call.get('/jobsite').body == b'|/jobsite'
    assert call.get('/').body == b'|/'
    for path, query in (('/jobs', ''), ('/jobs?token=x', '?token=x')):
        moved = call.get(path)
        assert (moved.code, moved.headers['location']) == (302, f'/jobs/{query}')
    outer = call.get('/jobs', environ={'SCRIPT_NAME': '/site'})
    assert outer.headers['location'] == '/site/jobs/'
    assert call.get('/jobs/').code == 200


@pytest.mark.parametrize('path', ['/jobs', '/jobs/', 'jobs', 'jobs/'])
def test_the_path_may_be_written_with_or_without_slashes(sites, path):
    call = Caller(mount(hello, path, sites(token=TOKEN)))
    assert call.get('/jobs/api/v1/workers').json == {'workers': []}
    assert call.get('/jobs').headers['location'] == '/jobs/'
    assert call.get('/other').body == b'|/other'


def test_it_may_be_mounted_at_the_root(sites):
    call = Caller(mount(hello, '/', sites(token=TOKEN)))
    assert call.get('/api/v1/workers').json == {'workers': []}


def run(code, url):
    done = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code), url], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


COMMON = """
    import json, sys, threading, urllib.request
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
    from socketserver import ThreadingMixIn
    from pytask import PyTask, Task
    from pytask.web import application, mount

    class Add(Task):
        EXPOSE = True
        def __init__(self, a: int): self.a = a
        def start(self): return self.a + 1

    app = PyTask(sys.argv[1], tasks='')
    app.add_task(Add)

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_): pass

    def serve(wsgi):
        server = make_server('127.0.0.1', 0, wsgi, Server, Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f'http://127.0.0.1:{server.server_port}'

    def get(url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def events(url, **headers):
        stream = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10)
        assert stream.readline() == b'retry: 1000\\n'
        app.client.store.publish('task-x', '{"event":"ping"}')
        while (line := stream.readline()) != b'event: ping\\n':
            pass
        return line.decode()
"""


def test_in_flask_with_threads(server):
    code = COMMON + """
    from flask import Flask, request
    site = Flask('site')

    @site.get('/')
    def home():
        return 'home'

    def auth(environ):
        with site.request_context(environ):
            return request.headers.get('X-User') == 'ada'

    site.wsgi_app = mount(site.wsgi_app, '/jobs', application(app, auth=auth))
    url = serve(site)
    found = [get(url), get(url + '/jobs/api/v1/runs')[0], get(url + '/jobs/api/v1/tasks', **{'X-User': 'ada'})[0]]
    found.append(events(url + '/jobs/api/v1/events', **{'X-User': 'ada'}))
    assert 'gevent' not in sys.modules
    print(json.dumps(found))
    """  # fmt: skip
    assert run(code, server.url) == [[200, 'home'], 403, 200, 'event: ping\n']


def test_in_django_with_threads(server):
    code = COMMON + """
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=['127.0.0.1'], SECRET_KEY='x' * 50,
        SESSION_ENGINE='django.contrib.sessions.backends.signed_cookies',
    )
    urlpatterns = [path('', lambda request: HttpResponse('home'))]
    django.setup()
    from django.core.handlers.wsgi import WSGIRequest

    def auth(environ):
        return WSGIRequest(environ).headers.get('X-User') == 'ada'

    url = serve(mount(get_wsgi_application(), '/jobs', application(app, auth=auth)))
    found = [get(url), get(url + '/jobs/api/v1/runs')[0], get(url + '/jobs/api/v1/tasks', **{'X-User': 'ada'})[0]]
    found.append(events(url + '/jobs/api/v1/events', **{'X-User': 'ada'}))
    assert 'gevent' not in sys.modules
    print(json.dumps(found))
    """  # fmt: skip
    assert run(code, server.url) == [[200, 'home'], 403, 200, 'event: ping\n']
