"""Addresses to listen on: `host:port`, or `:port` and `port` for this machine only."""

from __future__ import annotations

import ipaddress

LOOPBACK = '127.0.0.1'
_EVERY = {'0.0.0.0': LOOPBACK, '::': '::1'}


def split_address(text: str) -> tuple[str, int]:
    """Return (host, port). Raises ValueError, with a text for users."""
    host, _, port = text.strip().rpartition(':')
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError('must be host:port, :port or port, with a port from 1 to 65535')
    bare = host.removeprefix('[').removesuffix(']')
    if any(not c.isprintable() or c in ' /@[]' for c in bare) or (':' in bare and bare == host):
        raise ValueError(f'{host!r} is not a host name; write IPv6 addresses in brackets: [::1]:8080')
    return bare or LOOPBACK, int(port)


def to_call(address: tuple[str, int]) -> tuple[str, int]:
    """Return the address that a client on this machine connects to."""
    return _EVERY.get(address[0], address[0]), address[1]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can connect to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def url_of(address: tuple[str, int]) -> str:
    """Return the URL that a client on this machine opens."""
    host, port = to_call(address)
    return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'
