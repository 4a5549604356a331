"""What is printed: one JSON object a line from every command, colour as the environment wishes, any encoding."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from trial import TASKS, Terminal

pytestmark = pytest.mark.one_server


@pytest.fixture
def idle(processes):
    processes.tasks(TASKS)
    return processes.run


@pytest.mark.parametrize(
    'words',
    [
        ['start', 'add', 'a=1'], ['ls'], ['show', 'one'], ['stop', 'one'], ['wait', 'over'], ['retry', 'over'],
        ['rm', 'over'], ['tasks'], ['pause', 'one'], ['pause'], ['resume', 'one'], ['send', 'one', 'hello'],
        ['reload', 'one'], ['extend', 'one', '5'], ['doctor'], ['workers', '--stop', 'nobody'],
    ],
    ids=' '.join,
)  # fmt: skip
def test_every_command_answers_in_json_whether_asked_before_or_after_it(idle, redis, words):
    redis.hset('all-paused', 'queue:slow', '1')
    for place in (['--json', *words], [*words, '--json']):
        for run_id in ('one', 'over'):
            idle('start', 'forever', '--id', run_id)
        idle('stop', 'over')
        lines = idle(*place).stdout.splitlines()
        assert lines
        assert all(isinstance(json.loads(line), dict) for line in lines)


def test_json_of_workers_and_runs_that_end(idle, processes):
    processes.worker()
    assert json.loads(idle('workers', '--json').stdout)['queues'] == 'default'
    assert json.loads(idle('run', 'add', 'a=1', '--json').stdout)['output'] == 2
    assert json.loads(idle('run', 'crash', '--json').stdout)['state'] == 'EXCEPTION'


@pytest.mark.parametrize(
    ('environment', 'has_colour'),
    [({}, False), ({'FORCE_COLOR': '1'}, True), ({'FORCE_COLOR': '1', 'NO_COLOR': '1'}, False)],
)
def test_in_a_pipe_colour_is_for_those_who_force_it(idle, environment, has_colour):
    idle('start', 'forever', '--id', 'one')
    assert ('\x1b[' in idle('show', 'one', **environment).stdout) == has_colour
    assert '\x1b[' not in idle('show', 'one', '--json', **environment).stdout


@pytest.mark.parametrize(('environment', 'has_colour'), [({}, True), ({'NO_COLOR': '1'}, False)])
def test_on_a_terminal_colour_is_for_those_who_do_not_refuse_it(idle, processes, environment, has_colour):
    idle('start', 'forever', '--id', 'WAIT-one')
    with Terminal(processes, 'ls', **environment) as terminal:
        text, code = terminal.rest()
    assert code == 0
    assert ('\x1b[33mWAIT\x1b[0m ' in text) == has_colour
    assert 'WAIT-one  forever' in text


def test_what_is_not_utf8_gets_what_it_has_letters_for(idle, processes, redis):
    redis.hset('task-x', mapping={'task': '→', 'data': '{}', 'state': 'WAIT', 'progress': 5, 'target': 10})
    done = idle('show', 'x', PYTHONIOENCODING='latin-1')
    assert done.returncode == 0
    assert '##########..........  50%' in done.stdout
    assert 'task      ?' in done.stdout
    redis.delete('task-x')


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (['ls', '--wacth'], 'Error: No such option'),
        (
            ['ls', '--state', 'RUNING'],
            "Error: Invalid value for '--state': 'RUNING' is not a state; did you mean RUNNING?",
        ),
        (['ls', '--state', 'DONE'], "Error: Invalid value for '--state': 'DONE' is not one of"),
        (['dcotor'], "Error: No such command 'dcotor'. Did you mean doctor?"),
        (['redis', 'strat'], "Error: No such command 'strat'. Did you mean start?"),
        (['completion', 'csh'], 'Error: Invalid value for'),
    ],
)
def test_wrong_words_get_the_near_ones(idle, words, says):
    done = idle(*words)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith(says)
    if 'wacth' in words[1:2]:
        assert '--watch' in done.stderr.splitlines()[0]


def test_a_reader_of_tail_that_has_seen_enough_is_no_error(idle, processes):
    processes.worker()
    idle('start', 'forever', '--id', 'f')
    done = subprocess.run(
        ['sh', '-c', f'{sys.executable} -m pytask tail f 2>/dev/null | head -2'], cwd=processes.folder,
        env=processes.environment(), capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert len(done.stdout.splitlines()) == 2
    done = subprocess.run(
        ['sh', '-c', f'{sys.executable} -m pytask doctor | head -1'], cwd=processes.folder,
        env=processes.environment(), capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert done.stderr == ''
