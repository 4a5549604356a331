"""`pytask` against Redis in other places: TLS, a unix socket, a user with few rights, a Cluster of one node."""

import pytest
from servers import (
    PASSWORD,
    REDIS_SERVER,
    ClusterServer,
    MinimalUserServer,
    TlsServer,
    UnixServer,
    make_certificates,
    needs_redis_server,
    why_no_tls,
)
from support import Processes, check_keys, wait_until

pytestmark = [needs_redis_server, pytest.mark.timeout(120)]

TASKS = """
    from pytask import Task, task

    @task
    def hello(name='world'):
        return f'hello {name}'

    class Forever(Task):
        def start(self):
            for n in self.every(0.05):
                self.progress(n)
        def stop(self):
            pass
"""
TAG = '{orders}:'


@pytest.fixture
def cluster(tmp_path):
    with ClusterServer(REDIS_SERVER, tmp_path / 'cluster') as running:
        yield running


@pytest.fixture(params=['minimal-user', 'unix', 'tls', 'cluster'])
def place(request, tmp_path, tmp_path_factory):
    """A server, and the prefix that it needs."""
    if request.param == 'tls':
        if why_no_tls():
            pytest.skip(why_no_tls())
        running = TlsServer(REDIS_SERVER, tmp_path / 'server', make_certificates(tmp_path))
    elif request.param == 'unix':
        running = UnixServer(REDIS_SERVER, tmp_path_factory.mktemp('u'))
    else:
        kind = {'minimal-user': MinimalUserServer, 'cluster': ClusterServer}[request.param]
        running = kind(REDIS_SERVER, tmp_path / 'server')
    with running:
        yield running, TAG if request.param == 'cluster' else ''


def test_a_worker_works_there_and_the_command_line_too(place, tmp_path):
    server, prefix = place
    with Processes(server, tmp_path) as processes, server.client() as client:
        options = ['--prefix', prefix] if prefix else []

        def pytask(*words, code=0):
            done = processes.run(*words, *options)
            assert done.returncode == code, done.stderr
            return done.stdout

        process = processes.start('worker', '--tasks', str(processes.tasks(TASKS)), '--lease', '2', *options)
        wait_until(lambda: client.zcard(f'{prefix}workers'), 'the worker registers', 20)
        assert pytask('run', 'hello', 'name=you').strip().endswith('hello you')
        run_id = pytask('start', 'forever').strip()
        wait_until(lambda: client.hget(f'{prefix}task-{run_id}', 'progress'), 'it runs, and tells how far')
        # Foreign hands, and a command that is heard, not read.
        client.hset(f'{prefix}task-7', mapping={'task': 'hello', 'data': '{}'})
        client.lpush(f'{prefix}new-task', '7')
        wait_until(lambda: client.hget(f'{prefix}task-7', 'state') == 'SUCCESS', 'the run of foreign hands ends')
        assert client.publish(f'{prefix}task-{run_id}-control', 'stop') >= 1
        wait_until(lambda: client.hget(f'{prefix}task-{run_id}', 'state') == 'STOPPED', 'it stops')
        for words in (['ls'], ['show', run_id], ['workers'], ['retry', '7'], ['wait', '7'], ['rm', '7']):
            pytask(*words)
        process.terminate()
        assert process.wait(30) == 0
        said = process.communicate()[1]
        assert 'ERROR' not in said
        assert PASSWORD not in said
        check_keys(client, prefix)


@pytest.mark.parametrize('words', [['worker'], ['start', 'hello']])
def test_a_cluster_without_a_hash_tag_is_a_bad_setting(cluster, tmp_path, words):
    with Processes(cluster, tmp_path) as processes:
        processes.tasks(TASKS)
        done = processes.run(*words)
    assert done.returncode == 78
    assert (
        "a Redis Cluster, which needs a prefix with a hash tag: for example --prefix '{orders}:'"
        in (done.stderr.splitlines()[-1])
    )


@pytest.mark.parametrize('words', [['worker'], ['start', 'hello'], ['ls']])
def test_a_wrong_password_is_told_and_not_shown(tmp_path, words):
    with MinimalUserServer(REDIS_SERVER, tmp_path / 'server') as server, Processes(server, tmp_path) as processes:
        processes.tasks(TASKS)
        done = processes.run(*words, PYTASK_REDIS=server.url.replace(PASSWORD, 'Open-Sesame'))
    assert done.returncode == 69
    assert "it rejects the password of user 'pytask'" in done.stderr
    assert 'Open-Sesame' not in done.stderr + done.stdout
