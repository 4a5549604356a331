"""Who is let in, to what, and what is never shown. The numbers are those of the threat model."""

import json
import re
from functools import partial
from pathlib import Path

import pytest
from callers import BEARER, TOKEN, Caller, ask
from support import SOON_S

from pytask import ConfigError, PyTask, State
from pytask.embedded.server import free_port
from pytask.web import application, request
from pytask.web.access import guard, roles
from pytask.web.serving import open_web
from pytask.web.wsgi import ROUTES

PACKAGE = Path(request.__file__).parent
SENTINEL = 'swordfish-7391'
CHANGES = [route for route in ROUTES.all if route.method != 'GET']
EVERY = pytest.mark.parametrize('route', ROUTES.all, ids=lambda route: f'{route.method} {route.path}')
EVERY_CHANGE = pytest.mark.parametrize('route', CHANGES, ids=lambda route: f'{route.method} {route.path}')


def path_of(route):
    return re.sub(r'{\w+}', 'some', route.path)


def use(call, route, **more):
    """Call a route; its body is empty, and so is often wrong: only who is let in is asked here."""
    return call(route.method, path_of(route), {} if route.method != 'GET' else None, **more)


def cookie_of(call):
    told = call.get(f'/login?token={TOKEN}', headers={})
    assert (told.code, told.headers['content-type']) == (200, 'text/html; charset=utf-8')
    return told.headers['set-cookie'].partition(';')[0]


# What comes in.


def test_nothing_is_imported_or_evaluated_because_data_names_it():
    """S1, S2: the package has no word that would do it."""
    banned = re.compile(r'import_module|__import__|\beval\(|\bexec\(|pickle|marshal|yaml')
    assert [path.name for path in PACKAGE.rglob('*.py') if banned.search(path.read_text())] == []


@pytest.mark.parametrize(
    'name', ['builtins:eval', 'os.system', 'hidden', 'pytask/monitor', '', 'a b\n', 'x' * 5000, 'ad']
)
def test_only_exposed_tasks_start(call, redis, name):
    """S1, S3, S23: not pytask's own, none that is not exposed; the answer is that for one that is not there."""
    for path, field in (('/api/v1/runs', 'data'), ('/tasks/', 'inputs')):
        reply = call.post(path, {'task': name, field: {}})
        assert (reply.code, reply.paths) == (400, ['task'])
    assert redis.keys('*') == []
    hidden, missing = (call.post('/api/v1/runs', {'task': n}).json for n in ('hidden', 'hiddex'))
    assert str(hidden).replace('hidden', '?') == str(missing).replace('hiddex', '?')


def test_pytasks_own_are_not_exposed_even_by_the_settings(sites):
    """S3: `pytask/*` never; the settings' list exposes others; `dev` exposes all of the user's."""
    names = ['hidden', 'pytask/monitor']
    from pytask.builtin import Monitor

    for more, wanted in (({'settings': {'expose': names}}, True), ({'exposes_all': True}, True), ({}, False)):
        site = sites(token=TOKEN, **more)
        site.app.add_task(Monitor)
        assert [bool(site.exposed(name)) for name in names] == [wanted, False]


def test_what_is_not_exposed_is_seen_and_stopped_but_given_no_data(call, app):
    """S3: new data, and messages, are for exposed tasks only."""
    app.client.start('hidden', {}, run_id='h')
    assert call.get('/api/v1/runs/h').json['task'] == 'hidden'
    assert call.post('/api/v1/runs/h/reload', {'data': {}}).paths == ['task']
    assert call.post('/api/v1/runs/h/send', {'name': 'x'}).paths == ['task']
    assert call.post('/api/v1/runs/h/ask', {'name': 'x'}).paths == ['task']
    assert call.post('/api/v1/runs/h/stop').json == {'answer': 'applied'}


@pytest.mark.parametrize('name', ['self', '__class__', 'call', 'run', 'request'])
def test_no_name_slips_into_a_call(call, name):
    """S4: unknown names are refused, those of Python's own calls too."""
    assert call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1, name: 1}}).paths == [f'data.{name}']
    assert name in call.post('/api/v1/runs/x/retry', {name: 1}).paths
    assert name in call.get(f'/api/v1/workers?{name}=1').paths


