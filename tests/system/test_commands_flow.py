"""`pytask flow`: ls, show, start, push, force, retry."""

from __future__ import annotations

import json

import pytest
from support import wait_until

pytestmark = [pytest.mark.timeout(120), pytest.mark.one_server]
TASKS = """
    from pytask import Task, task, wait

    @task
    def fetch(url: str):
        return len(url)

    class Sign(Task):
        def start(self):
            return wait(reason='wait for a signature')

        def check(self, by=None):
            return by or False

    class Send(Task):
        def start(self):
            raise self.Error(f'no post on {self.results["sign"]}day')
"""


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def routine(processes, app):
    processes.tasks(TASKS)
    processes.worker()
    return app.client.routine('nightly', ['fetch', ('sign', 'sign', 'sign it'), 'send'])


def test_a_flow_from_the_shell(processes, routine, redis):
    run = processes.run
    assert good(run('flow', 'ls', '--routines')) == ['nightly\t1\tfetch → sign it → send']
    assert good(run('flow', 'start', 'nightly', 'url=abc', '--id', 'f1')) == ['f1']
    wait_until(lambda: redis.zscore('held', 'f1'), 'it waits')
    assert good(run('flow', 'ls')) == ['f1\tnightly\tWAIT\t1/3\tsign it\twait for a signature']
    assert 'f1\tpytask/flow\tWAIT' in run('ls').stdout
    assert run('show', 'f1').stderr.startswith('waits: its step 1 waits; send it data with: pytask')
    assert good(run('flow', 'start', 'nightly', 'by=Sun', '--id', 'f1')) == ['f1'], 'again, and nothing is passed'
    assert good(run('flow', 'push', 'f1', 'by=Sun')) == ['f1\trequested']
    assert run('wait', 'f1').returncode == 1
    lines = good(run('flow', 'show', 'f1'))
    assert 'output    no post on Sunday' in lines
    assert lines[-3:] == [
        '0\tfetch\tfetch\tfetch\t3', '1\tsign\tsign it\tsign\tSun', '2>\tsend\tsend\tsend\tno post on Sunday',
    ]  # fmt: skip
    assert good(run('flow', 'retry', 'f1', '--step', '1')) == ['f1\tapplied']
    wait_until(lambda: redis.zscore('held', 'f1'), 'it waits again')
    assert good(run('flow', 'force', 'f1', '"Mon"')) == ['f1\tapplied']
    assert run('wait', 'f1').returncode == 1
    assert good(run('flow', 'force', 'f1')) == ['f1\tapplied']
    assert run('wait', 'f1').returncode == 0
    told = json.loads(good(run('flow', 'show', 'f1', '--json'))[0])
    assert [row['value'] for row in told['results']] == [3, 'Mon', None]
    assert [row['position'] for row in told['forced']] == [1, 2]
    assert '@' in told['forced'][0]['by']
    assert good(run('flow', 'force', 'f1')) == ['f1\tSUCCESS']


def test_slips(processes, routine, app):
    def told(*words):
        done = processes.run('flow', *words)
        return done.returncode, done.stderr.splitlines()[0]

    assert told('start', 'nightyl') == (3, "Error: no routine 'nightyl'; did you mean 'nightly'?")
    app.client.store.flows.define('spoilt', b'[1]')
    assert good(processes.run('flow', 'ls', '--routines')) == [
        'nightly\t1\tfetch → sign it → send',
        'spoilt\t1\tis unreadable: another program overwrote it; define it again',
    ]
    assert told('start', 'spoilt') == (
        3,
        "Error: routine 'spoilt' cannot be read: another client overwrote it; define it again",
    )
    assert told('start', 'nightly', '--position', '3') == (1, 'Error: no step 3; steps are 0 to 2')
    run = app.client.start('fetch', {'url': ''}, run_id='r1').wait(timeout=20)
    assert told('show', 'r1') == (3, "Error: run r1 is not a flow: its task is 'fetch'")
    assert told('push', 'r1') == (3, "Error: run r1 is not a flow: its task is 'fetch'")
    assert told('retry', run.id, '--step', '0') == (3, "Error: run r1 is not a flow: its task is 'fetch'")
    assert good(processes.run('flow', 'start', 'nightly', '--hold', '--id', 'f2')) == ['f2']
    assert processes.run('show', 'f2').stderr.startswith('waits: it was not submitted; submit it with: pytask')
    assert told('force', 'f2', 'text') == (
        2,
        'Error: OUTPUT is not JSON; write text as \'"text"\'',
    )
    assert told('retry', 'f2', '--step', '7') == (1, 'Error: no step 7; steps are 0 to 2')
    assert good(processes.run('flow', 'push', 'f2', 'url=abc')) == ['f2\tapplied']
