"""web/crawl: visit the pages of a site, politely, one at a time, and report broken links.

    pytask run web/crawl url=https://example.org/ pages=500         # follow it, print broken links
    pytask start web/crawl --id docs url=http://localhost:8000/ hosts:='["127.0.0.1:8000"]' delay=0.1
    pytask send docs delay seconds=5        # a longer delay, from now on
    pytask ask docs status
    pytask stop docs                        # at once; the output is what is known so far

Worth learning from: one child greenlet for each host, so that hosts are visited at the same time, but each
host by one request at a time. CPU work, such as finding links, runs in a thread with `self.offload`.
"""

import time
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from gevent.event import Event
from gevent.queue import Queue

from pytask import Task

from .page import AGENT, absolute, fetch, fetch_robots, links_of, rules_in

MAX_PAGES, MAX_BROKEN, MAX_DELAY_S = 100_000, 100, 60
TIMEOUT_S = 10


class Crawl(Task):
    """Emit `page` with `url`, `status`, `ms` and `links`, or `url` and `error`. Progress: visited of known pages.

    Only pages of the URL's own host and of `hosts` are visited, if robots.txt allows it, up to `depth` links away
    and `pages` in all. A redirect is a page with one link. A restarted run begins with the first page.
    """

    NAME = 'web/crawl'

    def __init__(
        self, url: str, hosts: list[str] | None = None, *, pages: int = 100, depth: int = 5, delay: float = 1
    ) -> None:
        first = absolute(url, '')
        if first is None:
            raise self.Error(f'not an http or https URL: {url!r}')
        if not 0 < pages <= MAX_PAGES:
            raise self.Error(f'pages must be 1 to {MAX_PAGES}, not {pages}')
        self.limit, self.depth = pages, depth
        self.on_delay(delay)
        origins = [first, *(absolute(f'http://{name}/', '') for name in hosts or ())]
        if None in origins:
            raise self.Error(f'each of hosts must be HOST or HOST:PORT, not {hosts}')
        self.waiting: dict[str, Queue] = {urlsplit(origin).netloc: Queue() for origin in origins}
        self.rules: dict[str, RobotFileParser] = {}
        self.known: set[str] = set()
        self.broken: list[dict[str, object]] = []
        self.done = self.forbidden = self.broken_count = 0
        self.over = Event()
        self.add(first, 0, None)

    def start(self) -> dict[str, object]:
        for host in self.waiting:
            self.spawn(self.crawl, host)
        self.over.wait()
        if 0 < self.done == self.broken_count:
            raise self.Error(f'no page could be read: {self.broken[0]["url"]}: {self.broken[0]["why"]}')
        return {**self.on_status(), 'broken': self.broken, 'more_broken': self.broken_count - len(self.broken)}

    def stop(self) -> None:
        self.over.set()  # the children end with the run

    def add(self, url: str, depth: int, source: str | None) -> None:
        waiting = self.waiting.get(urlsplit(url).netloc)
        if waiting is not None and url not in self.known and len(self.known) < self.limit and depth <= self.depth:
            self.known.add(url)
            waiting.put((url, depth, source))

    def crawl(self, host: str) -> None:
        for url, depth, source in self.waiting[host]:
            self.visit(host, url, depth, source)
            self.done += 1
            self.progress(self.done, target=len(self.known))
            if self.done == len(self.known):
                self.over.set()
            self.sleep(self.delay_of(host))

    def visit(self, host: str, url: str, depth: int, source: str | None) -> None:
        try:
            if not self.rules_of(host, url).can_fetch(AGENT, url):
                self.forbidden += 1
                return
            begun = time.monotonic()
            page = fetch(url, TIMEOUT_S)
        except OSError as error:
            self.emit('page', {'url': url, 'error': str(error)})
            self.report_broken(url, str(error), source)
            return
        ms = round((time.monotonic() - begun) * 1000)
        links = [page.redirect] if page.redirect else self.offload(links_of, page.text, url)
        self.emit('page', {'url': url, 'status': page.status, 'ms': ms, 'links': len(links)})
        if page.status >= 400:
            self.report_broken(url, page.status, source)
        for link in links:
            self.add(link, depth + (not page.redirect), url)

    def report_broken(self, url: str, why: object, source: str | None) -> None:
        self.broken_count += 1
        self.message(f'{url}: {why}' + (f'; linked from {source}' if source else ''))
        if len(self.broken) < MAX_BROKEN:  # an output should be short
            self.broken.append({'url': url, 'why': why, 'from': source})

    def rules_of(self, host: str, url: str) -> RobotFileParser:
        if host not in self.rules:
            self.rules[host] = self.offload(rules_in, fetch_robots(url, TIMEOUT_S))
            self.sleep(self.delay_of(host))
        return self.rules[host]

    def delay_of(self, host: str) -> float:
        wanted_s = self.rules[host].crawl_delay(AGENT) if host in self.rules else None
        return max(self.delay_s, min(float(wanted_s or 0), MAX_DELAY_S))

    def on_delay(self, seconds: float) -> None:
        if not 0 <= seconds <= MAX_DELAY_S:
            raise self.Error(f'delay must be 0 to {MAX_DELAY_S} s, not {seconds:g}')
        self.delay_s = seconds

    def on_status(self) -> dict[str, int]:
        counts = {'pages': self.done, 'known': len(self.known), 'forbidden': self.forbidden}
        return {**counts, 'broken': self.broken_count}
