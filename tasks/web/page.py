"""HTTP and HTML for web/crawl: fetch a page, find its links. It has no task, and does not use pytask.

A module next to tasks is imported as in any package: `from .page import fetch`.
"""

import html
import re
from dataclasses import dataclass
from http.client import HTTPException
from urllib import request
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.robotparser import RobotFileParser

import gevent

AGENT = 'pytask-crawl'
MAX_BYTES = 1024 * 1024
MAX_REDIRECTS = 5
HTML = ('text/html', 'application/xhtml+xml')
KEPT = "%/:=&?~+!$,;'@()*[]"
# Not a parser: the standard one takes minutes for a few KiB of unclosed tags.
TAG = re.compile(
    r'<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1|\Z)|<(?P<tag>a|area|base)\s(?P<rest>[^<>]{0,4000})>',
    re.I | re.S,
)
HREF = re.compile(r"""(?:^|[\s"'])href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.I)

# The handlers of `urlopen` except those that open files, follow redirects or raise for a status.
web = request.OpenerDirector()
for handler in (request.ProxyHandler, request.UnknownHandler, request.HTTPHandler, request.HTTPSHandler):
    web.add_handler(handler())


@dataclass(frozen=True)
class Page:
    status: int
    text: str
    redirect: str | None


def fetch(url: str, timeout_s: float, types: tuple[str, ...] = HTML) -> Page:
    """Fetch a page: at most MAX_BYTES, and only of these types. Raises OSError."""
    # urllib's own timeout restarts with every packet; this one covers the whole page.
    limit = gevent.Timeout(timeout_s, TimeoutError(f'no answer within {timeout_s:g} s'))
    try:
        with limit, web.open(request.Request(url, headers={'User-Agent': AGENT})) as answer:
            has_text = answer.headers.get_content_type() in types or not types
            body = answer.read(MAX_BYTES) if has_text else b''
            place = answer.headers.get('Location', '') if 300 <= answer.status < 400 else ''
            text = decoded(body, answer.headers.get_content_charset())
            return Page(answer.status, text, absolute(url, place) if place else None)
    except URLError as error:
        raise OSError(str(error.reason)) from error
    except (HTTPException, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from error


def fetch_robots(url: str, timeout_s: float) -> str:
    """Return the robots.txt of a page's host, '' if it has none. Raises OSError."""
    place = urljoin(url, '/robots.txt')
    for _ in range(MAX_REDIRECTS):
        page = fetch(place, timeout_s, types=())
        if page.redirect is None:
            break
        place = page.redirect
    if page.status >= 500:
        raise OSError(f'robots.txt answers {page.status}')  # the site has problems: leave it alone
    return page.text.lstrip('\ufeff') if page.status == 200 else ''


def rules_in(robots: str) -> RobotFileParser:
    """Parse a robots.txt; one that cannot be parsed forbids everything."""
    rules = RobotFileParser()
    try:
        rules.parse(robots.splitlines())
    except ValueError:  # a number of thousands of digits
        rules.disallow_all = True
    return rules


def links_of(text: str, url: str) -> list[str]:
    """Return the http and https URLs that a page links to, each once, without fragments."""
    links, base = {}, url
    for tag in TAG.finditer(text):
        href = HREF.search(tag['rest'] or '')
        if href is None:
            continue
        place = html.unescape(href[1] or href[2] or href[3] or '')
        if tag['tag'].lower() == 'base':
            base = absolute(url, place) or url
        else:
            links[place] = None
    return list(dict.fromkeys(link for place in links if (link := absolute(base, place))))


def absolute(base: str, place: str) -> str | None:
    """Return a full, normalized URL; None if it is not an http or https URL."""
    try:
        parts = urlsplit(urljoin(base, place.strip()))
        host, port = parts.hostname or '', parts.port
    except ValueError:  # `http://[oops`, or a port that is not a number
        return None
    if parts.scheme not in ('http', 'https') or not host.isascii() or not host or '@' in parts.netloc:
        return None
    host = f'[{host}]' if ':' in host else host
    if port not in (None, 443 if parts.scheme == 'https' else 80):
        host = f'{host}:{port}'
    return urlunsplit((parts.scheme, host, quote(parts.path or '/', KEPT), quote(parts.query, KEPT), ''))


def decoded(body: bytes, charset: str | None) -> str:
    try:
        return body.decode(charset or 'utf-8', 'replace')
    except (LookupError, ValueError):  # a charset that Python does not know
        return body.decode('utf-8', 'replace')
