"""Servers of other kinds: TLS, unix socket, a user with few rights, Cluster, and a primary under sentinels."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from functools import cache

import pytest
import redis
from support import ROOT, TestServer, wait_until

from pytask.embedded.server import free_port

REDIS_SERVER = shutil.which('redis-server')
OPENSSL = shutil.which('openssl')
PASSWORD = 'Sesame-42'  # so that it is found wherever it leaks


class UnixServer(TestServer):
    @property
    def path(self):
        return self.folder / 'redis.sock'

    @property
    def url(self):
        return f'unix://{self.path}?db=0'

    def start(self):
        self.more = ['--unixsocket', str(self.path)]
        return super().start()


class MinimalUserServer(TestServer):
    """Its URL has the user of docs/redis.rst; `client()` is still the default one, who may do everything."""

    @property
    def url(self):
        return f'redis://pytask:{PASSWORD}@127.0.0.1:{self.port}/0'

    def start(self):
        acl = self.folder / 'users.acl'
        acl.write_text(f'user default on nopass ~* &* +@all\n{minimal_user("", "a:", "{b}:")}\n')
        self.more = ['--aclfile', str(acl)]
        return super().start()


def minimal_user(*prefixes):
    """Return the line for users.acl that stands in docs/redis.rst, for these prefixes."""
    blocks = re.findall(
        r'^\.\. code:: text\n\n((?:    .*\n)+)', (ROOT / 'docs/redis.rst').read_text(), re.MULTILINE
    )
    [bare] = [block.strip() for block in blocks if 'user pytask' in block]
    [prefixed] = [block.strip() for block in blocks if block.strip().startswith('~orders:')]
    rights = [word for word in bare.replace('<password>', PASSWORD).split() if word[0] not in '~&']
    for prefix in prefixes:
        words = prefixed.replace('orders:', prefix) if prefix else bare
        rights += [word for word in words.split() if word[0] in '~&']
    return ' '.join(rights)


class ClusterServer(TestServer):
    """A cluster of one node, which serves every slot."""

    def start(self):
        self.more = ['--cluster-enabled', 'yes', '--cluster-port', str(free_port())]
        super().start()
        with self.client() as client:
            client.execute_command('CLUSTER', 'ADDSLOTSRANGE', 0, 16383)
            wait_until(lambda: client.execute_command('CLUSTER INFO')['cluster_state'] == 'ok', 'the cluster is up')
        return self


class TlsServer(TestServer):
    """Speaks TLS at `tls_port`, and plainly at `port` for foreign hands."""

    def __init__(self, binary, folder, certificates, name='good', *, wants_certificates=False):
        self.tls_port, self.certificates, wants = free_port(), certificates, 'yes' if wants_certificates else 'no'
        files = ['--tls-cert-file', certificates / f'{name}.crt', '--tls-key-file', certificates / f'{name}.key']
        files += ['--tls-ca-cert-file', certificates / 'ca.crt']
        more = ['--tls-port', self.tls_port, *files, '--tls-auth-clients', wants]
        super().__init__(binary, folder, more=map(str, more))

    @property
    def bare_url(self):
        return f'rediss://127.0.0.1:{self.tls_port}/0'

    @property
    def url(self):
        return f'{self.bare_url}?ssl_ca_certs={self.certificates / "ca.crt"}'


@cache
def why_no_tls():
    """Say why TLS can not be tested here; '' where it can."""
    if not OPENSSL or not REDIS_SERVER:
        return 'no openssl or no redis-server on PATH'
    # A server that was built without TLS does not know the option, and says so at once.
    tried = subprocess.run(
        [REDIS_SERVER, '--tls-port', '1', '--port', '0', '--bind', '127.0.0.1'], capture_output=True, text=True,
        timeout=10, check=False,
    )  # fmt: skip
    return '' if 'TLS' in tried.stdout else 'redis-server was built without TLS'


AUTHORITY = """
    [ca]
    default_ca = here
    [here]
    new_certs_dir = .
    database = index
    rand_serial = yes
    default_md = sha256
    policy = any
    copy_extensions = copy
    x509_extensions = leaf
    [any]
    commonName = supplied
    [leaf]
    basicConstraints = CA:FALSE
    subjectKeyIdentifier = hash
    authorityKeyIdentifier = keyid
    [req]
    distinguished_name = nobody
    x509_extensions = root
    [nobody]
    [root]
    basicConstraints = critical, CA:TRUE
    keyUsage = critical, keyCertSign, cRLSign
    subjectKeyIdentifier = hash
    authorityKeyIdentifier = keyid
