"""tasks/web/crawl.py against HTTP servers on this machine: two ports, two hosts."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import gevent
import pytest
from support import ROOT, wait_until

from pytask import AskError, PyTask, State


class Site:
    """An HTTP server. A page is its text, or `(status, headers, body)`, or a function that gets the request."""

    def __init__(self, name='127.0.0.1'):
        self.pages = {}
        self.asked, self.agents, self.times = [], set(), []
        self.now, self.most = 0, 0
        site = self

        class Request(BaseHTTPRequestHandler):
            def do_GET(self):
                site.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(('127.0.0.1', 0), Request)
        self.server.daemon_threads = False
        self.name = f'{name}:{self.server.server_port}'
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def url(self, path='/'):
        return f'http://{self.name}{path}'

    def answer(self, request):
        self.asked.append(request.path)
        self.times.append(monotonic())
        self.agents.add(request.headers['User-Agent'])
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            page = self.pages.get(request.path, (404, {}, b'no such page'))
            if callable(page):
                page(request)
                return
            if isinstance(page, str):
                page = (200, {'Content-Type': 'text/html; charset=utf-8'}, page.encode())
            status, headers, body = page
            request.send_response(status)
            for header, value in {'Content-Length': str(len(body)), **headers}.items():
                request.send_header(header, value)
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            pass  # the crawler has left
        finally:
            self.now -= 1

    def visited(self):
        return Counter(path for path in self.asked if path != '/robots.txt')

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def sites(monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    made = []

    def make(name='127.0.0.1', **pages):
        made.append(Site(name))
        made[-1].pages.update(pages)
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(sites):
    return sites()


def crawl(follow, site, **data):
    data = {'delay': 0, **data}
    return follow('web/crawl', url=data.pop('url', site.url()), **data)


def links(*places):
    return ''.join(f'<p><a class=x href="{place}">there</a>' for place in places)


def test_it_visits_every_page_once_and_tells_which_links_are_broken(follow, site):
    site.pages = {
        '/': links(
            'a', '/b/', 'missing', '#top', '?', 'mailto:me@example.org', 'javascript:void(0)', 'http://[bad/'
        ),
        '/a': links('/', 'a#part', 'b/', './x/../b/'),
        '/b/': links('deep', '../a', 'http://elsewhere.invalid/', '//elsewhere.invalid/x', 'ftp://127.0.0.1/'),
        '/b/deep': links('/gone?q=1&amp;r=2'),
    }
    run = crawl(follow, site)
    ended = run.wait()
    assert ended.state is State.SUCCESS
    assert site.visited() == Counter(['/', '/a', '/b/', '/b/deep', '/missing', '/gone?q=1&r=2'])
    broken = [
        {'url': site.url('/missing'), 'why': 404, 'from': site.url('/')},
        {'url': site.url('/gone?q=1&r=2'), 'why': 404, 'from': site.url('/b/deep')},
    ]
    assert ended.output == {'pages': 6, 'known': 6, 'forbidden': 0, 'broken': broken, 'more_broken': 0}
    told = {page['url']: page for page in run.of('page')}
    assert len(told) == len(run.of('page')) == 6
    assert (told[site.url()]['status'], told[site.url()]['links']) == (200, 3 + 1)
    assert all(page['ms'] >= 0 for page in told.values())
    assert run.of('progress')[-1] == {'progress': 6, 'target': 6}
    assert len(run.of('message')) == 2
    assert 'missing' in run.of('message')[0]
    assert site.agents == {'pytask-crawl'}


def test_hosts_are_visited_at_the_same_time_each_by_one_request_at_a_time(follow, sites):
    def slow(request):
        with_pages = links(*(f'/{n}' for n in range(5))) if request.path == '/' else ''
        gevent.sleep(0.05)
        request.send_response(200)
        request.send_header('Content-Type', 'text/html')
        request.end_headers()
        request.wfile.write(with_pages.encode())

    first, second, third = sites(), sites('localhost'), sites()
    first.pages = {'/': links(*(f'/{n}' for n in range(5)), second.url(), third.url())}
    for site in (first, second):
        site.pages |= {f'/{n}': slow for n in range(5)}
    second.pages['/'] = slow
    run = crawl(follow, first, hosts=[second.name]).wait()
    assert run.output['pages'] == 12
    assert sum(first.visited().values()) == sum(second.visited().values()) == 6
    assert not third.asked, 'only the hosts that were named are visited'
    assert first.most == second.most == 1
    assert first.times[-1] > second.times[0]
    assert second.times[-1] > first.times[2], 'one host waited for the other'


def test_there_is_a_delay_between_two_requests_to_a_host(follow, site):
    site.pages = {'/': links('a', 'b', 'c'), '/a': '', '/b': '', '/c': ''}
    crawl(follow, site, delay=0.2).wait()
    gaps = [later - before for before, later in zip(site.times, site.times[1:], strict=False)]
    assert len(gaps) == 4
    assert min(gaps) >= 0.19


def test_robots_txt_is_honoured(follow, site):
    robots = b'User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /private\nCrawl-delay: 0\n'
    site.pages = {
        '/robots.txt': (200, {'Content-Type': 'text/plain'}, b'\xef\xbb\xbf' + robots),
        '/': links('/private/x', '/public'),
        '/public': '',
        '/private/x': '',
    }
    run = crawl(follow, site).wait()
    assert site.visited() == Counter(['/', '/public'])
    assert (run.output['pages'], run.output['forbidden'], run.output['broken']) == (3, 1, [])


def test_the_delay_that_robots_txt_asks_for_is_kept(follow, site):
    site.pages = {'/robots.txt': (200, {}, b'User-agent: *\nCrawl-delay: 1\n'), '/': links('a'), '/a': ''}
    crawl(follow, site).wait()
    assert [later - before >= 0.9 for before, later in zip(site.times, site.times[1:], strict=False)] == [
        True,
        True,
    ]


def test_robots_txt_may_be_elsewhere(follow, site):
    site.pages = {
        '/robots.txt': (301, {'Location': '/other.txt'}, b''),
        '/other.txt': (200, {}, b'User-agent: pytask-crawl\nDisallow: /no'),
        '/': links('no', 'yes'),
        '/yes': '',
    }
    assert crawl(follow, site).wait().output['forbidden'] == 1
    assert site.visited() == Counter(['/other.txt', '/', '/yes'])


def test_a_site_in_trouble_is_left_alone(follow, site):
    site.pages = {'/robots.txt': (503, {}, b''), '/': links('a')}
    run = crawl(follow, site).wait()
    assert run.state is State.ERROR
    assert 'robots.txt answers 503' in run.output
    assert not site.visited()


@pytest.mark.parametrize('robots', [b'Crawl-delay: ' + b'9' * 5000, b'\xff\xfe\x00', b'User-agent\n:::\n' * 1000])
def test_a_robots_txt_of_nonsense_does_no_harm(follow, site, robots):
    site.pages = {'/robots.txt': (200, {}, b'User-agent: *\n' + robots), '/': ''}
    run = crawl(follow, site).wait()
    assert (run.state, run.output['pages']) == (State.SUCCESS, 1)


def test_redirects_are_followed_within_the_site_and_not_in_circles(follow, site, sites):
    other = sites('localhost')
    site.pages = {
        '/': (302, {'Location': '/home'}, b''),
        '/home': links('moved', 'circle', 'away', 'nowhere', 'file'),
        '/moved': (301, {'Location': '/new#here'}, b''),
        '/new': '',
        '/circle': (307, {'Location': '/circle2'}, b''),
        '/circle2': (308, {'Location': '/circle'}, b''),
        '/away': (302, {'Location': other.url()}, b''),
        '/nowhere': (302, {}, b''),
        '/file': (302, {'Location': 'file:///etc/passwd'}, b''),
    }
    run = crawl(follow, site, depth=1).wait()
    assert site.visited() == Counter(list(site.pages))
    assert not other.asked
    assert run.output['broken'] == []


def test_it_goes_no_deeper_and_no_further_than_told(follow, site):
    site.pages = {'/': links('1/')} | {'/' + '1/' * n: links('1/', f'/{n}') for n in range(1, 9)}
    site.pages |= {f'/{n}': '' for n in range(9)}
    crawl(follow, site, depth=2).wait()
    assert site.visited() == Counter(['/', '/1/', '/1/1/', '/1'])
    site.asked.clear()

    def endless(request):
        request.send_response(200)
        request.send_header('Content-Type', 'text/html')
        request.end_headers()
        request.wfile.write(links(*(f'{request.path}{n}/' for n in range(50))).encode())

    class All(dict):
        def get(self, path, _=None):
            return (404, {}, b'') if path == '/robots.txt' else endless

    site.pages = All()
    run = crawl(follow, site, pages=30, depth=1000).wait()
    assert run.output['pages'] == run.output['known'] == 30
    assert sum(site.visited().values()) == 30


def test_base_entities_and_odd_html(follow, site):
    site.pages = {
        '/': """<BASE HREF='/under/'><A HREF = one>1<a  href='two'>2<area href="three"/>
             <a title="a" href="f&#111;ur">
             <!-- <a href="comment"> --><script>"<a href='script'>"</script><style><a href=style></style>
             <a name=x>none</a><a href>none</a><a href="">self</a><a data-href="data">no</a><link href="sheet">
             <a href="sp ace">s</a><a href="\u00fc?\u20ac"><a href="%41">pct</a><a href="  five\n">5</a>
             <p <a href=six>6
             <b/><a href="never closed""",
        **{f'/under/{name}': '' for name in ('', 'one', 'two', 'three', 'four', 'five', 'six', 'sp%20ace', '%41')},
        '/under/%C3%BC?%E2%82%AC': '',
    }
    run = crawl(follow, site).wait()
    assert site.visited() == Counter(list(site.pages))
    assert run.output['broken'] == []