@pytest.mark.parametrize(
    ('body', 'code'),
    [
        (b'{"task":"add","data":{"a":NaN}}', 400),
        (b'{"task":"add","data":{"a":Infinity}}', 400),
        (b'{"task":"add","data":{"a":' + b'9' * 5000 + b'}}', 400),
        (b'{"data":' + b'[' * 100 + b']' * 100 + b'}', 400),
        (b'[' * 200_000, 400),
        (b'{"data":[' + b'[],' * 300_000 + b'[]]}', 400),
        (b'[]', 400),
        (b'"x"', 400),
        (b'{"task": "\xff"}', 400),
        (b'{', 400),
        (b'x' * (request.MAX_BODY_BYTES + 1), 413),
    ],
)
def test_json_bombs(call, body, code):
    """S5: size before parsing, then depth and numbers."""
    assert call.post('/api/v1/runs', raw=body).code == code


@pytest.mark.parametrize('run_id', ['x-control', 'a\nb', 'x' * 300, '\x1b[2J', 'a\r\nSet-Cookie: x=1'])
def test_bad_ids_are_refused(call, run_id):
    """S8, S21, S29: what can not be an id is told, as JSON, and in no header."""
    reply = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}, 'id': run_id})
    assert reply.code == 400
    assert 'location' not in reply.headers


def test_long_patterns_are_refused(call):
    """S9: no pattern of a user's reaches Redis, and none is long."""
    assert call.get(f'/api/v1/runs?q={"*" * 100_000}').paths == ['q']
    assert call.get('/api/v1/runs?q=*').json['runs'] == []


# Who is let in.


@EVERY
def test_nobody_without_a_token(sites, route):
    """S12: every route is closed, and says only that."""
    call = Caller(sites(token=TOKEN))
    assert use(call, route, headers={'Authorization': ''}).code == 401
    for wrong in ('Bearer', 'Bearer ', 'Bearer x', f'Basic {TOKEN}', f'Bearer {TOKEN}x', 'Bearer \xff\xfe'):
        reply = use(call, route, headers={'Authorization': wrong})
        assert (reply.code, reply.headers['www-authenticate']) == (401, 'Bearer')


@EVERY
def test_the_token_opens_every_route(call, route):
    """S12: as Bearer, and by the cookie of /login."""
    own = {'Cookie': cookie_of(call), 'Sec-Fetch-Site': 'same-origin'}
    for headers in (BEARER, own):
        reply = use(call, route, headers=headers)
        assert reply.code not in (401, 403)
        getattr(reply.body, 'close', lambda: None)()


@pytest.mark.parametrize('address', ['0.0.0.0:0', '192.0.2.1:8275', 'example.org:8275', '[::]:8275'])
def test_another_address_than_this_machines_needs_auth(server, address):
    """S12: it does not even listen, and says what to do."""
    app = PyTask(server.url, web=address.replace(':0', ':8275'), tasks='')
    with pytest.raises(
        ConfigError, match=r'(?s)^web = .*anyone there could start.*PYTASK_WEB_TOKEN.*@app.auth.*:8275'
    ):
        open_web(app)


def test_a_token_of_ones_own_or_auth_opens_another_address(server):
    """S12: then it is tried; and the URL does not tell a token that one has."""
    with pytest.raises(ConfigError, match='assign'):  # it is no address of this machine
        open_web(PyTask(server.url, web='203.0.113.7:8275', web_token=TOKEN, tasks=''))
    app = PyTask(server.url, web=f':{free_port()}', tasks='')
    web, url = open_web(app)
    with web:
        assert re.fullmatch(r'http://127\.0\.0\.1:\d+/login\?token=[\w-]{32}', url)
    app = PyTask(server.url, web=f'0.0.0.0:{free_port()}', tasks='')
    app.auth(lambda environ: False)
    web, url = open_web(app)
    with web:
        assert re.fullmatch(r'http://127\.0\.0\.1:\d+/', url)


def test_without_token_and_auth_there_is_no_application(app):
    """S12: closed by default, when it is mounted, too."""
    with pytest.raises(ConfigError, match='no one could use the web'):
        application(app)


def test_a_token_of_few_characters_is_refused_and_not_repeated(server):
    """S11, S22: it could be guessed; and it is not shown, even where it is wrong."""
    with pytest.raises(ConfigError, match='16 printable') as told:
        PyTask(server.url, web_token='short')
    assert 'short' not in str(told.value)
    with pytest.raises(ConfigError, match='16 printable') as told:
        application(PyTask(server.url, tasks=''), token='short')
    assert 'short' not in str(told.value)
    assert TOKEN not in repr(PyTask(server.url, web_token=TOKEN).settings)


