"""Following runs: `show`, `tail`, `wait`, and Ctrl-C in `run`."""

import json
import signal

import pytest
from support import wait_until
from trial import TASKS, Terminal

pytestmark = pytest.mark.one_server


@pytest.fixture
def cli(processes):
    """`pytask …` beside a worker."""
    processes.tasks(TASKS)
    processes.worker('--lease', '2')
    return processes.run


def heard(redis, run_id):
    return redis.pubsub_numsub(f'task-{run_id}')[0][1]


def test_show_folds_the_frames_of_libraries_and_gives_the_commands_to_try_again(cli):
    cli('start', 'crash', '--id', 'bad', 'text=it is')
    assert cli('wait', 'bad').returncode == 1
    done = cli('show', 'bad')
    assert 'retry     pytask retry bad\n' in done.stdout
    assert "rerun     pytask run crash 'text=it is'\n" in done.stdout
    lines = done.stdout.split('Traceback (most recent call last):\n')[1].splitlines()
    trace = [line for line in lines if line.strip(' ~^')]  # newer Pythons underline the call
    assert 'some.py' in trace[0]
    assert trace[1] == "    json.loads('{')"
    assert trace[2].endswith(' frames of json')
    assert trace[3].startswith('json.decoder.JSONDecodeError: ')
    assert done.stderr == 'library frames: --full\n'
    assert 'decoder.py' in cli('show', 'bad', '--full').stdout


def test_hints_repeat_the_options_that_find_the_run_but_no_password(cli, processes, redis):
    url = processes.server.url
    cli('--prefix', 'a:', 'start', 'add', 'a=1', '--id', 'one', '--redis', url)
    cli('--prefix', 'a:', 'stop', 'one')
    done = cli('show', 'one', '-r', url, '--prefix', 'a:')
    assert f'retry     pytask --redis {url} --prefix a: retry one\n' in done.stdout
    redis.acl_setuser('me', enabled=True, nopass=True, commands=['+@all'], keys=['*'], channels=['*'])
    done = cli('show', 'one', '-r', url.replace('//', '//me:secret@'), '--prefix', 'a:')
    assert 'retry     pytask --prefix a: retry one\n' in done.stdout
    assert 'secret' not in done.stdout


def test_show_watch_follows_a_run_to_its_end(cli, processes, redis):
    cli('start', 'forever', '--id', 'f', 'n=7')
    process = processes.start('show', 'f', '--watch')
    assert next(line for line in process.stderr if 'message  turn ' in line)
    cli('stop', 'f')
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert 'state     STOPPED' in out


def test_wait_prints_each_run_as_it_ends_and_names_those_still_open(cli, processes, redis):
    for n in range(3):
        cli('start', 'forever', '--id', f'f{n}', f'n={n}')
    process = processes.start('wait', 'f0', 'f1', 'f2', 'f0')
    wait_until(lambda: heard(redis, 'f0') == 1, 'it listens')
    wait_until(lambda: redis.zcard('leases') == 3, 'all run')
    cli('stop', 'f1')
    assert process.stdout.readline().split('\t')[:3] == ['f1', 'forever', 'STOPPED']
    assert process.poll() is None
    cli('stop', 'f2')
    assert process.stdout.readline().split('\t')[:3] == ['f2', 'forever', 'STOPPED']
    late = cli('wait', 'f0', 'f1', '--timeout', '0.5', '--json')
    assert late.returncode == 4
    assert late.stderr == 'Error: not ended after 0.5 s: f0\n'
    assert [json.loads(line)['id'] for line in late.stdout.splitlines()] == ['f1']
    cli('stop', 'f0')
    assert process.stdout.readline().split('\t')[0] == 'f0'
    assert process.wait(20) == 5
    cli('start', 'crash', '--id', 'bad')
    assert cli('wait', 'bad', 'f0').returncode == 1


def test_wait_hears_of_an_end_whose_event_was_lost(cli, processes, redis):
    for run_id in ('x', 'y'):
        redis.hset(f'task-{run_id}', mapping={'task': 'forever', 'state': 'WAIT', 'data': '{}'})
    process = processes.start('wait', 'y', 'x')
    wait_until(lambda: heard(redis, 'x') == 1, 'it listens')
    redis.hset('task-x', 'state', 'SUCCESS')  # by hand, without an event
    assert process.stdout.readline().split('\t')[:3] == ['x', 'forever', 'SUCCESS']
    assert process.poll() is None
    redis.hset('task-y', 'state', 'STOPPED')
    assert process.wait(30) == 5
    redis.delete('task-x', 'task-y')


