"""Opens the web at an address: for this machine alone, unless somebody has said who else is let in."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from pytask.errors import ConfigError
from pytask.net.addresses import is_loopback, split_address, url_of

if TYPE_CHECKING:
    import socket

    from pytask.app.app import PyTask
    from pytask.web.server import Web

DEFAULT = ':8275'  # it spells TASK
OPEN_TO_ALL = """\
web = {text!r} is for others than this machine, and anybody could start tasks there
  - a token:          PYTASK_WEB_TOKEN=..., 16 characters or more
  - or your own rules:  @app.auth
  - or stay at home:  {port}"""


def open_web(app: PyTask) -> tuple[Web, str]:
    """Listen where the settings say; return what serves there, and the URL to open. Raises ConfigError."""
    from pytask.net.listen import listener

    text = app.settings.web
    address = split_address(text)
    if not (is_loopback(address[0]) or app.settings.web_token or app.web_auth):
        raise ConfigError(OPEN_TO_ALL.format(text=text, port=f':{address[1]}'))
    return serve_at(app, listener('web', text, address), made_token(app), host=address[0])


def web_of(app: PyTask) -> Web | None:
    """Return the web of an app, to be beside its worker; None where no address is set. Raises ConfigError."""
    if not app.settings.web:
        return None
    web, url = open_web(app)
    # Not by the log, which is kept: it holds the token.
    sys.stderr.write(f'web on {url}\n')
    return web


def made_token(app: PyTask) -> str:
    """Return a token for this time, '' where the app says who is let in."""
    return '' if app.settings.web_token or app.web_auth else secrets.token_urlsafe(24)


def serve_at(
    app: PyTask, listening: socket.socket, token: str, *, host: str = '', exposes_all: bool = False
) -> tuple[Web, str]:
    """Serve on a socket that listens; `token` is one that was made, and stands in the URL then."""
    from pytask.web.access.guard import Guard
    from pytask.web.server import Web
    from pytask.web.wsgi import Site

    settings = app.settings
    guard = Guard(
        auth=app.web_auth, token=token or settings.web_token, hosts=[*settings.web_hosts, *filter(None, [host])],
        is_read_only=settings.web_read_only,
    )  # fmt: skip
    address = listening.getsockname()[:2]
    return Web(Site(app, guard, exposes_all=exposes_all), listening), url_with(address, token)


def url_with(address: tuple[str, int], token: str) -> str:
    return f'{url_of(address)}/{f"login?token={token}" if token else ""}'
