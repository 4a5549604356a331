"""`send` and `ask` as people and scripts meet them: on the command line, and by redis-cli."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from support import wait_until

needs_redis_cli = pytest.mark.skipif(not shutil.which('redis-cli'), reason='no redis-cli on PATH')

TASKS = """
    import gevent
    from pytask import Task, task

    class Counter(Task):
        total = 0
        def start(self):
            gevent.sleep(600)
        def on_add(self, n: int, note: str = ''):
            self.total += n
            self.emit('added', {'n': n, 'note': note})
        def on_total(self):
            return {'total': self.total}
        def on_say(self, text: str):
            return text
        def on_fail(self):
            raise self.Error('not today')
        def on_hang(self):
            gevent.sleep(600)

    @task
    def quick():
        pass
"""


@pytest.fixture
def cli(processes):
    processes.worker('--tasks', str(processes.tasks(TASKS)), '--lease', '2')
    return processes.run


@pytest.fixture
def counter(cli, redis):
    assert cli('start', 'counter', '--id', 'the-counter').returncode == 0
    wait_until(lambda: redis.hget('task-the-counter', 'state') == 'RUNNING', 'it runs')
    return cli


@pytest.mark.one_server
def test_send_and_ask(counter):
    done = counter('send', 'the-counter', 'add', 'n=5')
    assert (done.returncode, done.stdout) == (0, 'the-counter\trequested\n'), done.stderr
    assert counter('send', 'the-c', 'add', '--data', '{"n": 2}', 'note=by id').returncode == 0
    done = counter('ask', 'the-counter', 'total')
    assert (done.returncode, done.stdout) == (0, '{"total":7}\n'), done.stderr
    assert counter('ask', 'the-counter', 'say', 'text=5').stdout == '"5"\n'
    assert counter('ask', 'the-counter', 'add', 'n:=1').stdout == 'null\n'
    assert json.loads(counter('send', 'the-counter', 'add', 'n=1', '--json').stdout) == {
        'id': 'the-counter', 'answer': 'requested',
    }  # fmt: skip


@pytest.mark.one_server
@pytest.mark.parametrize(
    ('words', 'code', 'says'),
    [
        (
            ['ask', 'the-counter', 'totl'],
            1,
            "counter does not handle message 'totl'; did you mean total? (it handles add,",
        ),
        (['ask', 'the-counter', 'add', 'n=many'], 1, 'invalid inputs for `on_add`'),
        (['ask', 'the-counter', 'fail'], 1, 'not today'),
        (
            ['ask', 'the-counter', 'hang', '--timeout', '0.2'],
            4,
            "has not answered 'hang' within 0.2 s; it is RUNNING",
        ),
        (['ask', 'nobody', 'total'], 3, "no run 'nobody'"),
        (['send', 'nobody', 'add', 'n=1'], 3, "no run 'nobody'"),
        (['send', 'the-counter', '_add', 'n=1'], 2, 'invalid inputs for `send`'),
        (['send', 'the-counter', 'add', 'n'], 2, "'n' is not an input"),
        (['ask', 'the-counter', 'add', '--data', '[1]'], 2, '--data must be a JSON object'),
        (['send', 'the-counter'], 2, "Missing argument 'NAME'"),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_what_goes_wrong(counter, words, code, says):
    done = counter(*words)
    assert (done.returncode, done.stdout) == (code, ''), done.stderr
    assert says in done.stderr.splitlines()[0]


@pytest.mark.one_server
def test_what_has_ended(cli, redis):
    cli('run', 'quick', '--id', 'quick')
    done = cli('send', 'quick', 'add')
    assert (done.returncode, done.stdout) == (1, 'quick\tSUCCESS\n')
    done = cli('ask', 'quick', 'add')
    assert (done.returncode, done.stderr) == (1, 'Error: run quick has ended: SUCCESS\n')
    cli('start', 'counter', '--id', 'stopped')
    cli('stop', 'stopped', '--wait', '10')
    assert cli('send', 'stopped', 'add').returncode == cli('ask', 'stopped', 'add').returncode == 5


@needs_redis_cli
def test_redis_cli_sends_and_asks(counter, redis, server):
    def redis_cli(*words):
        done = subprocess.run(
            ['redis-cli', '-p', str(server.port), *words], capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout.splitlines()

    channel = 'task-the-counter-control'
    assert redis_cli('PUBLISH', channel, '{"command":"send","name":"add","data":{"n":40}}') == ['1']
    assert redis_cli('PUBLISH', channel, '{"command":"send","name":"add","data":{"n":2}}') == ['1']
    redis_cli('PUBLISH', channel, '{"command":"send","name":"total","ask":"me"}')
    assert redis_cli('BLPOP', 'answer-me', '10') == ['answer-me', '{"value":{"total":42}}']
