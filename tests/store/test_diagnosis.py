"""The checkup that `pytask doctor` makes: what it may ask, what lacks, what is in our way."""

import re

import pytest
from servers import MinimalUserServer
from support import ROOT

from pytask.store import Store
from pytask.store.diagnosis import Checkup, needed_commands

# For Sentinel, and for another database than 0: a connection without them fails before anything can be asked.
NOT_TRIED = {'role', 'select', 'subscribe', 'psubscribe'}


@pytest.fixture
def checkup(store):
    return Checkup(store.db, store.keys)


def test_the_user_of_the_documents_lacks_nothing_and_nothing_is_left_behind(checkup, redis):
    assert checkup.lacking() == []
    assert not redis.keys('*')


@pytest.mark.every_server
def test_what_the_minimal_user_may_not_ask_is_not_known(checkup, server):
    is_minimal = isinstance(server, MinimalUserServer)
    assert bool(checkup.info()) != is_minimal
    assert bool(checkup.config('appendfsync')) != is_minimal
    assert (checkup.foreign_keys() is None) == is_minimal
    assert 0 < checkup.latency_ms() < 5000
    assert abs(checkup.ahead_s()) < 5


def test_every_right_of_the_documents_is_tried():
    line = re.search(r'^    user pytask .*$', (ROOT / 'docs/redis.rst').read_text(), re.MULTILINE)[0]
    documented = {word[1:] for word in line.split() if word.startswith('+')}
    assert needed_commands() == documented - NOT_TRIED


@pytest.mark.any_rights
def test_every_right_that_lacks_is_named(server, redis):
    redis.acl_setuser('me', enabled=True, nopass=True, commands=['-@all', '+ping', '+set', '+del'], keys=['*'])
    store = Store(server.url.replace('//', '//me:x@'))
    try:
        lacking = Checkup(store.db, store.keys).lacking()
    finally:
        store.close()
    commands = {name for name in lacking if ' ' not in name}
    assert commands == needed_commands() - {'ping', 'set', 'del'}
    assert not redis.keys('*')


@pytest.mark.any_rights
@pytest.mark.parametrize(
    'right', ['hset', 'lpush', 'rpush', 'zadd', 'evalsha', 'script|load', 'blmove', 'scan', 'set']
)
def test_each_right_that_lacks_is_named(server, redis, right):
    redis.acl_setuser('me', enabled=True, nopass=True, commands=['+@all', f'-{right}'], keys=['*'], channels=['*'])
    store = Store(server.url.replace('//', '//me:x@'))
    try:
        lacking = Checkup(store.db, store.keys).lacking()
    finally:
        store.close()
    # A pattern must stand there letter by letter: `*` is not enough.
    assert [name for name in lacking if 'subscribe' not in name] == [right]
    assert not redis.keys('*')


@pytest.mark.any_rights
def test_our_names_with_other_types_are_found_within_the_prefix(server, redis):
    for key in ('task-1', 'a:task-1', 'a:new-task-mail', 'a:ended-SUCCESS', 'a:stats', 'a:something-else'):
        redis.set(key, 'x')
    redis.hset('a:task-2', 'task', 'hello')
    redis.lpush('a:parked-hello', '1')
    store = Store(server.url, 'a:')
    try:
        found = Checkup(store.db, store.keys).foreign_keys()
    finally:
        store.close()
    assert sorted(found) == [
        ('a:ended-SUCCESS', 'string', 'zset'),
        ('a:new-task-mail', 'string', 'list'),
        ('a:stats', 'string', 'hash'),
        ('a:task-1', 'string', 'hash'),
    ]
