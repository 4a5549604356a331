"""`pytask doctor`: each bad state is made on a real server, or in a real process, and found."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys

import gevent
import pytest
from gevent.server import StreamServer
from support import wait_until
from trial import TASKS

import pytask

pytestmark = pytest.mark.one_server


@pytest.fixture
def doctor(processes, redis):
    """Return what `pytask doctor` finds: the exit code, and (check, level) → findings."""
    redis.config_set('appendonly', 'yes')
    redis.config_set('appendfsync', 'everysec')

    def doctor(*words, run=processes.run, **environment):
        done = run('doctor', '--json', *words, **environment)
        assert 'Traceback' not in done.stderr, done.stderr
        found = {}
        for line in done.stdout.splitlines():
            one = json.loads(line)
            found.setdefault((one['check'], one['level']), []).append(one)
        return done.returncode, found

    return doctor


def wrong(found):
    return sorted({check for check, level in found if level == 'wrong'})


def only(found, check, level='wrong'):
    [one] = found[check, level]
    assert one['remedy'], one
    return one['text']


def test_where_all_is_well_it_says_what_it_looked_at(doctor, processes):
    processes.tasks(TASKS)
    processes.worker()
    code, found = doctor()
    assert (code, wrong(found)) == (0, [])
    assert {
        'versions',
        'redis',
        'latency',
        'clock',
        'persistence',
        'memory',
        'rights',
        'keys',
        'workers',
        'files',
    } == {check for check, _ in found}
    assert f'pytask {pytask.__version__}' in found['versions', 'ok'][0]['text']
    rows = [line.split('\t') for line in processes.run('doctor').stdout.splitlines()]
    assert {row[0] for row in rows} == {'ok'}


def test_without_a_worker_there_is_a_note_and_no_fault(doctor):
    code, found = doctor()
    assert code == 0
    assert only(found, 'workers', 'note') == 'none is running'


def test_without_a_redis_the_code_is_69_and_the_rest_is_told_all_the_same(doctor):
    code, found = doctor('-r', 'redis://127.0.0.1:1/0')
    assert code == 69
    assert only(found, 'redis') == 'cannot use Redis at redis://127.0.0.1:1/0 (connection refused)'
    assert ('versions', 'ok') in found


@pytest.mark.parametrize(
    ('settings', 'text'),
    [
        ({'appendonly': 'no', 'save': ''}, 'no AOF: a server restart loses everything'),
        (
            {'appendonly': 'no', 'save': '60 1'},
            'no AOF: a server restart loses everything since the last snapshot',
        ),
        ({'appendfsync': 'no'}, 'AOF with appendfsync no: a machine crash loses half a minute'),
    ],
)
def test_what_a_restart_would_lose_is_told(doctor, redis, settings, text):
    for name, value in settings.items():
        redis.config_set(name, value)
    code, found = doctor()
    assert (code, wrong(found)) == (1, ['persistence'])
    assert only(found, 'persistence') == text


def test_a_policy_that_deletes_runs_and_a_full_memory_are_told(doctor, redis):
    redis.config_set('maxmemory-policy', 'allkeys-lru')
    redis.config_set('maxmemory', int(redis.info('memory')['used_memory'] * 1.05))
    code, found = doctor()
    assert code == 1
    texts = [one['text'] for one in found['memory', 'wrong']]
    assert texts[0] == 'maxmemory-policy allkeys-lru: Redis deletes runs when its memory is full'
    assert texts[1].endswith('of maxmemory is used')


def test_a_replica_is_told(doctor, redis):
    redis.replicaof('127.0.0.1', '1')
    code, found = doctor()
    assert code == 1
    assert only(found, 'role') == 'this server is a read-only replica'
    assert redis.config_get('appendonly')


def test_keys_of_others_under_our_names_are_named(doctor, redis):
    redis.set('task-42', 'mine')
    redis.sadd('leases', 'mine')
    redis.set('a:leases', 'mine')
    code, found = doctor()
    assert (code, wrong(found)) == (1, ['keys'])
    assert {one['text'] for one in found['keys', 'wrong']} == {
        "task-42 is a string, but pytask's is a hash",
        "leases is a set, but pytask's is a zset",
    }
    assert wrong(doctor('--prefix', 'a:')[1]) == ['keys']
    assert wrong(doctor('--prefix', 'b:')[1]) == []


def test_rights_that_lack_are_named_and_what_may_not_be_asked_is_not_known(doctor, processes, redis):
    redis.acl_setuser(
        'me', enabled=True, nopass=True, commands=['+@all', '-hset', '-evalsha', '-info', '-type'],
        keys=['task-*', 'answer-*', 'new-task*'], channels=['task-*'],
    )  # fmt: skip
    code, found = doctor('-r', processes.server.url.replace('//', '//me:x@'))
    assert (code, wrong(found)) == (1, ['rights'])
    text = only(found, 'rights')
    for right in ('hset', 'evalsha', 'key leases', 'key workers', 'psubscribe task-*-control'):
        assert right in text
    assert 'hget' not in text
    assert {check for check, level in found if level == 'note'} == {'persistence', 'memory', 'keys'}
    assert not redis.keys('answer-*')


def test_another_project_of_this_name_is_told(doctor, processes):
    folder = processes.folder / 'pytask-0.6.0.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text('Metadata-Version: 2.1\nName: pytask\nVersion: 0.6.0\n')
    path = f'{processes.folder}:{processes.environment().get("PYTHONPATH", "")}'
    code, found = doctor(PYTHONPATH=path)
    assert (code, wrong(found)) == (1, ['distribution'])
    assert '`pytask` 0.6.0, another project' in only(found, 'distribution')


def test_too_few_open_files_are_told(doctor, processes):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    done = subprocess.run(
        [sys.executable, '-m', 'pytask', 'doctor'], cwd=processes.folder, env=processes.environment(),
        preexec_fn=few, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'wrong\tfiles\t200 open files allowed, 1,000 runs at a time' in done.stdout
    assert wrong(doctor(PYTASK_CONCURRENCY='100')[1]) == []


def test_clocks_that_differ_are_told(doctor, processes):
    (processes.folder / 'sitecustomize.py').write_text(
        'import time\nreal = time.time\ntime.time = lambda: real() + 3600\n'
    )
    path = f'{processes.folder}:{processes.environment().get("PYTHONPATH", "")}'
    code, found = doctor(PYTHONPATH=path)
    assert (code, wrong(found)) == (1, ['clock'])
    assert "behind this machine's" in only(found, 'clock')


def test_a_slow_way_to_redis_is_told(doctor, server, processes):
    def pass_on(near, _):
        with socket.create_connection(('127.0.0.1', server.port)) as far:
            back = gevent.spawn(copy, far, near, 0)
            copy(near, far, 0.05)
            far.shutdown(socket.SHUT_RDWR)
            back.join()

    def copy(source, target, delay_s):
        while data := source.recv(65_536):
            gevent.sleep(delay_s)
            target.sendall(data)

    slow = StreamServer(('127.0.0.1', 0), pass_on)
    slow.start()
    try:
        code, found = doctor('-r', f'redis://127.0.0.1:{slow.server_port}/0', run=processes.run_process)
    finally:
        slow.stop()
    assert (code, wrong(found)) == (1, ['latency'])
    assert only(found, 'latency').endswith('ms per round trip: it delays each claim and each outcome')


def test_troubled_and_different_workers_are_told(doctor, processes, redis):
    processes.tasks(TASKS)
    worker = processes.worker('--name', 'mine', '--lease', '20')
    worker_id = wait_until(lambda: redis.zrange('workers', 0, -1), 'it is registered')[0]
    worker.kill()
    worker.wait()
    redis.hset(f'worker-{worker_id}', mapping={'version': '0.0.1', 'lag_ms': 900, 'troubles': 'no memory'})
    code, found = doctor()
    assert (code, wrong(found)) == (1, ['workers'])
    assert [one['text'] for one in found['workers', 'wrong']] == [
        f'{worker_id}: no memory',
        f'{worker_id} lags 900 ms: a task blocks its event loop',
    ]
    assert only(found, 'workers', 'note') == f'pytask 0.0.1 in workers, {pytask.__version__} here'


def test_a_folder_that_can_not_hold_a_redis_is_told(doctor, processes):
    (processes.folder / '.pytask').write_text('a file')
    code, found = doctor()
    assert (code, wrong(found)) == (1, ['folder'])
    assert only(found, 'folder').startswith(f'cannot write to {processes.folder}/.pytask: ')
