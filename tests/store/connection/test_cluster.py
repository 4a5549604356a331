"""A Redis Cluster: refused in words where it can not work, and used where it can: one node, a prefix with a tag."""

import pytest
from redis.exceptions import ResponseError
from servers import ClusterServer

from pytask import ConfigError, Unavailable
from pytask.store import NewRun, Store
from pytask.store.connection.errors import explained
from pytask.store.connection.server import ServerAddress

NEEDS_TAG = r"this is a Redis Cluster, which needs a prefix with a hash tag: for example --prefix '\{orders\}:'"
SEVERAL = 'this Redis Cluster has several nodes'

pytestmark = [pytest.mark.any_rights]


@pytest.fixture
def cluster(server_binary, tmp_path):
    with ClusterServer(server_binary, tmp_path / 'cluster') as running:
        yield running


@pytest.fixture
def store_of(cluster):
    made = []

    def store_of(prefix=''):
        made.append(Store(cluster.url, prefix))
        return made[-1]

    yield store_of
    for store in made:
        store.close()


def test_without_a_hash_tag_it_is_a_config_error(store_of):
    store = store_of('orders:')
    with pytest.raises(ConfigError, match=NEEDS_TAG):
        store.queues.start([NewRun('1', 'default', 'hello', b'{}')])
    with pytest.raises(ConfigError, match=NEEDS_TAG):
        store.workers.register('w', lease_ms=1000, fields={})


def test_with_a_hash_tag_it_is_a_server_like_others(store_of):
    store = store_of('{orders}:')
    assert store.queues.start([NewRun('1', 'default', 'hello', b'{}')]) == [True]
    assert store.queues.promote(10) == 0
    assert store.peek('default', 0.1)
    assert store.runs.starting_with('1', 10) == ['1']
    stream = store.events()
    store.publish('{orders}:task-1', '{"event":"page","data":1,"at":1,"seq":1}')
    assert stream.read(timeout_s=5).event == 'page'
    stream.close()


def test_another_nodes_slot_is_a_config_error(cluster, store_of):
    store = store_of('{orders}:')
    with cluster.client() as client:
        slot = client.execute_command('CLUSTER', 'KEYSLOT', '{orders}:task-')
        client.execute_command('CLUSTER', 'DELSLOTS', slot)
        client.config_set('cluster-require-full-coverage', 'no')
    with pytest.raises(ConfigError, match='does not serve all hash slots'):
        store.queues.promote(10)


@pytest.mark.parametrize(
    ('text', 'kind', 'words'),
    [
        ("CROSSSLOT Keys in request don't hash to the same slot", ConfigError, NEEDS_TAG),
        ('ERR Script attempted to access a non local key in a cluster node', ConfigError, NEEDS_TAG),
        ('MOVED 3999 127.0.0.1:6381', ConfigError, SEVERAL),
        ('ASK 3999 127.0.0.1:6381', ConfigError, SEVERAL),
        ('CLUSTERDOWN Hash slot not served', ConfigError, 'all hash slots'),
        ('CLUSTERDOWN The cluster is down', Unavailable, 'The cluster is down'),
        ('TRYAGAIN Multiple keys request during rehashing of slot', Unavailable, 'rehashing'),
    ],
)  # fmt: skip
def test_what_a_cluster_says_in_words_of_its_own(text, kind, words):
    from redis.connection import DefaultParser

    for error in (ResponseError(text), DefaultParser.parse_error(text)):
        found = explained(error, ServerAddress('redis://', 1))
        assert type(found) is kind
        with pytest.raises(kind, match=words):
            raise found
