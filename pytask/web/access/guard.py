"""Access control. Closed by default; its answers do not reveal whether a run or task exists.

It checks three things, in this order. The Host header, since an attacker's DNS name may point to this machine
(DNS rebinding). The caller: one that shows the token, as Bearer or by the cookie of /login, or one that `auth`
accepts. And, since browsers send cookies with requests of other sites too, that a request comes from our own page.

Hosts are compared without their ports: a tunnel changes the port, and an attacker's name is wrong on any port.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytask.config.settings import bad_token
from pytask.core.clock import monotonic_s
from pytask.errors import ConfigError
from pytask.web.access.roles import READ, ROLES, as_roles, check_auth
from pytask.web.request import Headers, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.web.request import Request

OWN_NAMES = ('localhost', '127.0.0.1', '::1')
# Wrong tokens that one client address may try in this many seconds, and how many addresses are remembered.
WRONG, WITHIN_S, ADDRESSES = 20, 10.0, 1000
CLOSED = """\
no one could use the web: there is neither a token nor `auth`
  - set a token:       PYTASK_WEB_TOKEN=..., 16 characters or more
  - or check access:   application(app, auth=...), or @app.auth"""


class AccessGuard:
    def __init__(
        self,
        *,
        auth: Callable[[dict[str, Any]], Any] | None = None,
        token: str = '',
        hosts: Sequence[str] = (),
        is_read_only: bool = False,
    ) -> None:
        if auth is None and not token:
            raise ConfigError(CLOSED)
        check_auth(auth)
        if token and (problem := bad_token(token)):
            raise ConfigError(f'token: {problem}')  # without the token itself: errors are logged
        self._auth, self.has_token = auth, bool(token)
        # Kept and compared as digests: they have equal length, and are useless to someone who reads memory.
        self._token = _digest(token)
        self._cookie = hmac.new(token.encode(), b'cookie', hashlib.sha256).hexdigest()
        self._hosts = frozenset({*OWN_NAMES, *(host.lower() for host in hosts)})
        self._is_read_only = is_read_only
        self._wrong: dict[str, deque[float]] = {}

    def check_host(self, request: Request) -> None:
        """Raise Problem unless the Host header names this server."""
        name = _host_name(request.header('host'))
        is_address = name is not None and _is_address(name)
        # An IP address is always accepted: DNS cannot point it anywhere else.
        if name is None or not (name in self._hosts or is_address or '*' in self._hosts):
            raise Problem(421, f'host {name or ""!r} is not allowed; add it to web_hosts')

    def check(self, request: Request, role: str) -> None:
        """Raise Problem unless the caller has this role and, if it is a browser, asks from our own page."""
        is_bearer = request.header('authorization').lower().startswith('bearer ')
        if role not in self._roles(request, is_bearer=is_bearer):
            raise Problem(403, f'permission denied: this needs the role {role!r}')
        if self._is_read_only and role != READ:
            raise Problem(403, 'this web is read-only')
        if not (self._is_from_us(request) or is_bearer):
            raise Problem(403, 'requests from other sites are not allowed')

    def login(self, request: Request) -> Headers:
        """Return the header that gives a browser its cookie. Raises Problem for a wrong token."""
        self._check_token(request.query().get('token', ''), request.address)
        is_tls = request.environ.get('wsgi.url_scheme') == 'https'
        parts = [f'{_cookie_name(request)}={self._cookie}', f'Path={request.root}/', 'HttpOnly', 'SameSite=Strict']
        return (('Set-Cookie', '; '.join([*parts, *(['Secure'] if is_tls else [])])),)

    def _roles(self, request: Request, *, is_bearer: bool) -> frozenset[str]:
        if self.has_token and _same(request.cookie(_cookie_name(request)), self._cookie):
            return ROLES
        if self._auth is not None and (roles := as_roles(self._auth(request.environ))):
            return roles
        if is_bearer and self.has_token:
            self._check_token(request.header('authorization')[len('bearer ') :].strip(), request.address)
            return ROLES
        if self._auth is not None:
            return frozenset()
        raise _unknown()

    def _check_token(self, text: str, address: str) -> None:
        if self.has_token and hmac.compare_digest(_digest(text), self._token):
            return
        # Only wrong tokens count: 16 characters cannot be guessed, and an attacker must not lock out the others.
        now = monotonic_s()
        wrong = self._wrong.pop(address, deque(maxlen=WRONG))
        self._wrong[address] = wrong
        if len(self._wrong) > ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        if len(wrong) == WRONG and now - wrong[0] < WITHIN_S:
            raise Problem(
                429, f'too many wrong tokens; wait {WITHIN_S:g} s', headers=(('Retry-After', str(round(WITHIN_S))),)
            )
        wrong.append(now)
        raise _unknown()

    @staticmethod
    def _is_from_us(request: Request) -> bool:
        site = request.header('sec-fetch-site')
        if site:
            return site in ('same-origin', 'none') or _is_followed_link(request)
        origin = request.header('origin')
        if origin:
            return _netloc(origin) == request.header('host').lower()
        # Browsers send Sec-Fetch-Site or Origin with every change, so a cookie without them is suspicious.
        return request.is_safe or not request.header('cookie')


def _is_followed_link(request: Request) -> bool:
    """Tell whether a user followed a link from another site to the page; that site cannot read the answer."""
    is_page = request.method == 'GET' and request.path == '/' and request.header('sec-fetch-mode') == 'navigate'
    return is_page and request.header('sec-fetch-dest') in ('', 'document')


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ''


def _unknown() -> Problem:
    how = 'open the URL with the token that was printed at start, or send the token as Authorization: Bearer'
    return Problem(401, how, headers=(('WWW-Authenticate', 'Bearer'),))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).digest()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(_digest(given), _digest(wanted))


def _cookie_name(request: Request) -> str:
    # All ports of a host share its cookies, and each may serve another web.
    return f'pytask-{request.environ.get("SERVER_PORT", "")}'


def _host_name(host: str) -> str | None:
    try:
        parts = urlsplit(f'//{host}')
        is_host = parts.netloc == host and '@' not in host and parts.port != 0
    except ValueError:
        return None
    return parts.hostname if is_host else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
