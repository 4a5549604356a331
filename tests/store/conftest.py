"""A store on a fresh server, and what was published there."""

import json

import pytest
import redis as redis_py
from hands import Hands

from pytask.store import Store


@pytest.fixture
def store(server):
    store = Store(server.url)
    yield store
    store.close()


@pytest.fixture
def raw(server):
    """A client that decodes nothing, for ids and data that are no text."""
    client = redis_py.Redis(port=server.port, protocol=2)
    yield client
    client.close()


@pytest.fixture
def hands(store, redis, raw):
    return Hands(store, redis, raw)


@pytest.fixture
def heard(redis):
    """Listen on all channels; `heard()` returns what was published since the last call, as (channel, message)."""
    pubsub = redis.pubsub()
    pubsub.psubscribe('*')
    while not pubsub.subscribed or pubsub.get_message(timeout=5)['type'] != 'psubscribe':
        pass

    def heard():
        redis.publish('the end', '')
        found = []
        while (message := pubsub.get_message(timeout=5)) and message['channel'] != 'the end':
            found.append((message['channel'], message['data']))
        return found

    yield heard
    pubsub.close()


@pytest.fixture
def events(heard):
    """Like `heard`, for events only: (run id, event, data)."""

    def events():
        texts = [(channel, json.loads(text)) for channel, text in heard() if not channel.endswith('-control')]
        return [(channel.removeprefix('task-'), event['event'], event['data']) for channel, event in texts]

    return events
