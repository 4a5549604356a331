"""The command line as people and scripts meet it: output in a pipe, JSON, exit codes, first lines of failures."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from support import SOON_S, wait_until

pytestmark = pytest.mark.one_server

TASKS = """
    from pytask import Task, task

    @task
    def add(a: int, b: int = 1):
        "Add two numbers."
        return a + b

    @task
    def echo(**more):
        return more

    @task
    def fail():
        raise Task.Error('no luck today')

    @task
    def crash():
        return 1 / 0

    class Steps(Task):
        def start(self):
            for n in (1, 2):
                self.progress(n, target=2)
            self.message('halfway')
            self.emit('done', {'n': 2})
            return 'all'

    class Forever(Task):
        def __init__(self, n: int = 0):
            self.n = n
        def start(self):
            for _ in self.every(30):
                pass
            return self.n
        def stop(self):
            pass
"""


@pytest.fixture
def cli(processes):
    """`pytask …` beside a worker on TASKS."""
    processes.tasks(TASKS)
    processes.worker('--lease', '2')
    return processes.run


@pytest.fixture
def idle(processes):
    """`pytask …` with tasks and Redis, but no worker."""
    processes.tasks(TASKS)
    return processes.run


def first_line(done):
    return done.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ('words', 'code', 'output'),
    [
        (['add', 'a=5'], 0, '6\n'),
        (['add', 'a:=5', 'b=2'], 0, '7\n'),
        (['add', '--data', '{"a": 1, "b": 2}'], 0, '3\n'),
        (['add', '--data', '{"a": 1}', 'b=3'], 0, '4\n'),
        (['echo', 'text=5', 'number:=5', 'list:=[1]'], 0, '{"text":"5","number":5,"list":[1]}\n'),
        (['steps'], 0, 'all\n'),
        (['fail'], 1, ''),
        (['crash'], 1, ''),
    ],
)
def test_run_prints_the_output_and_exits_with_the_outcome(cli, words, code, output):
    done = cli('run', *words)
    assert (done.returncode, done.stdout) == (code, output), done.stderr


def test_run_shows_what_happens_on_stderr(cli):
    done = cli('run', 'steps')
    words = [line.split()[1:] for line in done.stderr.splitlines()]
    assert ['halfway'] in [line[1:] for line in words]
    assert '50%' in done.stderr
    assert 'done  {"n":2}' in done.stderr
    assert 'SUCCESS' in done.stderr.splitlines()[-1]


def test_a_crash_shows_the_own_frames_of_its_traceback(cli):
    done = cli('run', 'crash')
    assert 'ZeroDivisionError: division by zero' in done.stderr
    assert 'some.py' in done.stderr
    assert 'pytask/worker' not in done.stderr


def test_data_may_come_from_a_file_or_stdin(cli, processes):
    (processes.folder / 'data.json').write_text('{"a": 40, "b": 2}')
    assert cli('run', 'add', '--data', '@data.json').stdout == '42\n'
    assert cli('run', 'add', '--data', '-', stdin='{"a": 1}').stdout == '2\n'


@pytest.mark.parametrize(
    ('words', 'code', 'says'),
    [
        (['run', 'add', 'a=six'], 2, 'invalid inputs for `add`'),
        (['run', 'add', 'c=1'], 2, 'invalid inputs for `add`'),
        (['run', 'add', 'a'], 2, "'a' is not an input; write name=text or name:=JSON"),
        (['run', 'add', 'a:={'], 2, 'a:={ is not JSON'),
        (['run', 'add', '--data', '[1]'], 2, '--data must be a JSON object'),
        (['run', 'add', '--data', '@nowhere'], 2, '--data @nowhere: No such file'),
        (['rnu', 'add'], 2, "No such command 'rnu'. Did you mean run?"),
        (['ls', '--sate', 'WAIT'], 2, "No such option '--sate'"),
        (['ls', '--state', 'DONE'], 2, "Invalid value for '--state'"),
        (['show', 'nowhere'], 3, "no run 'nowhere'"),
        (['wait', 'nowhere'], 3, "no run 'nowhere'"),
        (['stop', 'nowhere'], 3, "no run 'nowhere'"),
        (['stop'], 2, 'name runs by id, or with --task, --state, --queue or --all'),
        (['ls', '--redis', 'redis://127.0.0.1:1/0'], 69, 'cannot use Redis at redis://127.0.0.1:1/0'),
        (['ls', '--redis', 'http://there'], 78, 'not a Redis URL'),
        (['worker', '--tasks', 'nowhere'], 78, 'no folder of tasks at'),
        (['worker', '--queue', 'a b'], 78, "--queue: queue = ('a b',): must be 1 to 64 letters"),
        (['worker', '--prefix', 'a*'], 78, "--prefix: prefix = 'a*': must be printable"),
        (['start', 'add', 'a=1', '--id', 'x-control'], 1, "not an id: 'x-control'"),
    ],
)
def test_the_first_line_of_a_failure_says_what_is_wrong(idle, words, code, says):
    done = idle(*words)
    assert done.returncode == code, done.stderr
    assert first_line(done).startswith(f'Error: {says}')
    assert 'Traceback' not in done.stderr


def test_nothing_is_enqueued_when_the_data_is_wrong(idle, redis):
    assert idle('start', 'add', 'a=six').returncode == 2
    assert not list(redis.scan_iter('*'))


def test_a_setting_names_its_source(idle, processes):
    assert 'PYTASK_LEASE' in first_line(idle('ls', PYTASK_LEASE='long'))
    (processes.folder / 'pytask.toml').write_text('leese = 3\n')
    assert first_line(idle('ls')) == "Error: pytask.toml: no setting 'leese'; did you mean 'lease'?"


def test_a_zero_is_a_value_and_not_the_default(idle):
    assert first_line(idle('worker', '--lease', '0')).startswith('Error: --lease: lease = 0.0: must be 0.2')
    assert first_line(idle('worker', '--concurrency', '0')).startswith(
        'Error: --concurrency: concurrency = 0: must'
    )


def test_a_password_is_never_shown(idle):
    done = idle('ls', '--redis', 'redis://me:secret@127.0.0.1:1/0')
    assert 'secret' not in done.stderr
    assert 'me:***@' in done.stderr


def test_start_prints_the_id_and_the_same_start_again_is_the_same_run(cli):
    assert cli('start', 'add', 'a=1', '--id', 'mine').stdout == 'mine\n'
    assert cli('wait', 'mine').returncode == 0
    assert cli('start', 'add', 'a=1', '--id', 'mine').stdout == 'mine\n'
    done = cli('start', 'add', 'a=2', '--id', 'mine')
    assert done.returncode == 1
    assert 'already exists' in first_line(done)


def test_ls_is_tab_separated_in_a_pipe_and_json_on_demand(cli):
    cli('run', 'add', 'a=1')
    cli('run', 'fail')
    rows = [line.split('\t') for line in cli('ls').stdout.splitlines()]
    assert [(row[1], row[2], row[5]) for row in rows] == [
        ('fail', 'ERROR', 'no luck today'),
        ('add', 'SUCCESS', '2'),
    ]
    told = [json.loads(line) for line in cli('ls', '--json').stdout.splitlines()]
    assert [(run['task'], run['state'], run['output']) for run in told] == [
        ('fail', 'ERROR', 'no luck today'),
        ('add', 'SUCCESS', 2),
    ]
    assert cli('ls', '--task', 'add', '--json').stdout == cli('--json', 'ls', '--task', 'add').stdout
    assert {row.split('\t')[1] for row in cli('ls', '--all', '--state', 'RUNNING').stdout.splitlines()} == {
        'pytask/monitor',
        'pytask/cleanup',
        'pytask/scheduler',
    }


def test_ids_may_be_abbreviated(cli):
    cli('start', 'add', 'a=1', '--id', 'alpha-1')
    cli('start', 'add', 'a=1', '--id', 'alpha-2')
    assert cli('wait', 'alpha-1').returncode == 0
    assert 'alpha-1' in cli('show', 'alpha-1').stdout
    done = cli('show', 'alpha')
    assert done.returncode == 2
    assert "several ids begin with 'alpha': alpha-1, alpha-2" in first_line(done)
    cli('start', 'add', 'a=1', '--id', 'beta-12345')
    assert 'beta-12345' in cli('show', 'beta').stdout


def test_show_tells_all_about_a_run(cli):
    cli('start', 'crash', '--id', 'bad')
    cli('wait', 'bad')
    done = cli('show', 'bad')
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[:6])
    assert (facts['id'], facts['task'], facts['state']) == ('bad', 'crash', 'EXCEPTION')
    assert 'ZeroDivisionError: division by zero' in done.stdout
    assert json.loads(cli('show', 'bad', '--json').stdout)['output']['type'] == 'ZeroDivisionError'


def test_stop_retry_and_rm_go_by_id_and_by_what_runs_have_in_common(cli, redis):
    for n in range(3):
        cli('start', 'forever', f'n={n}', '--id', f'f{n}')
    wait_until(lambda: redis.zcard('leases') == 3, 'all run')
    assert cli('stop', 'f0', '--wait', '5').stdout == 'f0\tapplied\n'
    refused = cli('stop', '--task', 'forever')
    assert refused.returncode == 2
    assert 'this would stop 2 runs; confirm with --yes' in first_line(refused)
    assert sorted(cli('stop', '--task', 'forever', '--yes', '--wait', '5').stdout.split('\n')[:2]) == [
        'f1\tapplied',
        'f2\tapplied',
    ]
    assert cli('wait', 'f0', 'f1').returncode == 5
    assert cli('retry', '--state', 'STOPPED', '--yes').stdout.count('applied') == 3
    wait_until(lambda: redis.zcard('leases') == 3, 'all run again')
    kept = cli('rm', 'f0')
    assert kept.stdout == 'f0\tRUNNING\n'
    assert 'stop it first' in kept.stderr
    cli('stop', '--all', '--yes', '--wait', '5')
    assert cli('rm', '--all', '--yes').stdout.count('applied') == 3
    assert cli('ls').stdout == ''


def test_reload_gives_a_running_run_new_data(cli, redis):
    cli('start', 'forever', '--id', 'f')
    wait_until(lambda: redis.hget('task-f', 'state') == 'RUNNING', 'it runs')
    assert cli('reload', 'f', '--data', '{"n": 7}').stdout == 'f\tapplied\n'
    bad = cli('reload', 'f', '--data', '{"n": "x"}')
    assert bad.returncode == 1
    assert 'was not reloaded' in first_line(bad)
    cli('stop', 'f', '--wait', '5')
    assert redis.hget('task-f', 'output') == '7'


def test_reload_takes_data_as_start_does(cli, redis):
    cli('start', 'forever', '--id', 'f', 'n=1')
    wait_until(lambda: redis.hget('task-f', 'state') == 'RUNNING', 'it runs')
    for words, data in (
        (['n=7'], '{"n":"7"}'), (['n:=8'], '{"n":8}'), ([], '{"n":8}'), (['--data', '{"n": 6}', 'n:=9'], '{"n":9}'),
        (['--data', '{}'], '{}'),
    ):  # fmt: skip
        assert cli('reload', 'f', *words).stdout == 'f\tapplied\n'
        assert redis.hget('task-f', 'data') == data
    assert cli('reload', 'f', 'n').returncode == 2
    assert 'was not reloaded' in first_line(cli('reload', 'f', 'm=1'))
    cli('stop', 'f', '--wait', '5')


def test_tail_follows_a_run_to_its_end(cli):
    cli('start', 'forever', '--id', 'f', 'n=3')
    with subprocess.Popen(
        [sys.executable, '-m', 'pytask', 'tail', 'f', '--json'], stdout=subprocess.PIPE, text=True,
        cwd=cli.__self__.folder, env=cli.__self__.environment(),
    ) as tail:  # fmt: skip
        client = cli.__self__.server.client()
        wait_until(lambda: client.pubsub_numsub('task-f')[0][1] == 1, 'it listens')
        client.close()
        cli('stop', 'f')
        events = [json.loads(line) for line in tail.stdout]
        assert tail.wait(10) == 0
    assert [(event['event'], event['task'], event['data']) for event in events] == [('stopped', 'forever', 3)]


@pytest.mark.parametrize(
    ('words', 'says'),
    [(['add', 'a=1'], 'no worker is running; start one with: pytask worker')],
)
def test_run_says_within_two_seconds_that_no_worker_is_running(idle, words, says):
    done = idle('run', *words, '--wait', '2')
    assert done.returncode == 4
    assert says in done.stderr


def test_run_and_wait_say_why_nothing_moves(cli, processes, redis):
    done = cli('run', 'ad', 'a=1', '--wait', '2')
    assert 'no worker knows "ad"; did you mean "add"?' in done.stderr
    done = cli('run', 'add', 'a=1', '--queue', 'mail', '--wait', '2')
    assert 'no worker serves queue "mail"; start one with: pytask worker --queue mail' in done.stderr
    processes.worker('--lease', '2', '--queue', 'small', '--concurrency', '1', '--name', 'tiny')
    cli('start', 'forever', '--id', 'f', '--queue', 'small')
    wait_until(lambda: redis.hget('task-f', 'state') == 'RUNNING', 'the only slot is taken')
    cli('start', 'add', 'a=1', '--id', 'late', '--queue', 'small')
    done = cli('wait', 'late', '--timeout', '2')
    assert done.returncode == 4
    assert 'all slots are taken on tiny-' in done.stderr


def test_tasks_lists_what_can_run_and_what_it_takes(idle):
    rows = dict(line.split('\t') for line in idle('tasks').stdout.splitlines())
    assert rows['add(a: int, b: int = 1)'] == 'Add two numbers.'


def test_without_a_command_the_help_is_shown(idle):
    done = idle()
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == idle('--help').stdout


def test_help_is_there_for_every_command(idle):
    names = [line.split()[0] for line in idle('--help').stdout.split('Commands:\n')[1].splitlines()]
    assert len(names) >= 14
    for name in names:
        done = idle(name, '--help')
        assert done.returncode == 0
        assert '--redis' in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error(idle, processes):
    for n in range(3):
        idle('start', 'add', 'a=1', '--id', f'r{n}')
    done = subprocess.run(
        ['sh', '-c', f'{sys.executable} -m pytask ls | head -1'], cwd=processes.folder, env=processes.environment(),
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.stdout.startswith('r')
    assert done.stderr == ''


def test_ctrl_c_in_run_lets_the_run_go_on_and_says_how_to_stop_it(cli, processes, redis):
    process = processes.start('run', 'forever', '--id', 'f')
    wait_until(lambda: redis.hget('task-f', 'state') == 'RUNNING', 'it runs')
    wait_until(lambda: redis.pubsub_numsub('task-f')[0][1] == 1, 'it is followed')
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 130
    assert 'run f continues; stop it with: pytask stop f' in err
    assert 'Traceback' not in err
    assert redis.hget('task-f', 'state') == 'RUNNING'


def test_a_terminal_gets_aligned_columns_and_a_pipe_does_not(idle, processes):
    idle('start', 'add', 'a=1', '--id', 'one')
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, '-m', 'pytask', 'ls'], cwd=processes.folder, env=processes.environment(NO_COLOR='1'),
        stdout=theirs, stderr=theirs, stdin=theirs,
    )  # fmt: skip
    assert process.wait(20) == 0
    os.close(theirs)
    text = os.read(ours, 10_000).decode()
    os.close(ours)
    assert text.split()[:3] == ['ID', 'TASK', 'STATE']
    assert '\t' not in text
    assert '\t' in idle('ls').stdout
