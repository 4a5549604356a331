"""Errors of redis-py and of sockets as pytask's own, with a first line that says what to do.

`Unavailable` if the server cannot serve now but may later, `ConfigError` if it never will with this setup, a plain
`PytaskError` for a bug of pytask.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from redis.exceptions import DataError, RedisError, ResponseError

from pytask.errors import ConfigError, PytaskError, Unavailable
from pytask.store.connection.sentinel import NoPrimary

if TYPE_CHECKING:
    from pytask.store.connection.server import ServerAddress

# redis-py removes the code of a reply for which it has a class, and adds classes with every version.
_CODES = {
    'AskError': 'ASK',
    'BusyLoadingError': 'LOADING',
    'ClusterCrossSlotError': 'CROSSSLOT',
    'ClusterDownError': 'CLUSTERDOWN',
    'MasterDownError': 'MASTERDOWN',
    'MovedError': 'MOVED',
    'NoPermissionError': 'NOPERM',
    'NoScriptError': 'NOSCRIPT',
    'OutOfMemoryError': 'OOM',
    'ReadOnlyError': 'READONLY',
    'TryAgainError': 'TRYAGAIN',
}
# A reply begins with its code; within a script, older servers wrap it: `Error running script …: -OOM command …`.
_FRONT = r'(?:^|: -)(?:%s)'
_NOT_NOW = re.compile(
    _FRONT
    % (
        'OOM|MISCONF|READONLY|LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|NOAUTH|NOPERM|WRONGPASS|UNBLOCKED'
        '|NOSCRIPT|ERR max number of clients'
        '|ERR Protocol error: unauthenticated|Protocol error: unauthenticated'
    )
    + "|ACL failure in script|user executing the script can't"  # Valkey, and Redis before 7
)
# It is no longer the primary, or it has lost its replicas, which may have elected another by now.
_MOVED = re.compile(_FRONT % 'READONLY|UNBLOCKED|MASTERDOWN|NOREPLICAS')
_CLUSTER = {
    'CROSSSLOT|hash to the same slot|non local key': (
        "this is a Redis Cluster, which needs a prefix with a hash tag: for example --prefix '{orders}:'"
    ),
    _FRONT % 'MOVED|ASK ': (
        'this Redis Cluster has several nodes, which pytask does not support yet: use a single server or Sentinel'
    ),
    'Hash slot not served': (
        'this Redis Cluster does not serve all hash slots: assign them (redis-cli --cluster fix), '
        'or use a single server or Sentinel'
    ),
}
_REMEDIES = {
    'NOAUTH|Authentication required|unauthenticated': 'it requires a password: redis://user:password@host:6379/0',
    'WRONGPASS|invalid username-password|invalid password': "it rejects the password of user '{user}'",
    'without any password|no password is set': 'it has no password, but the URL gives one: remove it',
    "NOPERM|ACL failure in script|user executing the script can't": (
        "its user '{user}' lacks a right that pytask needs: {text}; docs/redis.rst lists them"
    ),
    'used memory >': 'it is full: it has reached its maxmemory',
    'certificate has expired': 'its certificate has expired: renew it',
    "mismatch, (certificate is not valid for '.+?')": 'its {0}: use a host name that it lists',
    'CERTIFICATE_VERIFY_FAILED': 'its certificate is not trusted: {text}; give its issuer: ?ssl_ca_certs=PATH',
    'WRONG_VERSION_NUMBER': 'it does not speak TLS: without TLS, the URL begins with redis://',
    'CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE': (
        'it requires a client certificate: ?ssl_certfile=PATH&ssl_keyfile=PATH'
    ),
    # Its refusal may arrive after the end of the connection.
    'EOF occurred in violation|ended right after the TLS handshake': (
        'it closed the connection; perhaps it requires a client certificate: ?ssl_certfile=PATH&ssl_keyfile=PATH'
    ),
}


def explained(error: Exception, server: ServerAddress) -> PytaskError:
    """Return the exception to raise for an error of redis-py or of a socket."""
    full = f'{_CODES.get(type(error).__name__, "")} {error}'.strip()
    for pattern, words in _CLUSTER.items():
        if re.search(pattern, full):
            return ConfigError(f'cannot use Redis at {server.url}: {words}')
    if isinstance(error, ResponseError | DataError) and not _NOT_NOW.search(full):
        return PytaskError(f'Redis refused a command of pytask: {error}')
    if _MOVED.search(full):
        server.moved()
    return Unavailable(f'cannot use Redis at {server.url} ({_why(error, full, server.user)})')


def _why(error: Exception, full: str, user: str) -> str:
    text = re.sub(r'^Error -?\d+ connecting to \S+ ', '', str(error))
    text = (
        re.sub(r'^(?:\[\w+: \w+\] )?(?:certificate verify failed: )?| \(_ssl\.c:\d+\)', '', text)
        .strip()
        .rstrip('.')
    )
    if isinstance(error, RedisError) and not isinstance(error, NoPrimary):
        for pattern, words in _REMEDIES.items():
            found = re.search(pattern, full)
            if found:
                return words.format(*found.groups(), text=text, user=user)
    if not text:
        return type(error).__name__
    return text[:1].lower() + text[1:] if 'Error' in str(error) else text
