"""Resources outside a worker: made once, on first use, closed newest first."""

import os
import subprocess
import sys
import threading

import gevent
import pytest
from gevent.threadpool import ThreadPool

from pytask import ConfigError, NotFound, PyTask


@pytest.fixture
def app():
    app = PyTask('redis://127.0.0.1:1/0')
    yield app
    app.close_resources()


@pytest.fixture
def made(app):
    """Add resources a, b and c; return what was made and closed."""
    done = []
    for name in 'abc':
        app.add_resource(
            name, lambda name=name: done.append(f'made {name}') or name, lambda it: done.append(f'closed {it}')
        )
    return done


def test_a_resource_is_made_on_first_use_and_once(app, made):
    assert made == []
    assert [app.resource('a'), app.resource('a')] == ['a', 'a']
    assert made == ['made a']


def test_what_was_used_is_closed_newest_first(app, made):
    for name in 'bca':
        app.resource(name)
    app.close_resources()
    assert made[3:] == ['closed a', 'closed c', 'closed b']
    app.close_resources()
    assert len(made) == 6


def test_it_may_be_used_again_after_that(app, made):
    app.resource('a')
    app.close_resources()
    assert app.resource('a') == 'a'
    assert made == ['made a', 'closed a', 'made a']


def test_nothing_needs_to_be_closed(app):
    app.add_resource('none', lambda: None)
    assert app.resource('none') is None
    app.close_resources()


def test_an_unknown_name_lists_those_there_are(app, made):
    with pytest.raises(NotFound, match="no resource 'd'; the app has: a, b, c"):
        app.resource('d')
    with pytest.raises(NotFound, match='the app has: none'):
        PyTask('redis://127.0.0.1:1/0').resource('d')


def test_a_failing_factory_is_tried_again(app):
    errors = [OSError('not yet'), OSError('not yet either')]

    def factory():
        if errors:
            raise errors.pop()
        return 'there'

    app.add_resource('late', factory)
    for _ in range(2):
        with pytest.raises(OSError, match='not yet'):
            app.resource('late')
    assert app.resource('late') == 'there'


@pytest.mark.parametrize('kind', [OSError, SystemExit, KeyboardInterrupt])
def test_an_error_of_one_close_is_logged_and_the_others_are_closed(app, made, caplog, kind):
    def close(it):
        raise kind('it sticks')

    app.add_resource('sticky', lambda: 1, close)
    for name in ('a', 'sticky', 'b'):
        app.resource(name)
    app.close_resources()
    assert made[2:] == ['closed b', 'closed a']
    assert 'resource sticky was not closed: it sticks' in caplog.text


def test_many_threads_get_the_same_one(app):
    made, got, gate = [], [], threading.Barrier(8)

    def factory():
        made.append(object())
        threading.Event().wait(0.05)  # long enough for all of them to ask
        return made[-1]

    def ask():
        gate.wait()
        got.append(app.resource('pool'))

    app.add_resource('pool', factory)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert got == made * 8


def test_native_threads_and_greenlets_at_once_get_the_same_one(app):
    made, pool = [], ThreadPool(8)

    def factory():
        gevent.sleep(0.05)  # long enough for all of them to ask
        made.append(object())
        return made[-1]

    app.add_resource('pool', factory)
    asking = [gevent.spawn(app.resource, 'pool') for _ in range(4)]
    asking += [pool.spawn(app.resource, 'pool') for _ in range(8)]
    asking += [gevent.spawn(app.resource, 'pool') for _ in range(4)]
    with gevent.Timeout(10):
        got = [one.get() for one in asking]
    pool.kill()
    assert len(made) == 1
    assert got == made * 16


def test_one_may_need_another_but_not_itself(app):
    app.add_resource('settings', lambda: {'size': 3})
    app.add_resource('pool', lambda: [None] * app.resource('settings')['size'])
    app.add_resource('snake', lambda: app.resource('tail'))
    app.add_resource('tail', lambda: app.resource('snake'))
    assert len(app.resource('pool')) == 3
    with pytest.raises(ConfigError, match="the factory of resource 'snake' uses that resource itself"):
        app.resource('snake')


def test_two_of_one_name_are_refused_and_the_same_again_is_not(app):
    app.add_resource('list', list)
    app.add_resource('list', list)
    with pytest.raises(ConfigError, match="two resources are named 'list'"):
        app.add_resource('list', dict)


def test_they_are_listed_by_type(app):
    app.add_resource('lan', list, type='network')
    app.add_resource('db', list)
    assert (app.resources.names(), app.resources.names('network')) == (['db', 'lan'], ['lan'])


def test_a_script_closes_them_when_it_exits():
    script = """
from pytask import PyTask
app = PyTask('redis://127.0.0.1:1/0')
app.add_resource('file', lambda: 'it', lambda it: print('closed', it))
app.resource('file')
print('end')
"""
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split('\n')[:2] == ['end', 'closed it']


def test_a_fork_makes_its_own_and_leaves_the_others_alone():
    script = """
import os, sys
from pytask import PyTask
app = PyTask('redis://127.0.0.1:1/0')
app.add_resource('pid', os.getpid, lambda pid: print('closed', pid == os.getpid(), flush=True))
app.resource('pid')
if os.fork() == 0:
    print('own', app.resource('pid') == os.getpid(), flush=True)
    sys.exit()
os.wait()
"""
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.splitlines() == ['own True', 'closed True', 'closed True']
