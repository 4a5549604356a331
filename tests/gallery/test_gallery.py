"""The tasks of `tasks/`, as a new user runs them: against real servers, files and threads."""

import os
import random
import re
import socket
from collections import Counter
from pathlib import Path
from time import monotonic

import gevent
import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer
from support import ROOT, SOON_S, wait_until

from pytask import PyTask, State
from pytask.embedded.server import free_port

CUT_BYTES = 64 * 1024


# hello-world


def test_hello_world_greets_whom_a_client_names(gallery):
    run = gallery.client.start('hello-world', {'name': 'you'}).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'hello you')


def test_hello_world_starts_with_two_redis_commands(gallery, redis):
    redis.hset('task-42', mapping={'task': 'hello-world', 'data': '{"name": "you"}'})
    redis.lpush('new-task', '42')
    wait_until(lambda: redis.hget('task-42', 'state') == 'SUCCESS', 'the run ends')
    assert redis.hget('task-42', 'output') == '"hello you"'


def test_hello_world_is_still_a_function(gallery):
    from tasks.hello import hello_world

    assert hello_world() == 'hello world'
    assert hello_world.apply(name='you').wait(timeout=SOON_S).output == 'hello you'


# http/check


class Site:
    """An HTTP server that can be stopped, and started again on its port."""

    def __init__(self):
        self.port = free_port()
        self.closing = Event()
        self.server = None

    def url(self, path='/'):
        return f'http://127.0.0.1:{self.port}{path}'

    def start(self):
        self.server = WSGIServer(('127.0.0.1', self.port), self.answer, log=None, error_log=None)
        self.server.start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.stop(timeout=1)
            self.server = None

    def answer(self, environ, start_response):
        path = environ['PATH_INFO']
        if path == '/slow':
            self.closing.wait()
        statuses = {'/moved': '302 Found', '/loop': '302 Found', '/broken': '500 Broken', '/ftp': '302 Found'}
        places = {'/moved': '/', '/loop': '/loop', '/ftp': 'ftp://127.0.0.1/'}
        headers = [('Location', places[path])] if path in places else []
        start_response(statuses.get(path, '200 OK'), headers)
        return [b'here']


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    site = Site().start()
    yield site
    site.closing.set()
    site.stop()


@pytest.fixture
def black_hole(monkeypatch):
    """A server that takes connections and never says a word."""
    monkeypatch.setenv('no_proxy', '*')
    with socket.create_server(('127.0.0.1', 0)) as listener:
        yield listener


@pytest.fixture
def trickle(site):
    """A server that sends a byte now and then, for ever: no single read takes long."""

    def drip(connection, _address):
        try:
            connection.sendall(b'HTTP/1.1 200 OK\r\nX-Drip: ')
            while not site.closing.wait(0.02):
                connection.sendall(b'.')
        except OSError:
            return

    server = StreamServer(('127.0.0.1', 0), drip)
    server.start()
    yield server
    site.closing.set()
    server.stop(timeout=1)


def url_of(listener):
    return f'http://127.0.0.1:{listener.getsockname()[1]}/'


def test_check_tells_the_first_look_and_then_only_changes(follow, site):
    check = follow('http/check', urls=[site.url()], every=0.02, timeout=5)
    wait_until(lambda: len(check.of('progress')) >= 5, 'five looks')
    assert [event.event for event in check.heard if event.event in ('up', 'down')] == ['up']
    site.stop()
    wait_until(lambda: check.of('down'), 'it is down')
    looks = len(check.of('progress'))
    wait_until(lambda: len(check.of('progress')) >= looks + 5, 'five more looks')
    site.start()
    wait_until(lambda: len(check.of('up')) == 2, 'it is up again')

    run = check.stop()
    assert [event.event for event in check.heard if event.event in ('up', 'down')] == ['up', 'down', 'up']
    first, (down,) = check.of('up')[0], check.of('down')
    assert (first['url'], first['status']) == (site.url(), 200)
    assert 0 < first['latency_ms'] < 5000
    assert re.search('refused|reset', down['error'])  # the site ended before a look, or in the middle of one
    assert (run.output['up'], run.output['down']) == ([site.url()], [])
    assert run.output['looks'] == run.progress == len(check.of('progress'))


