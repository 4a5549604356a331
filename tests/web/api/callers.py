"""Who calls the web in tests: the WSGI application straight, or a server by its port; and the tasks behind it."""

from __future__ import annotations

import http.client
import io
import json
import socket

from jsonschema import Draft202012Validator

from pytask import PyTask, Task

TOKEN = 'a-token-of-the-tests'
BEARER = {'Authorization': f'Bearer {TOKEN}'}


class Reply:
    def __init__(self, code, headers, body):
        self.code, self.headers, self.body = code, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def paths(self):
        """The paths of all that was wrong."""
        return [error['path'] for error in self.json['errors']]


class Caller:
    """Calls a WSGI application, by default as somebody who shows the token."""

    def __init__(self, site, **headers):
        self.site, self.headers = site, headers or BEARER

    def __call__(self, method, path, data=None, *, headers=None, raw=None, environ=None):
        body = raw if raw is not None else b'' if data is None else json.dumps(data).encode()
        path, _, query = path.partition('?')
        given = {'Host': '127.0.0.1:8275', **(self.headers if headers is None else headers)}
        called = {
            'REQUEST_METHOD': method, 'SCRIPT_NAME': '', 'PATH_INFO': path.encode().decode('latin-1'),
            'QUERY_STRING': query, 'SERVER_NAME': '127.0.0.1', 'SERVER_PORT': '8275', 'wsgi.url_scheme': 'http',
            'wsgi.input': io.BytesIO(body), 'SERVER_PROTOCOL': 'HTTP/1.1',
        }  # fmt: skip
        if body:
            called |= {'CONTENT_LENGTH': str(len(body)), 'CONTENT_TYPE': 'application/json'}
        for name, value in given.items():
            key = name.upper().replace('-', '_')
            called[key if key in ('CONTENT_TYPE', 'CONTENT_LENGTH') else f'HTTP_{key}'] = value
        return wsgi(self.site, called | (environ or {}))

    def get(self, path, **more):
        return self('GET', path, **more)

    def post(self, path, data=None, **more):
        return self('POST', path, data, **more)


def wsgi(application, environ):
    told = []
    parts = application(environ, lambda status, headers: told.append((status, headers)))
    body = b''.join(parts) if isinstance(parts, list | tuple) else parts
    status, headers = told[0]
    return Reply(int(status.split()[0]), {name.lower(): value for name, value in headers}, body)


def ask(port, method, path, data=None, headers=None):
    """Ask a server, and return its reply."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    given = dict(BEARER if headers is None else headers)
    body = None if data is None else json.dumps(data)
    if body:
        given.setdefault('Content-Type', 'application/json')
    try:
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def raw(port, text, timeout=20):
    """Send bytes, and return all that comes back."""
    with socket.create_connection(('127.0.0.1', port), timeout=timeout) as connection:
        connection.sendall(text)
        try:
            return b''.join(iter(lambda: connection.recv(65_536), b''))
        except ConnectionResetError:
            return b'reset'


def fits(document, reply, path, method='get'):
    """Assert that a real answer is as the document says."""
    told = document['paths'][path][method]['responses']
    content = told.get(str(reply.code), told['default'])['content']
    schema = content[reply.headers['content-type'].split(';')[0]]['schema']
    Draft202012Validator(schema | {'components': document['components']}).validate(reply.json)


class Follower:
    """A client of server-sent events: what it has heard so far, as dicts."""

    def __init__(self, port, path='/api/v1/events', *, last_id='', version='1.1', headers=None):
        self.connection = socket.create_connection(('127.0.0.1', port), timeout=20)
        head = {'Host': f'127.0.0.1:{port}', **(BEARER if headers is None else headers)}
        if last_id:
            head['Last-Event-ID'] = last_id
        lines = [f'GET {path} HTTP/{version}', *(f'{name}: {value}' for name, value in head.items()), '', '']
        self.connection.sendall('\r\n'.join(lines).encode())
        self.rest = self.text = b''
        self.head = ''
        self.read_until(b'retry: 1000\n\n')

    def read_until(self, wanted):
        while wanted not in self.text:
            self.read()
        return self

    def read(self):
        part = self.connection.recv(65_536)
        assert part, f'the stream has ended after {self.rest!r:.500}'
        self.rest += part
        if not self.head:
            head, _, self.rest = self.rest.partition(b'\r\n\r\n')
            self.head = head.decode()
        if 'chunked' in self.head:
            self.unchunk()
        else:
            self.text, self.rest = self.text + self.rest, b''

    def unchunk(self):
        while True:
            size, mark, after = self.rest.partition(b'\r\n')
            if not mark or len(after) < int(size, 16) + 2:
                return
            size = int(size, 16)
            assert after[size : size + 2] == b'\r\n', 'a chunk is torn'
            self.text += after[:size]
            self.rest = after[size + 2 :]

    @property
    def events(self):
        found = []
        for block in self.text.split(b'\n\n')[:-1]:
            lines = [line for line in block.decode().split('\n') if ': ' in line]
            fields = dict(line.split(': ', 1) for line in lines)
            if 'event' in fields:
                found.append(fields | {'data': json.loads(fields['data'])})
        return found

    def of(self, run_id):
        return [event['event'] for event in self.events if event['data'].get('run') == run_id]

    def hear(self, event, run_id):
        """Read until this was heard of a run."""
        while event not in self.of(run_id):
            self.read()
        return self

    def close(self):
        self.connection.close()


class Add(Task):
    """Add two numbers."""

    EXPOSE = True

    def __init__(self, a: int, b: int = 1, password: str = ''):
        self.a, self.b, self.password = a, b, password

    def start(self) -> int:
        self.message(f'adding with {self.password}')
        self.progress(1, 2)
        return self.a + self.b


class Stay(Task):
    EXPOSE = True

    def __init__(self, name: str = 'world'):
        self.name = name

    def start(self):
        self.message(f'hello {self.name}')
        self.stopping.wait()

    def on_name(self):
        return self.name

    def on_say(self, text: str):
        self.emit('said', text)


class Keep(Task):
    """Keep a secret, and tell it whoever asks."""

    EXPOSE = True

    def __init__(self, password: str = 'hunter2-by-default', style: str = 'plain'):
        if password == 'wrong-one':
            raise ValueError(f'not {password}')
        self.password = password

    def start(self):
        self.stopping.wait()

    def on_what(self):
        return {'it': f'is {self.password}'}

    def on_fail(self, token: str):
        raise ValueError(f'{token} is not {self.password}')


class Fail(Task):
    EXPOSE = True

    def __init__(self, token: str = ''):
        self.token = token

    def start(self):
        local = self.token
        raise ValueError(f'it was {local}')


class Hidden(Task):
    def start(self): ...


class Nested(Task):
    NAME = 'site/crawl/deep'
    EXPOSE = True
    QUEUE = 'crawl'

    def start(self): ...


TASKS = (Add, Stay, Keep, Fail, Hidden, Nested)


def make_app(url, **more):
    app = PyTask(url, lease=2, queue=['default', 'crawl'], tasks='', **more)
    for task in TASKS:
        app.add_task(task)
    return app