@EVERY_CHANGE
@pytest.mark.parametrize(
    'proof',
    [
        {'Sec-Fetch-Site': 'cross-site'},
        {'Sec-Fetch-Site': 'same-site'},
        {'Origin': 'http://evil.example'},
        {'Origin': 'null'},
        {'Origin': 'http://['},
        {'Origin': 'http://127.0.0.1:8276'},
        {'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate'},
        {},
    ],
    ids=str,
)
def test_no_change_from_another_site(call, route, proof):
    """S13, S32: the browser's word, or the origin, must say that it is our own page."""
    headers = {'Cookie': cookie_of(call), **proof}
    assert use(call, route, headers=headers).code == 403


@pytest.mark.parametrize('proof', [{'Sec-Fetch-Site': 'same-origin'}, {'Origin': 'http://127.0.0.1:8275'}], ids=str)
def test_changes_from_our_own_page(call, proof):
    """S13: and from there they are welcome."""
    headers = {'Cookie': cookie_of(call), **proof}
    assert call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}}, headers=headers).code == 201


def test_events_are_not_for_another_site(call):
    """S32: nor is anything else that is read."""
    headers = {'Cookie': cookie_of(call), 'Sec-Fetch-Site': 'cross-site'}
    for path in ('/api/v1/events', '/api/v1/runs', '/tasks/x/'):
        assert call.get(path, headers=headers).code == 403


@pytest.mark.parametrize('other', ['prefs={"a": 1}', 'x=a b', 'foo', 'a@b=1', '=', 'a="b', 'pytask=x', ''])
def test_cookies_of_others_log_nobody_out(call, other):
    """S13: a host's cookies are shared by all that is served there."""
    own = cookie_of(call)
    for cookies in (f'{other}; {own}', f'{own}; {other}', f'{other};{own};{other}'):
        assert call.get('/api/v1/workers', headers={'Cookie': cookies}).code == 200


def test_a_link_of_another_site_leads_to_the_page_and_nowhere_else(call):
    """S32: that site sees nothing of it; the frame of one does not count."""
    link = {'Cookie': cookie_of(call), 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate'}
    assert call.get('/', headers=link | {'Sec-Fetch-Dest': 'document'}).code == 200
    assert call.get('/', headers=link | {'Sec-Fetch-Dest': 'iframe'}).code == 403
    assert call.get('/api/v1/runs', headers=link).code == 403


@pytest.mark.parametrize('kind', ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])
def test_a_form_can_not_start_anything(call, kind):
    """S13: what a page may send without asking is no JSON."""
    own = {'Cookie': cookie_of(call), 'Sec-Fetch-Site': 'same-origin', 'Content-Type': kind}
    assert call.post('/api/v1/runs', {'task': 'add'}, headers=own).code == 415


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://127.0.0.1:8275', ''])
def test_no_other_origin_is_told_that_it_may_read(call, origin):
    """S14: no header of CORS, for nobody."""
    for method in ('GET', 'OPTIONS'):
        reply = call(method, '/api/v1/runs', headers=BEARER | {'Origin': origin})
        assert not [name for name in reply.headers if name.startswith('access-control')]


@pytest.mark.parametrize(
    ('host', 'is_ours'),
    [
        ('127.0.0.1:8275', True), ('localhost:8275', True), ('LOCALHOST', True), ('[::1]:8275', True),
        ('localhost:9000', True), ('10.0.0.7:8275', True), ('evil.example:8275', False), ('', False),
        ('localhost.evil.example', False), ('127.0.0.1.evil.example', False), ('localhost@evil.example', False),
        ('evil.example/localhost', False), ('localhost:x', False), ('[::1', False), ('a b', False),
    ],
)  # fmt: skip
@pytest.mark.parametrize('path', ['/', '/api/v1/events', '/static/app.js', f'/login?token={TOKEN}', '/nothing'])
def test_who_calls_us_by_a_strangers_name_is_turned_away(call, host, is_ours, path):
    """S15, S32: DNS that points to this machine does not make a name ours; with the token neither."""
    reply = call.get(path, headers=BEARER | {'Host': host})
    getattr(reply.body, 'close', lambda: None)()
    assert (reply.code != 421) is is_ours