def test_check_goes_by_the_status_after_redirects(follow, site):
    paths = ('/moved', '/broken', '/loop', '/ftp')
    check = follow('http/check', urls=[site.url(path) for path in paths])
    wait_until(lambda: len(check.of('up', 'down')) == len(paths), 'every URL was looked at')
    (up,) = check.of('up')
    assert (up['url'], up['status']) == (site.url('/moved'), 200)
    down = {told['url']: told for told in check.of('down')}
    assert down[site.url('/broken')]['status'] == 500
    assert 'ftp' in down[site.url('/ftp')]['error'], 'no redirect leads out of the web'
    assert check.stop().output['down'] == [site.url(path) for path in paths[1:]]


def test_check_waits_for_no_server_longer_than_its_timeout(follow, site, black_hole, trickle):
    silent = [site.url('/slow'), url_of(black_hole), url_of(trickle.socket)]
    check = follow('http/check', urls=[*silent, site.url()], timeout=0.5)
    wait_until(lambda: check.of('up'), 'the healthy one is up')
    assert not check.of('down'), 'the healthy one waited for the others'
    wait_until(lambda: len(check.of('down')) == 3, 'the silent ones are down')
    for told in check.of('down'):
        assert told['error'] == 'no answer within 0.5 s'
        assert 400 < told['latency_ms'] < 2500
    assert {told['url'] for told in check.of('down')} == set(silent)
    check.stop()


def test_check_stops_in_the_middle_of_a_look(follow, black_hole):
    check = follow('http/check', urls=[url_of(black_hole)], timeout=60)
    connection, _ = black_hole.accept()
    with connection:
        assert check.stop().output == {'looks': 0, 'up': [], 'down': []}


def test_check_is_given_back_when_its_worker_shuts_down(server, worker, site):
    app = PyTask(server.url, lease=2, drain=0.1)
    app.discover(ROOT / 'tasks')
    running = worker(app)
    run = app.client.start('http/check', {'urls': [site.url()]})
    wait_until(lambda: run.refresh().progress == 1, 'the first look')
    running.shut_down('a deploy')
    wait_until(lambda: run.refresh().state is State.WAIT, 'the run is given back')
    assert run.stop() == 'applied'
    app.client.close()


@pytest.mark.parametrize(
    'url',
    [
        'example.org',
        'http://',
        'http://[oops/',
        'http://example.org:port/',
        'http://example.org/a b',
        'file:///etc/hosts',
        'ftp://example.org/',
    ],
)
def test_check_names_a_bad_url(gallery, url):
    run = gallery.client.start('http/check', {'urls': ['http://127.0.0.1/', url]}).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, f'not an http or https URL: {url!r}')


@pytest.mark.parametrize(
    ('data', 'what'),
    [
        ({'urls': []}, 'urls is empty'),
        ({'urls': ['http://127.0.0.1/'], 'every': 0}, 'one day, not 0 s'),
        ({'urls': ['http://127.0.0.1/'], 'timeout': -1}, 'one day, not -1 s'),
    ],
)
def test_check_refuses_inputs_it_could_not_work_with(gallery, data, what):
    run = gallery.client.start('http/check', data).wait(timeout=SOON_S)
    assert run.state is State.ERROR
    assert what in run.output


# files/tail


@pytest.fixture
def log(tmp_path):
    return tmp_path / 'some.log'


def append(path, data):
    with path.open('ab') as file:
        file.write(data)


def lines_of(tail):
    return [told['line'] for told in tail.of('line')]


def wait_for_lines(tail, *lines):
    """Wait until as many lines have come, and assert that they are these, numbered from 1."""
    wait_until(lambda: len(tail.of('line')) >= len(lines), f'{len(lines)} lines')
    assert lines_of(tail) == list(lines)
    assert [told['number'] for told in tail.of('line')] == list(range(1, len(lines) + 1))


def wait_for_tail(tail, path):
    """Wait until the task has opened a file that held nothing it would tell."""
    wait_until(lambda: tail.of('running'), 'the run is running')
    wait_until(lambda: is_open(path), 'the file is open')


def is_open(path):
    there = path.stat()
    for link in Path('/dev/fd').iterdir():
        try:
            if os.path.samestat(os.fstat(int(link.name)), there):
                return True
        except OSError:  # closed since it was listed
            continue
    return False


