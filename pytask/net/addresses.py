"""Addresses to listen on: `host:port`, or `:port` and `port` for this machine alone."""

from __future__ import annotations

import ipaddress

LOOPBACK = '127.0.0.1'
_EVERY = {'0.0.0.0': LOOPBACK, '::': '::1'}


def split_address(text: str) -> tuple[str, int]:
    """Return (host, port). Raises ValueError, in plain words."""
    host, _, port = text.strip().rpartition(':')
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError('must be host:port, :port or port, with a port of 1 to 65535')
    bare = host.removeprefix('[').removesuffix(']')
    if any(not c.isprintable() or c in ' /@[]' for c in bare) or (':' in bare and bare == host):
        raise ValueError(f'{host!r} is not a host; IPv6 stands in brackets: [::1]:8080')
    return bare or LOOPBACK, int(port)


def to_call(address: tuple[str, int]) -> tuple[str, int]:
    """Return where a client finds what listens there: on every interface means on this machine too."""
    return _EVERY.get(address[0], address[0]), address[1]


def is_loopback(host: str) -> bool:
    """Tell whether what listens there is for this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


def url_of(address: tuple[str, int]) -> str:
    """Return where a client finds what listens there, as a URL."""
    host, port = to_call(address)
    return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'