def test_what_is_no_html_is_not_read(follow, site):
    site.pages = {
        '/': links('image', 'text', 'nothing'),
        '/image': (200, {'Content-Type': 'image/png'}, links('/never').encode()),
        '/text': (200, {'Content-Type': 'text/plain'}, links('/never').encode()),
        '/nothing': (204, {}, b''),
    }
    run = crawl(follow, site).wait()
    assert site.visited() == Counter(['/', '/image', '/text', '/nothing'])
    assert run.output['broken'] == []


@pytest.mark.parametrize('charset', ['utf-8', 'latin-1', 'utf-16', 'no-such', 'hex', ''])
def test_any_charset(follow, site, charset):
    known = charset if charset in ('utf-8', 'latin-1', 'utf-16') else 'utf-8'
    body = '<a href="/\u00e9">x</a>'.encode(known)
    site.pages = {'/': (200, {'Content-Type': f'text/html; charset={charset}'}, body), '/%C3%A9': ''}
    crawl(follow, site).wait()
    assert site.visited() == Counter(['/', '/%C3%A9'])


def test_a_page_is_read_up_to_its_limit(follow, site):
    site.pages = {'/': links('early') + ' ' * 2**20 + links('late'), '/early': '', '/late': ''}
    crawl(follow, site).wait()
    assert site.visited() == Counter(['/', '/early'])