def test_tail_tells_lines_as_they_are_completed(follow, log):
    log.write_bytes(b'old\nhalf')
    tail = follow('files/tail', path=str(log), every=0.01)
    wait_for_tail(tail, log)
    append(log, b'-done\nsecond\nthi')
    wait_for_lines(tail, '-done', 'second')
    append(log, b'rd\r\n\n')
    wait_for_lines(tail, '-done', 'second', 'third', '')
    run = tail.stop()
    assert run.output is None
    assert not is_open(log), 'the file was left open'


def test_tail_reads_a_file_from_its_start_when_told_to(follow, log):
    log.write_bytes(b'one\ntwo\nthree')
    tail = follow('files/tail', path=str(log), from_start=True, every=0.01)
    wait_for_lines(tail, 'one', 'two')
    append(log, b'\n')
    wait_for_lines(tail, 'one', 'two', 'three')


def test_tail_takes_any_bytes_and_lines_of_any_length(follow, log):
    long = b'x' * (3 * CUT_BYTES) + b'the end is cut\n'
    log.write_bytes(b'caf\xe9 \xff\n' + 'gr\u00fc\u00df \u20ac\n'.encode() + long + long + b'after\n')
    tail = follow('files/tail', path=str(log), from_start=True)
    cut = 'x' * CUT_BYTES
    wait_for_lines(tail, 'caf\ufffd \ufffd', 'gr\u00fc\u00df \u20ac', cut, cut, 'after')


def test_tail_keeps_no_more_of_a_line_than_it_will_tell(follow, log):
    log.touch()
    os.truncate(log, 2**28)  # a sparse file: zeros without a newline, too many to be kept and copied
    append(log, b'\nafter\n')
    tail = follow('files/tail', path=str(log), from_start=True)
    wait_for_lines(tail, '\0' * CUT_BYTES, 'after')


def test_tail_waits_for_a_file_that_is_not_there_yet(follow, log):
    tail = follow('files/tail', path=str(log), every=0.01)
    wait_until(lambda: tail.of('waiting'), 'it waits')
    append(log, b'first\n')
    wait_for_lines(tail, 'first')
    tail.stop()
    assert tail.of('waiting') == [{'path': str(log)}]


@pytest.mark.parametrize('before', [b'one\ntwo\n', b'one\ntwo'], ids=['whole', 'partial'])
def test_tail_begins_anew_when_the_file_is_truncated(follow, log, before):
    tail = follow('files/tail', path=str(log), every=0.01)
    wait_until(lambda: tail.of('waiting'), 'it waits')
    append(log, before)
    wait_until(lambda: tail.of('line'), 'the first line')
    os.truncate(log, 0)
    wait_until(lambda: len(tail.of('line')) == 2, 'what was held of the old one')
    append(log, b'3\n')
    wait_for_lines(tail, 'one', 'two', '3')


def test_tail_sees_every_line_once_in_order_while_the_file_is_rotated(follow, log):
    """As under logrotate: the writer goes on with the renamed file for a while, and only then makes a new one."""
    written = [f'{n} {"." * (n % 50)}' for n in range(5000)]
    log.touch()
    tail = follow('files/tail', path=str(log), from_start=True, every=0.002)
    wait_for_tail(tail, log)
    file = log.open('ab', buffering=0)
    for n, line in enumerate(written):
        if n and n % 700 == 0:  # rotations lie further apart than two looks
            wait_until(lambda seen=n - 600: is_told(tail, seen), 'the present file is followed')
            log.rename(log.with_suffix(f'.{n}'))
        if n and n % 700 == 50:
            file.close()
            file = log.open('ab', buffering=0)
        middle = len(line) // 2
        file.write(line[:middle].encode())
        if n % 7 == 0:
            gevent.sleep(0)  # the task looks at half a line
        file.write(line[middle:].encode() + b'\n')
    file.close()
    wait_for_lines(tail, *written)
    tail.stop()


def is_told(tail, number):
    return len(tail.of('line')) >= number


def test_tail_tells_the_end_of_a_rotated_file_before_the_new_one(follow, log):
    log.touch()
    tail = follow('files/tail', path=str(log), from_start=True, every=0.01)
    wait_for_tail(tail, log)
    append(log, b'one\nno newline')
    log.rename(log.with_suffix('.1'))
    append(log, b'new\n')
    wait_for_lines(tail, 'one', 'no newline', 'new')


