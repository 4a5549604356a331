"""Passwords and rights: what is said when they lack, and the minimal user of docs/redis.rst."""

import re

import pytest
from servers import PASSWORD, MinimalUserServer, minimal_user
from support import ROOT

from pytask import Unavailable
from pytask.store import Store

STORE = ROOT / 'pytask/store'


@pytest.fixture
def trouble(server):
    """Return what a store of this server says in vain, for a user and password of its own."""

    def trouble(who='', ask=Store.ping):
        store = Store(server.url.replace('//', f'//{who}'), timeout_s=1)
        try:
            with pytest.raises(Unavailable) as caught:
                ask(store)
        finally:
            store.close()
        assert PASSWORD not in str(caught.value)
        return str(caught.value).removeprefix(f'cannot use Redis at {store.db.url} ').strip('()')

    return trouble


pytestmark = [pytest.mark.any_rights, pytest.mark.every_server]


def test_a_server_that_wants_a_password_says_how_to_write_it(trouble, redis):
    redis.config_set('requirepass', PASSWORD)
    assert trouble() == 'it requires a password: redis://user:password@host:6379/0'


@pytest.mark.parametrize(('who', 'user'), [('', 'default'), ('me', 'me')])
def test_a_wrong_password_is_that_of_whom(trouble, redis, who, user):
    redis.config_set('requirepass', 'another')
    assert trouble(f'{who}:{PASSWORD}@') == f"it rejects the password of user '{user}'"


def test_a_password_that_nobody_asked_for(trouble):
    assert trouble(f':{PASSWORD}@') == 'it has no password, but the URL gives one: remove it'


def permit(redis, **rights):
    redis.acl_setuser('me', enabled=True, passwords=[f'+{PASSWORD}'], **rights)


def test_a_right_that_lacks_is_named(trouble, redis):
    permit(redis, commands=['+ping'], keys=['*'])
    why = trouble(f'me:{PASSWORD}@', lambda store: store.runs.read(['1']))
    assert why.startswith("its user 'me' lacks a right that pytask needs: ")
    assert 'hgetall' in why
    assert why.endswith('; docs/redis.rst lists them')


def test_a_right_that_lacks_within_a_script_is_named(trouble, redis):
    permit(redis, commands=['+evalsha', '+script|load'], keys=['*'])
    why = trouble(f'me:{PASSWORD}@', lambda store: store.queues.promote(1))
    assert why.startswith("its user 'me' lacks a right that pytask needs: ")


def test_a_lacking_right_to_load_scripts_is_not_called_a_bug(trouble, redis):
    permit(redis, commands=['+evalsha'], keys=['*'])
    assert 'script' in trouble(f'me:{PASSWORD}@', lambda store: store.queues.promote(1))


def test_keys_that_may_not_be_touched_are_told(trouble, redis):
    permit(redis, commands=['+@all'], keys=['orders:*'])
    why = trouble(f'me:{PASSWORD}@', lambda store: store.runs.read(['1']))
    assert why.startswith("its user 'me' lacks a right that pytask needs: ")


def test_a_pattern_of_channels_must_stand_there_literally(trouble, redis):
    permit(redis, commands=['+@all'], keys=['*'])
    redis.execute_command('ACL', 'SETUSER', 'me', 'resetchannels', '&*task*')
    why = trouble(f'me:{PASSWORD}@', lambda store: store.events())
    assert why.startswith("its user 'me' lacks a right that pytask needs: ")
    assert 'channel' in why


def test_what_an_old_server_says_from_within_a_script():
    from redis.exceptions import ResponseError

    from pytask.store.connection.errors import explained
    from pytask.store.connection.server import ServerAddress

    text = (
        'Error running script (call to f_0a9a51ee): @user_script:41: @user_script: 41: '
        "The user executing the script can't run this command or subcommand"
    )
    error = explained(ResponseError(text), ServerAddress('redis://me:pw@h', 1))
    assert isinstance(error, Unavailable)
    assert "its user 'me' lacks a right" in str(error)


# The minimal user. A test of each script runs as it, and with `--all` the whole of tests/store.


def documented():
    return {word[1:] for word in minimal_user('').split() if word.startswith('+')}


def used():
    """Every command that stands in a script, or in a tuple that goes to `call` or `pipe`."""
    scripts = ''.join(path.read_text() for path in STORE.rglob('*.lua'))
    # The diagnosis may be refused what it asks: that is an answer, too.
    python = ''.join(path.read_text() for path in STORE.rglob('*.py') if path.name != 'diagnosis.py')
    found = set(re.findall(r"redis\.p?call\('([A-Z]+)'", scripts)) | set(re.findall(r"[(]'([A-Z]{3,})'", python))
    found = {name.lower() for name in found} - {'sentinel', 'withscores'}
    return found - {'script'} | {'script|load', 'subscribe', 'psubscribe', 'select'}


def test_the_documented_rights_are_those_that_are_used():
    missing, surplus = used() - documented(), documented() - used()
    assert not missing, (
        f'docs/redis.rst: add {" ".join(f"+{name}" for name in sorted(missing))} to the minimal user'
    )
    assert not surplus, f'docs/redis.rst: pytask uses no more {" ".join(sorted(surplus))}'


@pytest.mark.one_server
def test_the_minimal_user_can_do_no_harm_beyond_pytask(server_binary, tmp_path):
    with MinimalUserServer(server_binary, tmp_path / 'acl') as server:
        store = Store(server.url)
        try:
            for command in (
                ('KEYS', '*'), ('FLUSHALL',), ('CONFIG', 'GET', '*'), ('ACL', 'WHOAMI'), ('SCRIPT', 'FLUSH'),
                ('EVAL', 'return 1', 0), ('CLIENT', 'LIST'), ('SHUTDOWN',), ('MONITOR',),
                ('HGET', 'session', 'user'), ('PUBLISH', 'news', 'x'), ('LRANGE', 'other:new-task', 0, -1),
            ):  # fmt: skip
                with pytest.raises(Unavailable, match='lacks a right'):
                    store.db.call(*command)
        finally:
            store.close()