"""


def make_certificates(folder):
    """Make an authority, and certificates: `good` for this host, `old` expired, `other` for another host."""
    (folder / 'ca.cnf').write_text(AUTHORITY.replace('\n    ', '\n'))
    (folder / 'index').touch()
    openssl(
        folder, 'req', '-x509', '-config', 'ca.cnf', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key',
        '-out', 'ca.crt', '-subj', '/CN=tests', '-days', '3650',
    )  # fmt: skip
    sign(folder, 'good', 'IP:127.0.0.1,DNS:localhost')
    sign(folder, 'old', 'IP:127.0.0.1', until='20210101000000Z')
    sign(folder, 'other', 'DNS:elsewhere.example')
    return folder


def sign(folder, name, hosts, until='20490101000000Z'):
    openssl(
        folder, 'req', '-config', 'ca.cnf', '-newkey', 'rsa:2048', '-nodes', '-keyout', f'{name}.key',
        '-out', f'{name}.csr', '-subj', f'/CN={name}', '-addext', f'subjectAltName={hosts}',
    )  # fmt: skip
    openssl(
        folder, 'ca', '-batch', '-notext', '-config', 'ca.cnf', '-keyfile', 'ca.key', '-cert', 'ca.crt',
        '-in', f'{name}.csr', '-out', f'{name}.crt', '-startdate', '20200101000000Z', '-enddate', until,
    )  # fmt: skip


def openssl(folder, *words):
    done = subprocess.run([OPENSSL, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


class Sentinel(TestServer):
    """One sentinel. It keeps what it learns in its configuration, so each has a file."""

    def __init__(self, binary, folder, primary, quorum, lines=()):
        super().__init__(binary, folder)
        service = Watched.SERVICE
        lines = [
            f'port {self.port}', 'bind 127.0.0.1', f'dir {folder}',
            f'sentinel monitor {service} 127.0.0.1 {primary.port} {quorum}',
            f'sentinel down-after-milliseconds {service} 1000', f'sentinel failover-timeout {service} 3000', *lines,
        ]  # fmt: skip
        (folder / 'sentinel.conf').write_text('\n'.join(lines) + '\n')

    def start(self):
        self.process = subprocess.Popen(
            [self.binary, str(self.folder / 'sentinel.conf'), '--sentinel'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self.answers, 'the sentinel answers')
        return self


class Watched:
    """A primary, its replicas, and sentinels that know one another: down after a second, and a majority decides."""

    SERVICE = 'orders'

    def __init__(self, binary, folder, replicas=2, sentinels=3, sentinel_lines=(), options=()):
        self._stack = ExitStack()
        self.servers = [TestServer(binary, folder / f'server-{i}') for i in range(replicas + 1)]
        for server in self.servers[1:]:
            server.more = ['--replicaof', '127.0.0.1', str(self.servers[0].port)]
        for server in self.servers:
            server.more += ['--repl-diskless-sync-delay', '0', *options]
        self.sentinels = [
            Sentinel(binary, folder / f'sentinel-{i}', self.servers[0], sentinels // 2 + 1, sentinel_lines)
            for i in range(sentinels)
        ]

    @property
    def places(self):
        return ','.join(f'127.0.0.1:{sentinel.port}' for sentinel in self.sentinels)

    @property
    def url(self):
        return f'redis+sentinel://{self.places}/{self.SERVICE}/0'

    def client(self):
        """A plain client of the present primary, for foreign hands."""
        return self.primary().client()

    def primary(self):
        """The server that the first sentinel names."""
        return next(server for server in self.servers if server.port == self.named(self.sentinels[0]))

    def named(self, sentinel):
        with sentinel.client() as client:
            return client.sentinel_get_master_addr_by_name(self.SERVICE)[1]

    def wait_for_another(self, old, timeout=30):
        """Wait until all sentinels name the same other primary than `old`, and it is one; return it."""

        def there_is():
            ports = {self.named(sentinel) for sentinel in self.sentinels}
            return len(ports) == 1 and old.port not in ports and self.role(self.primary()) == 'master'

        wait_until(there_is, 'another server is the primary', timeout)
        return self.primary()

    @staticmethod
    def role(server):
        with server.client(socket_timeout=1) as client:
            try:
                return client.role()[0]
            except redis.RedisError:
                return ''

    def is_complete(self):
        """Tell whether all have found one another."""
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                state = client.sentinel_master(self.SERVICE)
            if (state['num-other-sentinels'], state['num-slaves']) != (
                len(self.sentinels) - 1,
                len(self.servers) - 1,
            ):
                return False
        with self.servers[0].client() as client:
            return client.info('replication')['connected_slaves'] == len(self.servers) - 1

    def __enter__(self):
        with self._stack:
            for server in (*self.servers, *self.sentinels):
                self._stack.enter_context(server)
            wait_until(self.is_complete, 'sentinels and replicas know one another', 30)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()


needs_redis_server = pytest.mark.skipif(not REDIS_SERVER, reason='no redis-server on PATH')
