"""Open the listening sockets of health and of the web."""

from __future__ import annotations

import errno
import socket

from pytask.errors import ConfigError

# The key of a WSGI environment under which our own server hands over the client's socket, if its answer is chunked.
SOCKET = 'pytask.socket'


def listener(setting: str, text: str, address: tuple[str, int]) -> socket.socket:
    """Listen on the address that a setting gives as `text`. Raises ConfigError, which names both."""
    host, port = address
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f'{setting} = {text!r}: {error.strerror or error}') from error
    # Head and body leave in two writes: without this a client that keeps its connection waits 40 ms for the second.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(found)
        listening.listen(128)
    except OSError as error:
        listening.close()
        why = f'port {port} is taken; name another one' if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigError(f'{setting} = {text!r}: {why}') from error
    return listening