def test_tail_refuses_what_is_no_file(gallery, log):
    os.mkfifo(log)
    for path in (log, log.parent):
        run = gallery.client.start('files/tail', {'path': str(path)}).wait(timeout=SOON_S)
        assert (run.state, run.output) == (State.ERROR, f'not a file: {path}')


# text/count


@pytest.fixture
def book(tmp_path):
    """A file of some 20 MB, and what is in it. Words and characters lie across the borders of chunks."""
    chance = random.Random(1)
    plain = [''.join(chance.choices('abcde\u00e9\u20ac', k=chance.randint(1, 9))) for _ in range(3000)]
    lines = [' '.join(chance.choices(plain, weights=range(3000, 0, -1), k=12)) for _ in range(10_000)]
    page = ''.join(f'{line.capitalize()}. -- \t\u201c{n}\n' for n, line in enumerate(lines))
    pages = -(-20_000_000 // len(page.encode()))
    path = tmp_path / 'book.txt'
    path.write_text(page * pages, encoding='utf-8')
    words = Counter(word for n, line in enumerate(lines) for word in (*line.casefold().split(), f'\u201c{n}'))
    return path, pages, words


def test_count_counts_a_large_file_while_the_worker_goes_on(follow, book):
    path, pages, words = book
    size = path.stat().st_size
    gaps = []

    def tick():
        while True:
            begun = monotonic()
            gevent.sleep(0.001)
            gaps.append(monotonic() - begun)

    ticker = gevent.spawn(tick)
    begun = monotonic()
    count = follow('text/count', path=str(path), top=5)
    run = count.wait()
    took_s = monotonic() - begun
    ticker.kill()

    assert run.state is State.SUCCESS, run.output
    assert (run.output['bytes'], run.output['lines']) == (size, pages * 10_000)
    assert run.output['words'] == pages * words.total()
    assert [n for _, n in run.output['top']] == [pages * n for _, n in words.most_common(5)]
    assert all(words[word] * pages == n for word, n in run.output['top'])
    # A count in the hub would show as one turn, one gap as long as the run.
    assert len(gaps) > 5, f'the hub turned {len(gaps)} times in {took_s:.1f} s'

    told = [(data['progress'], data['target']) for data in count.of('progress')]
    assert told == sorted(told)
    assert {target for _, target in told} == {size}
    assert told[-1][0] == size
    assert 3 < len(told) <= took_s * 20 + 2


def test_count_stops_between_two_chunks(follow, tmp_path):
    path = tmp_path / 'huge'
    path.touch()
    os.truncate(path, 2**40)  # a sparse file: hours of zeros
    count = follow('text/count', path=str(path))
    wait_until(lambda: count.of('progress'), 'it is under way')
    run = count.stop()
    assert 0 < run.output['bytes'] == run.progress < run.target == 2**40


def test_count_of_an_empty_file(gallery, tmp_path):
    (tmp_path / 'empty').touch()
    run = gallery.client.start('text/count', {'path': str(tmp_path / 'empty')}).wait(timeout=SOON_S)
    assert run.output == {'words': 0, 'lines': 0, 'bytes': 0, 'top': []}


def test_count_keeps_the_last_word_and_half_a_character(gallery, tmp_path):
    (tmp_path / 'odd').write_bytes(b'one, "Two"\ntwo -- \xe2\x82')
    run = gallery.client.start('text/count', {'path': str(tmp_path / 'odd'), 'top': 1}).wait(timeout=SOON_S)
    assert run.output == {'words': 4, 'lines': 1, 'bytes': 20, 'top': [['two', 2]]}


def test_count_refuses_what_is_no_file(gallery, tmp_path):
    for path in (tmp_path, tmp_path / 'missing'):
        run = gallery.client.start('text/count', {'path': str(path)}).wait(timeout=SOON_S)
        assert (run.state, run.output) == (State.ERROR, f'no such file: {path}')


def test_http_check_ends_by_itself_after_so_many_looks(app, worker):
    app.discover(ROOT / 'tasks')
    worker()
    data = {'urls': ['http://127.0.0.1:1/'], 'every': 0.05, 'looks': 3}
    run = app.client.start('http/check', data).wait(timeout=SOON_S)
    assert (run.state, run.output['looks'], run.output['down']) == ('SUCCESS', 3, data['urls'])
