"""http/check: watch URLs, and report when one goes up or down.

    pytask run http/check urls:='["https://example.org/"]' every=30
    pytask run http/check urls:='["https://example.org/"]' looks=1     # once, for a script

Worth learning from: a task that lives until it is stopped, with one greenlet for each URL, and a `stop`
that ends what `start` waits for, so that a stopped run ends at once and still has an output. At the worker's
own shutdown the run is requeued instead, and the next worker starts it again.
"""

import time
from http.client import HTTPException
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import gevent

from pytask import Task

LONGEST_S = 24 * 60 * 60
AGENT = {'User-Agent': 'pytask http/check'}

# The handlers of `urlopen` except FTP and files, where a redirect must not lead.
web = request.OpenerDirector()
for handler in (
    request.ProxyHandler,
    request.UnknownHandler,
    request.HTTPHandler,
    request.HTTPSHandler,
    request.HTTPDefaultErrorHandler,
    request.HTTPRedirectHandler,
    request.HTTPErrorProcessor,
):
    web.add_handler(handler())


class Check(Task):
    """Check each URL every `every` seconds. It is up if it answers 2xx within `timeout`, redirects included.

    Emits `up` or `down` at the first check and at every change, with `url`, `latency_ms`, and `status` or
    `error`. Each URL is checked `looks` times, 0 for no limit; progress counts all checks.
    """

    NAME = 'http/check'
    DEMO = {'urls': ['http://localhost/'], 'every': 0.5, 'looks': 3}

    def __init__(self, urls: list[str], every: float = 10, timeout: float = 5, looks: int = 0) -> None:
        for name, value in (('every', every), ('timeout', timeout)):
            if not 0 < value <= LONGEST_S:
                raise self.Error(f'{name} must be more than 0 and at most one day, not {value:g} s')
        if not urls:
            raise self.Error('urls is empty; give at least one URL')
        for url in urls:
            if not is_web_url(url):
                raise self.Error(f'not an http or https URL: {url!r}')
        if looks < 0:
            raise self.Error(f'looks must be a number of checks per URL, or 0 for no limit, not {looks}')
        self.urls = list(dict.fromkeys(urls))
        self.limit = looks
        self.every_s, self.timeout_s = every, timeout
        self.looks = 0
        self.is_up: dict[str, bool] = {}
        self.watchers = []

    def start(self) -> dict[str, object]:
        self.watchers = [self.spawn(self.watch, url) for url in self.urls]
        self.join()
        return {
            'looks': self.looks,
            'up': [url for url in self.urls if self.is_up.get(url) is True],
            'down': [url for url in self.urls if self.is_up.get(url) is False],
        }

    def stop(self) -> None:
        # A check may take as long as its timeout, so end the watchers at once; then `start` continues.
        for watcher in self.watchers:
            watcher.kill(block=False)

    def watch(self, url: str) -> None:
        for turn in self.every(self.every_s):
            begun = time.monotonic()
            is_up, found = self.look(url)
            latency_ms = round((time.monotonic() - begun) * 1000, 1)
            self.looks += 1
            self.progress(self.looks)
            if self.is_up.get(url) is not is_up:
                self.is_up[url] = is_up
                self.emit('up' if is_up else 'down', {'url': url, 'latency_ms': latency_ms, **found})
            if turn + 1 == self.limit:
                return

    def look(self, url: str) -> tuple[bool, dict[str, object]]:
        """Return whether a URL is up, and its status or error. Reads no body."""
        # urllib's own timeout restarts with every packet and redirect; this one covers the whole check.
        limit = gevent.Timeout(self.timeout_s, TimeoutError(f'no answer within {self.timeout_s:g} s'))
        try:
            with limit, web.open(request.Request(url, headers=AGENT)) as answer:
                return True, {'status': answer.status}
        except HTTPError as error:
            with error:
                return False, {'status': error.code}
        except URLError as error:
            return False, {'error': str(error.reason)}
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a redirect to an invalid URL
            return False, {'error': str(error) or type(error).__name__}


def is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # `http://[oops`, or a port that is not a number
        return False
    is_plain = url.isascii() and url.isprintable() and ' ' not in url
    return is_plain and has_host and parts.scheme in ('http', 'https')