def test_other_names_are_said_in_the_settings(sites):
    """S15."""
    call = Caller(sites(token=TOKEN, settings={'web_hosts': ['tasks.example.org']}))
    assert call.get('/api/v1/runs', headers=BEARER | {'Host': 'tasks.example.org'}).code == 200
    assert call.get('/api/v1/runs', headers=BEARER | {'Host': 'x.tasks.example.org'}).code == 421
    call = Caller(sites(token=TOKEN, hosts=['*']))
    assert call.get('/api/v1/runs', headers=BEARER | {'Host': 'any.example'}).code == 200


HEADERS = {
    'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
}


@pytest.mark.parametrize(
    'path', ['/', '/nothing', '/static/nothing', f'/login?token={TOKEN}', '/login', '/tasks/x/']
)
@pytest.mark.parametrize('headers', [BEARER, {'Authorization': ''}, BEARER | {'Host': 'evil.example'}])
def test_every_answer_has_the_headers(call, path, headers):
    """S16, S17, S18, S33: refusals and errors too."""
    assert HEADERS.items() <= call.get(path, headers=headers).headers.items()


@EVERY
def test_every_route_has_the_headers(call, route):
    """S16, S17, S18."""
    reply = use(call, route)
    getattr(reply.body, 'close', lambda: None)()
    assert HEADERS.items() <= reply.headers.items()
    assert reply.headers['content-type'].split(';')[0] in (
        'application/json', 'application/problem+json', 'text/event-stream',
    )  # fmt: skip


MARKUP = '<img src=x onerror=alert(1)>'


def test_markup_is_never_html(call, app):
    """S16, S17: whatever holds it is JSON, of a type that no browser takes for a page."""
    app.client.start('stay', {'name': MARKUP}, run_id=MARKUP)
    for path in (
        f'/api/v1/runs/{MARKUP}',
        '/api/v1/runs',
        f'/tasks/{MARKUP}/',
        f'/{MARKUP}',
        f'/api/v1/runs?state={MARKUP}',
    ):
        reply = call.get(path)
        assert 'json' in reply.headers['content-type']
        assert reply.headers['x-content-type-options'] == 'nosniff'


@pytest.mark.parametrize('to', ['//evil.example', '/\\evil.example', '%2f%2fevil.example', 'http://evil.example'])
def test_login_leads_nowhere_else(call, to):
    """S19."""
    told = call.get(f'/login?token={TOKEN}&next={to}', headers={})
    assert 'location' not in told.headers
    assert re.findall(r'(?:url|href)="?([^"]+)"', told.body.decode().replace('url=', 'url="')) == ['./', './']


@pytest.mark.parametrize(
    'path',
    [
        '/static/../request.py', '/static/..%2frequest.py', '/static//etc/passwd', '/static/%00', '/static/.',
        '/static/', '/static/__init__.py', '/static/..\\request.py', '/pytask.js/../request.py', '/static/\x00x',
    ],
)  # fmt: skip
def test_no_file_but_those_of_the_page(call, path):
    """S20."""
    assert call.get(path).code == 404


def test_a_token_with_any_bytes_is_refused_not_an_error(call):
    """S22."""
    for token in ('ä', '\udcff', '\x00', 'x' * 10_000):
        reply = call.get('/api/v1/runs', headers={'Authorization': f'Bearer {token}'})
        assert reply.code == 401


def test_guessing_is_slowed_down_and_locks_nobody_out(call):
    """S23: after many wrong tokens no more are looked at, of that address; who shows the right one goes on."""

    def guess(n, address):
        wrong = {'Authorization': f'Bearer x{n}'}
        return call.get('/api/v1/runs', headers=wrong, environ={'REMOTE_ADDR': address}).code

    assert [guess(n, '10.0.0.1') for n in range(guard.WRONG + 5)] == [401] * guard.WRONG + [429] * 5
    assert guess(0, '10.0.0.2') == 401
    assert call.get('/api/v1/runs', environ={'REMOTE_ADDR': '10.0.0.1'}).code == 200
    for n in range(guard.ADDRESSES + 5):
        guess(n, f'a{n}')
    assert len(call.site.guard._wrong) == guard.ADDRESSES


@EVERY
@pytest.mark.parametrize('role', sorted(roles.ROLES))
def test_each_route_needs_its_role(sites, route, role):
    """S24: from the table of routes, so that a new one without a role fails."""
    assert route.role in roles.ROLES
    call = Caller(sites(auth=lambda environ: {role}), Host='localhost')
    reply = use(call, route)
    getattr(reply.body, 'close', lambda: None)()
    assert (reply.code == 403) is (role != route.role)


