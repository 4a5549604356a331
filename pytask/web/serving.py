"""Open the web on an address: on this machine only, unless the app or its settings say who else has access."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from pytask.errors import ConfigError
from pytask.net.addresses import is_loopback, split_address, url_of
from pytask.web import application

if TYPE_CHECKING:
    import socket

    from pytask.app.app import PyTask
    from pytask.web.server import Web

DEFAULT = ':8275'  # spells TASK
OPEN_TO_ALL = """\
web = {text!r} is reachable from other machines, so anyone there could start tasks
  - set a token:         PYTASK_WEB_TOKEN=..., 16 characters or more
  - or check access:     @app.auth
  - or stay local:       {port}"""


def open_web(app: PyTask) -> tuple[Web, str]:
    """Listen where the settings say; return what serves there, and the URL to open. Raises ConfigError."""
    from pytask.net.listen import listener

    text = app.settings.web
    address = split_address(text)
    if not (is_loopback(address[0]) or app.settings.web_token or app.web_auth):
        raise ConfigError(OPEN_TO_ALL.format(text=text, port=f':{address[1]}'))
    token = '' if app.settings.web_token or app.web_auth else secrets.token_urlsafe(24)
    return serve_at(app, listener('web', text, address), token, host=address[0])


def web_of(app: PyTask) -> Web | None:
    """Return the web to run beside the worker of an app, None if the setting `web` is empty. Raises ConfigError."""
    if not app.settings.web:
        return None
    web, url = open_web(app)
    sys.stderr.write(f'web on {url}\n')  # not logged: logs are kept, and the URL holds the token
    return web


def serve_at(
    app: PyTask, listening: socket.socket, token: str, *, host: str = '', exposes_all: bool = False
) -> tuple[Web, str]:
    """Serve on a listening socket; `token` is a generated one, which becomes part of the URL."""
    from pytask.web.server import Web

    site = application(app, token=token, hosts=[host] if host else [], exposes_all=exposes_all)
    login = f'login?token={token}' if token else ''
    return Web(site, listening), f'{url_of(listening.getsockname()[:2])}/{login}'
