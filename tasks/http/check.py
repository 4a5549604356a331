"""http/check: watch some URLs, and tell when one comes up or goes down.

    pytask run http/check urls:='["https://example.org/"]' every=30
    pytask run http/check urls:='["https://example.org/"]' looks=1     # once, for a script

Worth learning from: a task that lives until it is stopped, with one greenlet for each URL; and a
`stop` that lets go of what `start` waits for. Thanks to it a stop ends at once, and still has an output.
The worker's own shutdown is another thing: it gives the run back, and the next worker begins it anew.
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

# What `urlopen` uses, less its FTP and file handlers: a redirect must not lead there.
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
    """Look at each URL every so many seconds. Up is what answers 2xx, after redirects, within `timeout`.

    Events `up` and `down` come with the first look and with every change: `url`, `latency_ms`, and the
    `status` that was answered or the `error` that stood in its place. Progress counts the looks, of which
    each URL gets `looks`; 0 means until it is stopped.
    """

    NAME = 'http/check'
    DEMO = {'urls': ['http://localhost/'], 'every': 0.5, 'looks': 3}

    def __init__(self, urls: list[str], every: float = 10, timeout: float = 5, looks: int = 0) -> None:
        for name, value in (('every', every), ('timeout', timeout)):
            if not 0 < value <= LONGEST_S:
                raise self.Error(f'{name} is {value:g} s; it must be more than 0 and at most a day')
        if not urls:
            raise self.Error('no URL to look at; give at least one in urls')
        for url in urls:
            if not is_web_url(url):
                raise self.Error(f'not an http or https URL: {url!r}')
        if looks < 0:
            raise self.Error(f'looks is {looks}; it must be the number of looks at each URL, or 0 for no end')
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
        # A look may take until its timeout: end the watchers where they are, then `start` goes on.
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
        """Ask once, and say whether it is up, and the status or the error. Reads no body."""
        # urllib's own timeout begins anew with every packet and redirect; this one holds for the whole look.
        limit = gevent.Timeout(self.timeout_s, TimeoutError(f'no answer within {self.timeout_s:g} s'))
        try:
            with limit, web.open(request.Request(url, headers=AGENT)) as answer:
                return True, {'status': answer.status}
        except HTTPError as error:
            with error:
                return False, {'status': error.code}
        except URLError as error:
            return False, {'error': str(error.reason)}
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a redirect to what is no URL
            return False, {'error': str(error) or type(error).__name__}


def is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # `http://[oops`, or a port that is no number
        return False
    is_plain = url.isascii() and url.isprintable() and ' ' not in url
    return is_plain and has_host and parts.scheme in ('http', 'https')