@EVERY
def test_read_only_is_read_only(sites, route):
    """S25: whoever asks."""
    for more in ({'is_read_only': True}, {'settings': {'web_read_only': True}}):
        reply = use(Caller(sites(token=TOKEN, **more)), route)
        getattr(reply.body, 'close', lambda: None)()
        assert (reply.code == 403) is (route.role != roles.READ)
        assert (route.method == 'GET') is (route.role == roles.READ)


@pytest.mark.parametrize(
    ('said', 'code'),
    [
        (True, 200), ('ada', 200), (['read'], 200), (None, 403), (False, 403), ([], 403), (['admin'], 403),
        ('', 403), ('read', 200), ('read, start', 200), ('start', 403), ({'read': 1}.keys(), 200), ({}.keys(), 403),
        ({'read': 1}, 500), ((x for x in 'ab'), 500), (b'read', 500), (print, 500),
    ],
)  # fmt: skip
def test_auth_is_asked_and_its_answer_counts(sites, said, code):
    """S12, S24: it gets the environment of the request, and what it returns decides."""
    asked = []
    call = Caller(sites(auth=lambda environ: (asked.append(environ['HTTP_X_WHO']), said)[1]), X_Who='me')
    assert call.get('/api/v1/runs').code == code
    assert asked == ['me']


def test_a_text_that_names_a_role_is_that_role(sites):
    """S24."""
    call = Caller(sites(auth=lambda environ: 'read'), Host='localhost')
    assert call.get('/api/v1/runs').code == 200
    assert call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1}}).code == 403
    assert call('DELETE', '/api/v1/runs/x').code == 403


async def waiting(environ):
    return False


def going(environ):
    yield False


class Asked:
    async def __call__(self, environ):
        return False


@pytest.mark.parametrize('auth', [waiting, going, Asked(), partial(waiting)])
def test_who_answers_later_is_refused_at_once(sites, auth):
    """S12: what it returns is true, whoever asks."""
    with pytest.raises(ConfigError, match='plain function'):
        sites(auth=auth)


def test_an_answer_that_is_to_be_awaited_lets_nobody_in(sites):
    """S12."""
    call = Caller(sites(auth=lambda environ: waiting(environ) or True), Host='localhost')
    assert call.get('/api/v1/runs').code == 500


def test_auth_of_the_app_counts_too(server):
    """S12."""
    app = PyTask(server.url, tasks='')

    @app.auth
    def check(environ):
        return environ.get('REMOTE_USER') == 'ada'

    site = application(app)
    assert Caller(site, Host='localhost').get('/api/v1/runs', environ={'REMOTE_USER': 'ada'}).code == 200
    assert Caller(site, Host='localhost').get('/api/v1/runs', environ={'REMOTE_USER': 'bob'}).code == 403
    app.client.close()


# What goes out.


def test_secrets_are_not_shown(sites, follow, call, app, worker, capfd):
    """S28: by name, by place, and by value: in data, output, messages, the text of errors, events, and lists."""
    worker()
    heard = follow()
    added = call.post('/api/v1/runs', {'task': 'add', 'data': {'a': 1, 'password': SENTINEL}})
    failed = call.post('/api/v1/runs', {'task': 'fail', 'data': {'token': SENTINEL}})
    for started in (added, failed):
        app.client.get(started.json['id']).wait(timeout=SOON_S)
    assert app.client.get(failed.json['id']).output['message'] == f'it was {SENTINEL}'  # kept as it is
    heard.hear('success', added.json['id']).hear('exception', failed.json['id'])
    replies = [added, failed, call.get('/api/v1/runs'), call.get(f'/api/v1/runs?q={SENTINEL}')]
    for run_id in (added.json['id'], failed.json['id']):
        replies += [call.get(f'/api/v1/runs/{run_id}'), call.get(f'/tasks/{run_id}/')]
    for text in (heard.text, *(reply.body for reply in replies)):
        assert SENTINEL.encode() not in text
    assert b'it was ***' in replies[-1].body
    assert b'adding with ***' in replies[-4].body
    assert call.get(f'/api/v1/runs?q={SENTINEL}').json['runs'] == []  # nobody finds one by asking for it