@pytest.mark.parametrize(
    ('words', 'says', 'events'),
    [
        (['f'], 'events of f; until it has ended', {'progress', 'message', 'stopped'}),
        (['f', '--event', 'stopped'], 'events of f; only event stopped; until it has ended', {'stopped'}),
        (['f', '--task', 'add'], 'events of f; only task add; until it has ended', set()),
        (['f', '--queue', 'default', '--task', 'forever', '--event', 'message'],
         'events of f; only task forever, queue default, event message; until it has ended', {'message'}),
    ],
)  # fmt: skip
def test_tail_says_what_it_waits_for_and_filters(cli, processes, redis, words, says, events):
    cli('start', 'forever', '--id', 'f')
    process = processes.start('tail', *words, '--json')
    assert process.stderr.readline() == f'{says}\n'
    wait_until(lambda: redis.hget('task-f', 'progress'), 'it turns')
    if 'message' in events:
        assert process.stdout.readline()
    cli('stop', 'f')
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    told = {json.loads(line)['event'] for line in out.splitlines()}
    assert told - {'running'} <= events
    assert ('stopped' in told) == ('stopped' in events)


def test_tail_of_all_goes_on_until_ctrl_c(cli, processes):
    process = processes.start('tail', '--task', 'add')
    assert process.stderr.readline() == 'events of all runs; only task add; until Ctrl-C\n'
    cli('run', 'crash')
    cli('run', 'add', 'a=1')
    assert process.stdout.readline().rstrip().split('\t')[2:4] == ['add', 'running']
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, '')
    assert 'crash' not in out


def test_tail_of_a_run_that_has_ended_says_so_and_ends(cli):
    cli('run', 'add', 'a=1', '--id', 'one')
    done = cli('tail', 'one')
    assert (done.returncode, done.stdout) == (0, '')
    assert done.stderr.splitlines()[1] == 'one has ended: SUCCESS'


def test_a_second_ctrl_c_in_run_stops_the_run_and_says_so(cli, processes, redis):
    process = processes.start('run', 'forever', '--id', 'f')
    wait_until(lambda: redis.hget('task-f', 'state') == 'RUNNING', 'it runs')
    process.send_signal(signal.SIGINT)
    while 'continues' not in process.stderr.readline():
        pass
    assert process.stderr.readline() == '  or with Ctrl-C within 2 s; follow it with: pytask show f --watch\n'
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == '\nrun f will stop: its worker was told\n'
    wait_until(lambda: redis.hget('task-f', 'state') == 'STOPPED', 'it is stopped')


def test_ctrl_c_is_a_key_of_the_terminal_too(cli, processes, redis):
    with Terminal(processes, 'run', 'forever', '--id', 'f') as terminal:
        terminal.wait_for('turn 1')
        terminal.press(b'\x03')
        terminal.wait_for('run f continues; stop it with: pytask stop f')
        _, code = terminal.rest()
    assert code == 130
    assert redis.hget('task-f', 'state') == 'RUNNING'


def test_a_run_that_waits_is_stopped_by_a_second_ctrl_c(processes, redis):
    process = processes.start('run', 'nobody-knows', '--id', 'f')
    wait_until(lambda: redis.hget('task-f', 'state') == 'WAIT', 'it waits')
    process.send_signal(signal.SIGINT)
    while 'continues' not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith('run f is STOPPED\n')


def test_what_a_run_has_left_can_not_steer_a_terminal(processes, redis):
    evil = json.dumps('one\n\x1b]0;owned\x07two')
    redis.hset('task-x', mapping={'task': 'e\x1b[2J', 'state': 'SUCCESS', 'data': '{}', 'output': evil})
    with Terminal(processes, 'show', 'x', NO_COLOR='1') as terminal:
        text, code = terminal.rest()
    assert code == 0
    assert '\x1b' not in text
    redis.delete('task-x')
