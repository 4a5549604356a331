"""The web of `pytask dev`: opened once, by the process that stays, and served by whichever worker it has.

So the URL holds while code is reloaded, and a request that comes in between waits.
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

# As many `dev` may run at a time, each in a folder of its own.
TRIED = 100


class Place:
    """Where the page is: the first free port of this machine, from the usual one on, and who may come."""

    def __init__(self, text: str = '') -> None:
        _, first = split_address(text or DEFAULT)
        self._token = secrets.token_urlsafe(24)
        self._listening, self._note = _free(first)

    def words(self) -> dict[str, Any]:
        """Return what the worker's process needs, which inherits the descriptor."""
        return {'descriptor': self.descriptor, 'token': self._token, 'note': self._note}

    @property
    def descriptor(self) -> int:
        return self._listening.fileno()


def opened(app: PyTask, words: dict[str, Any]) -> tuple[Web, str]:
    """Return what serves there, and what to say of it. In `dev` every task is exposed."""
    from pytask.web.serving import serve_at

    os.set_inheritable(words['descriptor'], False)  # noqa: FBT003
    listening = socket.socket(fileno=os.dup(words['descriptor']))
    token = '' if app.settings.web_token else words['token']
    web, url = serve_at(app, listening, token, exposes_all=True)
    return web, f'web     {url}{words["note"]}'


def _free(first: int) -> tuple[socket.socket, str]:
    for port in range(first, first + TRIED):
        try:
            return listener('web', f':{port}', ('127.0.0.1', port)), '' if port == first else f'   {first} is taken'
        except OverflowError:  # past the last port there is
            break
        except ConfigError as error:
            if getattr(error.__cause__, 'errno', None) != errno.EADDRINUSE:
                raise
    raise ConfigError(f'no port of {first} to {first + TRIED - 1} is free for the page; go without:  --no-web')