def test_secrets_are_not_told_by_answers_and_refusals(call, running):
    """S28: of what is asked, of what it raises, and of why a reload was refused."""
    run = running('keep', {'password': SENTINEL})
    ask = f'/api/v1/runs/{run.id}/ask'
    assert call.post(ask, {'name': 'what'}).json == {'value': {'it': 'is ***'}}
    failed = call.post(ask, {'name': 'fail', 'data': {'token': 'not-to-be-told'}})
    assert (failed.code, '*** is not ***' in failed.json['detail']) == (409, True)
    bad = call.post(f'/api/v1/runs/{run.id}/reload', {'data': {'password': 'wrong-one'}})
    assert (bad.code, 'not ***' in bad.json['detail']) == (400, True)
    assert run.stop(wait=10) == 'applied'


@pytest.mark.parametrize(
    ('value', 'shown'),
    [
        ({'password': 'x', 'Api-Key': 1}, {'password': '***', 'Api-Key': '***'}),
        ({'n': [{'my_token': ['x']}]}, {'n': [{'my_token': '***'}]}),
        ('GET https://ada:pw@example.org/?token=abc&x=1', 'GET https://ada:***@example.org/?token=***&x=1'),
        ('Authorization: Bearer abc.def', 'Authorization: Bearer ***'),
        ('password = "hunter2", n=1', 'password = "***", n=1'),
        ('password = "hunter 2, and 3" n=1', 'password = "***" n=1'),
        ("password='it\\'s' n=1", "password='***' n=1"),
        (r'{\"password\": \"a b\", \"n\": 1}', r'{\"password\": \"***\", \"n\": 1}'),
        ('Cookie: a=b; c=d, e\nnext: 1', 'Cookie: ***\nnext: 1'),
        ('Authorization: Digest user="ada", response="x"', 'Authorization: ***'),
        ('https://ada:p@ss:w@host/x@y', 'https://ada:***@host/x@y'),
        ("{'secret': 'abc'}", "{'secret': '***'}"),
        ({'token': None, 'is_private': True, 'tokens': 5}, {'token': None, 'is_private': True, 'tokens': '***'}),
        (['no secret here', 1, None], ['no secret here', 1, None]),
    ],
)  # fmt: skip
def test_what_counts_as_a_secret(call, value, shown):
    """S28."""
    assert call.site.redactor.clean(value) == shown


def test_a_task_names_its_own_secrets(sites):
    """S28: REDACT."""
    from pytask import Task

    class Pay(Task):
        REDACT = ('iban',)

        def start(self): ...

    site = sites(token=TOKEN)
    assert site.redactor.clean({'iban': 'DE02'}) == {'iban': 'DE02'}
    site.app.add_task(Pay)
    assert site.redactor.clean({'iban': 'DE02', 'bic': 'X'}) == {'iban': '***', 'bic': 'X'}
    assert site.redactor.secrets_of({'iban': 'DE02120300'}) == ['DE02120300']


def test_the_fields_of_an_answer_are_no_secrets_whatever_a_task_hides(sites):
    """S28: REDACT is about what comes from outside."""
    from pytask import Task

    class Mail(Task):
        REDACT = ('message', 'id', 'path', 'text', 'state', 'value')

        def start(self): ...

    site = sites(token=TOKEN)
    site.app.add_task(Mail)
    error = {'type': 'ValueError', 'message': 'why', 'traceback': ''}
    run = {
        'id': 'x',
        'state': 'EXCEPTION',
        'data': {'message': 'a', 'n': 1},
        'output': error,
        'messages': [{'text': 'b'}],
    }
    assert site.redactor.clean_answer(run) == run | {'data': {'message': '***', 'n': 1}}
    wrong = Caller(site).post('/api/v1/runs', {'task': 'add', 'data': {'b': 'x'}})
    assert wrong.paths == ['data.b', 'data.a']
    assert '***' not in wrong.body.decode()
    assert site.redactor.clean(error) == error  # as the data of an event


@pytest.mark.parametrize(
    ('secret', 'text'),
    [
        (4711471147, 'pin 4711471147'),
        (47.114711, "{'pin': 47.114711}"),
        ('one\ntwo"three', f'it was {"one" + chr(10) + "two" + chr(34) + "three"!r}'),
        ("it's\\", repr("it's\\")),
        ('one\ntwo"three', '{"x":"one\\ntwo\\"three"}'),
        ('größe', '"gr\\u00f6\\u00dfe"'),
    ],
)
def test_a_secret_is_found_as_python_and_json_write_it(call, secret, text):
    """S28: a number, too; and where it stands as a number elsewhere."""
    redactor = call.site.redactor
    secrets = redactor.secrets_of({'password': secret})
    shown = redactor.clean({'x': text, 'y': [secret, 1, True]}, secrets)
    assert shown['y'] == ['***', 1, True]
    assert '***' in shown['x']
    assert not re.search(r'two|4711|it|gr', shown['x'].replace('it was', ''))