@pytest.mark.parametrize(
    'piece',
    ['<', '<!', '<!--', '<a ', '<a href=', '<a href="', '<a href=x ', '</', '<script>', '<base href=x>', '&#9;'],
)
def test_no_page_takes_long_to_read(piece):
    """The standard parser needs an hour for some of these, and each test may take a minute."""
    from tasks.web.page import MAX_BYTES, links_of

    text = (piece * (MAX_BYTES // len(piece)))[:MAX_BYTES]
    links_of(text, 'http://h/')
    links_of(text + '>', 'http://h/')


def test_trouble_with_a_page_is_told_and_the_others_are_visited(follow, site):
    def cut(request):
        request.send_response(200)
        request.send_header('Content-Type', 'text/html')
        request.send_header('Content-Length', '1000')
        request.end_headers()
        request.wfile.write(b'half')
        request.close_connection = True

    def nonsense(request):
        request.wfile.write(b'this is no HTTP\r\n\r\n')

    site.pages = {
        '/': links('cut', 'nonsense', 'fails', 'silent', 'good'),
        '/cut': cut,
        '/nonsense': nonsense,
        '/silent': lambda request: None,
        '/fails': (500, {}, b''),
        '/good': '',
    }
    run = crawl(follow, site)
    ended = run.wait()
    assert ended.output['pages'] == 6
    broken = {told['url'].rpartition('/')[2]: told for told in ended.output['broken']}
    assert set(broken) == {'nonsense', 'silent', 'fails'}  # of what is cut short, what came is read
    assert broken['fails']['why'] == 500
    assert all(isinstance(broken[name]['why'], str) for name in ('nonsense', 'silent'))
    assert len(run.of('message')) == 3


def test_a_silent_server_is_waited_for_no_longer_than_the_timeout(follow, site, monkeypatch):
    from tasks.web import crawl as module

    monkeypatch.setattr(module, 'TIMEOUT_S', 0.3)
    over = gevent.event.Event()

    def drip(request):
        request.wfile.write(b'HTTP/1.1 200 OK\r\nX-Drip: ')
        while not over.wait(0.05):
            request.wfile.write(b'.')

    site.pages = {'/': links('drip'), '/drip': drip}
    run = crawl(follow, site).wait()
    over.set()
    assert run.output['broken'] == [
        {'url': site.url('/drip'), 'why': 'no answer within 0.3 s', 'from': site.url('/')}
    ]


def test_a_hundred_broken_links_stand_in_the_output_and_the_rest_is_counted(follow, site):
    site.pages = {'/': links(*(f'/missing/{n}' for n in range(120)))}
    output = crawl(follow, site, pages=200).wait().output
    assert (len(output['broken']), output['more_broken'], output['pages']) == (100, 20, 121)


def test_it_can_be_asked_slowed_down_and_stopped(follow, site):
    site.pages = {'/': links(*(f'/{n}' for n in range(90)))}
    run = crawl(follow, site, delay=0.05)
    wait_until(lambda: run.of('page'), 'the first page')
    status = run.run.ask('status')
    assert status['known'] == 91
    assert run.run.ask('delay', {'seconds': 60}) is None
    with pytest.raises(AskError, match='delay must be 0 to 60 s, not 61'):
        run.run.ask('delay', {'seconds': 61})
    ended = run.stop()
    assert 0 < ended.output['pages'] < 91


@pytest.mark.parametrize(
    ('data', 'why'),
    [
        ({'url': 'example.org'}, "not an http or https URL: 'example.org'"),
        ({'url': 'ftp://example.org/'}, 'not an http or https URL'),
        ({'url': 'http://me:secret@example.org/'}, 'not an http or https URL'),
        ({'url': 'http://h/', 'pages': 0}, '100000, not 0'),
        ({'url': 'http://h/', 'delay': -1}, '60 s, not -1'),
        ({'url': 'http://h/', 'hosts': ['']}, 'each of hosts must be HOST or HOST:PORT'),
        ({'url': 'http://127.0.0.1:1/'}, 'no page could be read: '),
    ],
)
def test_bad_inputs_are_errors(gallery, data, why):
    run = gallery.client.start('web/crawl', data).wait(timeout=20)
    assert run.state is State.ERROR
    assert why in run.output


def test_a_deploy_gives_it_back(server, worker, site):
    app = PyTask(server.url, lease=2, drain=0.1)
    app.discover(ROOT / 'tasks')
    running = worker(app)
    site.pages = {'/': links(*(f'/{n}' for n in range(90)))}
    run = app.client.start('web/crawl', {'url': site.url(), 'delay': 1})
    wait_until(lambda: run.refresh().progress == 1, 'the first page')
    running.shut_down('a deploy')
    wait_until(lambda: run.refresh().state is State.WAIT, 'the run is given back')
    assert run.stop() == 'applied'
    app.client.close()
