"""A second `pytask dev` in a folder joins the first one's server, and keeps it when the first one ends."""

import os
import signal

import psutil
import pytest
import redis as redis_py
from devs import Devs, is_there
from support import wait_until

from pytask.embedded.server import EmbeddedServer

pytestmark = pytest.mark.one_server

TASKS = """
    from pytask import task

    @task
    def answer():
        return 42
"""
GREETED = 'Try, in another terminal'
JOINED = 'joined: another `dev` runs it'
ANEW = 'it had exited; this `dev` restarted it'


@pytest.fixture
def devs(tmp_path, server_binary):
    with Devs(tmp_path, server_binary) as devs:
        devs.save('tasks/some.py', TASKS)
        yield devs


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGKILL], ids=['ctrl-c', 'kill'])
@pytest.mark.parametrize('words', [(), ('--no-reload',)], ids=['reload', 'no-reload'])
def test_the_second_keeps_the_server_with_its_data_when_the_first_ends(devs, how, words):
    first = devs.start()
    first.shows(GREETED)
    second = devs.start(*words)
    assert JOINED in second.shows(GREETED)
    server = devs.server
    assert devs.run('start', 'nobody-knows-this', '--id', 'kept')[0] == 0
    first.process.send_signal(how)
    first.ended()
    second.shows(ANEW)
    assert devs.server['port'] == server['port']
    assert devs.server['pid'] != server['pid']
    assert devs.hash_of('kept')['task'] == 'nobody-knows-this'
    assert devs.run('run', 'answer') == (0, '42\n')
    own = psutil.Process(devs.server['pid'])
    second.process.send_signal(signal.SIGINT)
    assert second.ended() == 0
    wait_until(lambda: not is_there(own), 'the server is gone')


def test_of_three_one_goes_on_alone(devs):
    started = [devs.start() for _ in range(3)]
    for dev in started:
        dev.shows(GREETED)
    assert sum(JOINED in dev.text for dev in started) == 2
    for dev in sorted(started, key=lambda dev: JOINED in dev.text)[:2]:
        dev.process.send_signal(signal.SIGINT)
        assert dev.ended() == 0
    [left] = [dev for dev in started if dev.process.poll() is None]
    left.shows(ANEW)
    assert devs.run('run', 'answer') == (0, '42\n')


def test_a_server_that_died_is_started_anew_by_its_own_dev(devs):
    dev = devs.start()
    dev.shows(GREETED)
    os.kill(devs.server['pid'], signal.SIGKILL)
    dev.shows(ANEW)
    assert devs.run('run', 'answer') == (0, '42\n')


def test_a_cut_connection_is_no_end_of_the_server(tmp_path, server_binary, monkeypatch):
    monkeypatch.setenv('PYTASK_REDIS_SERVER', server_binary)
    with EmbeddedServer(tmp_path) as server:
        pid = server.pid
        with redis_py.Redis.from_url(server.url) as client:
            client.client_kill_filter(_type='normal', skipme=True)
        wait_until(lambda: not server._is_there(), 'it is cut')
        assert not server.keep()
        assert not server.keep()
        assert (server.pid, server._is_there()) == (pid, True)