def test_more_secrets_than_are_looked_for_hide_every_text(call):
    """S28, S30: none is left out."""
    redactor = call.site.redactor
    secrets = redactor.secrets_of({'tokens': [f'secret-{n}' for n in range(51)]})
    run = {
        'id': 'x',
        'output': {'a': 'secret-50', 'n': 5},
        'messages': [{'text': 'secret-50'}],
        'reason': 'secret-50',
    }
    assert redactor.clean_answer(run, secrets) == {
        'id': 'x', 'output': {'a': '***', 'n': 5}, 'messages': [{'text': '***'}], 'reason': '***',
    }  # fmt: skip


@pytest.mark.parametrize('depth', [200, 600, 900])
def test_what_is_nested_deeply_is_cut_and_breaks_nothing(call, redis, depth):
    """S30: in the data and output of runs; what is as deep as a request may be is whole."""
    deep = '{"a":' + '[' * depth + ']' * depth + '}'
    redis.hset('task-deep', mapping={'task': 'x', 'data': deep, 'output': deep, 'state': 'ERROR'})
    redis.zadd('ended-ERROR', {'deep': 1})
    for path in ('/api/v1/runs', '/api/v1/runs?q=a', '/api/v1/runs/deep', '/tasks/deep/', '/api/v1/flows'):
        reply = call.get(path)
        assert reply.code == 200
        assert '[' * request.MAX_DEPTH in reply.body.decode() or 'flows' in path
    whole = [[]]
    for _ in range(request.MAX_DEPTH - 2):
        whole = [whole]
    assert call.site.redactor.clean(whole) == whole


@pytest.mark.parametrize(
    'text',
    [
        'a-' * 50_000,
        'token' * 20_000,
        '://' * 30_000,
        'token=' * 20_000,
        'x:' * 50_000,
        'token="' * 50_000,
        'token=\\"' * 50_000,
        'cookie:\n' * 50_000,
        '://a:' * 50_000,
        'token="' + '\\a' * 500_000,
    ],
)
def test_hiding_takes_no_long_time(call, text):
    """S28, S30: whoever writes the text can not make it slow (this would take minutes)."""
    call.site.redactor.clean(text)


def test_an_error_of_ours_is_a_number_not_a_traceback(call, monkeypatch, caplog):
    """S36."""
    monkeypatch.setattr(type(call.site.app.client), 'get', lambda *_: 1 / 0)
    reply = call.get('/api/v1/runs/x')
    assert reply.code == 500
    number = re.fullmatch(r'error (\w{8}); the log has more', reply.json['detail'])[1]
    assert number in caplog.text
    assert 'ZeroDivisionError' in caplog.text
    assert b'Zero' not in reply.body


def test_states_are_read_from_the_hash_not_from_events(call, app, redis):
    """S35: who may publish can fake an event, and changes nothing by it."""
    run = app.client.start('add', {'a': 1})
    redis.publish(f'task-{run.id}', '{"event":"success","data":1}')
    assert call.get(f'/tasks/{run.id}/').json['status'] == 'pending'
    assert run.refresh().state is State.WAIT


def test_lists_look_at_a_bounded_number(call, redis, monkeypatch):
    """S31: however many there are; no KEYS, no SCAN."""
    monkeypatch.setattr('pytask.web.listing.LOOKED_AT', 10)
    pipe = redis.pipeline()
    for n in range(300):
        pipe.hset(f'task-{n}', mapping={'task': 'add', 'data': '{}', 'state': 'SUCCESS'})
        pipe.zadd('ended-SUCCESS', {str(n): n})
    pipe.execute()
    redis.config_resetstat()
    assert len(call.get('/api/v1/runs?limit=2000').json['runs']) == 10
    nothing = call.get('/api/v1/runs?q=nothing').json
    assert (nothing['runs'], nothing['is_cut']) == ([], True)
    assert call.get('/api/v1/runs?limit=5').json['is_cut'] is False  # more were there, and were not asked for
    assert call.get('/api/v1/flows').json == {'flows': [], 'is_cut': True}
    stats = redis.info('commandstats')
    assert not {'cmdstat_keys', 'cmdstat_scan'} & set(stats)
    assert stats['cmdstat_hgetall']['calls'] <= 4 * 201
    assert call.get('/api/v1/runs?limit=2001').paths == ['limit']


