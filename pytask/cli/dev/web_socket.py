"""The socket of the page in `pytask dev`: opened once by the supervisor, and served by each worker process in turn.

So the URL stays the same through reloads, and a request during a reload waits.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from typing import TYPE_CHECKING, Any

from pytask.errors import ConfigError
from pytask.net.addresses import split_address
from pytask.net.listen import listener
from pytask.web.serving import DEFAULT

if TYPE_CHECKING:
    from pytask.app.app import PyTask
    from pytask.web.server import Web

# As many `dev` can run at a time, each in a folder of its own.
TRIED = 100


class PageSocket:
    """Listens on the first free port of this machine, from the usual one on; has the token of the page."""

    def __init__(self, text: str = '') -> None:
        _, first = split_address(text or DEFAULT)
        self._token = secrets.token_urlsafe(24)
        self._listening, self._note = _free(first)

    def message(self) -> dict[str, Any]:
        """Return what the worker process needs, which inherits the descriptor."""
        return {'descriptor': self._listening.fileno(), 'token': self._token, 'note': self._note}


def opened(app: PyTask, message: dict[str, Any]) -> tuple[Web, str]:
    """Return the server of the page, and the line about it. In `dev` every task is exposed."""
    from pytask.web.serving import serve_at

    os.set_inheritable(message['descriptor'], False)  # noqa: FBT003
    listening = socket.socket(fileno=os.dup(message['descriptor']))
    token = '' if app.settings.web_token else message['token']
    web, url = serve_at(app, listening, token, exposes_all=True)
    return web, f'web     {url}{message["note"]}'


def _free(first: int) -> tuple[socket.socket, str]:
    for port in range(first, first + TRIED):
        try:
            return listener('web', f':{port}', ('127.0.0.1', port)), '' if port == first else f'   {first} is taken'
        except OverflowError:  # past the last port
            break
        except ConfigError as error:
            if getattr(error.__cause__, 'errno', None) != errno.EADDRINUSE:
                raise
    raise ConfigError(f'no port from {first} to {first + TRIED - 1} is free for the page; leave it out:  --no-web')