def test_lists_are_small_however_large_the_runs_are(call, app, redis, monkeypatch):
    """S31: a line of each is told, and few are read at a time; a run of its own is whole."""
    monkeypatch.setattr('pytask.store.runs.PAGE_BYTES', 100_000)
    long = 'x' * 90_000
    pipe = redis.pipeline()
    for n in range(20):
        error = json.dumps({'type': 'E', 'message': 'why', 'traceback': long})
        data = json.dumps({'few': 1, 'long': long} if n == 3 else {})
        pipe.hset(f'task-{n}', mapping={'task': 'add', 'data': data, 'state': 'EXCEPTION', 'output': error})
        pipe.zadd('ended-EXCEPTION', {str(n): n})
    pipe.hset('task-many', mapping={'task': 'add', 'state': 'SUCCESS', 'output': '[%s1]' % ('1,' * 90_000)})
    pipe.zadd('ended-SUCCESS', {'many': 1})
    pipe.set('task-foreign', 'x')
    pipe.zadd('ended-SUCCESS', {'foreign': 2})
    pipe.execute()
    read, sizes = app.client.store.runs.read, []
    monkeypatch.setattr(
        app.client.store.runs, 'read', lambda ids, client: (sizes.append(len(ids)), read(ids, client))[1]
    )
    reply = call.get('/api/v1/runs')
    assert sum(sizes) == 22
    assert max(sizes[:-1]) <= 2
    assert len(reply.body) < 40_000
    runs = {run['id']: run for run in reply.json['runs']}
    assert runs['3']['is_cut'] is True
    assert runs['3']['output'] == {'type': 'E', 'message': 'why', 'traceback': 'x' * 500 + '…'}
    assert runs['3']['data'] == {'few': 1, 'long': 'x' * 500 + '…'}
    assert (runs['many']['output'], runs['many']['is_cut']) == (None, True)
    whole = call.get('/api/v1/runs/3').json
    assert (len(whole['output']['traceback']), 'is_cut' in whole) == (90_000, False)


def test_the_cookie_is_for_this_page_alone(call):
    """S13, S33: HttpOnly, SameSite=Strict, below our own path, and not the token itself."""
    told = call.get(f'/login?token={TOKEN}', headers={}, environ={'SCRIPT_NAME': '/inner'})
    name, *rest = told.headers['set-cookie'].split('; ')
    assert sorted(rest) == ['HttpOnly', 'Path=/inner/', 'SameSite=Strict']
    assert TOKEN not in name
    assert name.startswith('pytask-8275=')
    tls = call.get(f'/login?token={TOKEN}', headers={}, environ={'wsgi.url_scheme': 'https'})
    assert 'Secure' in tls.headers['set-cookie']
    for wrong in ('', '?token=', '?token=x', f'?token={TOKEN}x', f'?Token={TOKEN}'):
        reply = call.get(f'/login{wrong}', headers={})
        assert reply.code == 401
        assert 'set-cookie' not in reply.headers


def test_the_page_says_how_to_get_in(call):
    """S12, S33: the page itself is for those who are let in; what it is made of is no secret."""
    reply = call.get('/', headers={})
    assert (reply.code, reply.headers['content-type']) == (401, 'text/plain; charset=utf-8')
    assert '/login?token=' in reply.body.decode()


def test_nothing_is_logged_of_requests(port, caplog, capfd):
    """S11, S33: no access log, and so no token in it."""
    assert ask(port, 'GET', f'/login?token={TOKEN}', headers={}).code == 200
    assert ask(port, 'GET', '/api/v1/runs').code == 200
    said = ''.join(capfd.readouterr()) + caplog.text
    assert TOKEN not in said
    assert 'GET' not in said


def test_mutating_by_get_is_impossible(call, app):
    """S13: no GET changes anything."""
    app.client.start('stay', run_id='s')
    for what in ('stop', 'retry', 'pause'):
        assert call.get(f'/api/v1/runs/s/{what}').code == 404
    assert app.client.get('s').state is State.WAIT
