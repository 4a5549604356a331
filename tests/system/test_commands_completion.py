"""Completion, asked the way the shells ask; bash itself where it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from trial import TASKS

pytestmark = pytest.mark.one_server

# The limit is for fingers; these tests must not depend on speed.
PATIENT = {'_PYTASK_COMPLETE_WITHIN': '20'}


@pytest.fixture
def complete(processes):
    """Return what is offered for the last word of a line."""

    def complete(line, shell='bash', **environment):
        words = line.split(' ')
        asked = {'_PYTASK_COMPLETE': f'{shell}_complete', 'COMP_WORDS': line, 'COMP_CWORD': str(len(words) - 1)}
        if shell == 'fish':
            asked['COMP_CWORD'] = words[-1]
        done = processes.run(**{**asked, **PATIENT, **environment})
        assert (done.returncode, done.stderr) == (0, '')
        return done.stdout

    return complete


def values(text):
    return [line.partition(',')[2] for line in text.splitlines()]


def test_commands_options_and_states_are_completed(complete):
    assert values(complete('pytask sta')) == ['start']
    assert {'run', 'doctor', 'redis', 'completion'} <= set(values(complete('pytask ')))
    assert values(complete('pytask --json ls --wa')) == ['--watch']
    assert values(complete('pytask ls --state s')) == ['STOPPED', 'SUCCESS']
    assert values(complete('pytask redis st')) == ['start', 'stop']


def test_tasks_are_those_written_in_the_folder_and_nothing_of_it_is_run(complete, processes):
    folder = processes.tasks(TASKS)
    (folder / 'more.py').write_text(
        'raise SystemExit("never imported")\n'
        'class Named(Base):\n    NAME = "site/named"\n    "Says what it does."\n    def start(self): ...\n'
        'class Plain(Base): ...\n'
        '@app.task(name="mail")\ndef send(): ...\n'
        'def no_task(): ...\n'
    )
    (folder / 'broken.py').write_text('def (:\n')
    assert values(complete('pytask run ')) == ['add', 'crash', 'forever', 'mail', 'site/named', 'take']
    assert values(complete('pytask ls --task f')) == ['forever']
    assert complete('pytask start ad', 'fish').split('\t') == ['plain,add', 'Add two numbers.\n']


def test_without_a_folder_tasks_are_those_that_workers_know(complete, processes):
    processes.tasks(TASKS, 'elsewhere')
    processes.worker('--tasks', 'elsewhere')
    assert values(complete('pytask run ')) == ['add', 'crash', 'forever', 'take']


def test_ids_are_completed_the_latest_first_with_task_and_state(complete, processes):
    for run_id in ('a1', 'a2', 'b1'):
        processes.run('start', 'nobody', '--id', run_id)
    processes.run('stop', 'a2')
    assert values(complete('pytask show ')) == ['b1', 'a2', 'a1']
    assert values(complete('pytask show a')) == ['a2', 'a1']
    assert values(complete('pytask stop ')) == ['b1', 'a1']
    assert values(complete('pytask stop b1 ')) == ['a1']
    assert values(complete('pytask retry ')) == ['a2']
    assert complete('pytask show a2', 'zsh') == 'plain\na2\nnobody STOPPED\n'
    url = processes.server.url
    assert values(complete(f'pytask -r {url} show b', PYTASK_REDIS='redis://127.0.0.1:1/0')) == ['b1']
    assert values(complete(f'pytask --prefix x: -r {url} show ')) == []


@pytest.mark.parametrize('line', ['pytask show ', 'pytask stop ', 'pytask run ', 'pytask wait --timeout x '])
def test_nothing_is_said_when_redis_is_away_or_the_line_is_wrong(complete, processes, line):
    assert complete(line, PYTASK_REDIS='redis://127.0.0.1:1/0') == ''
    (processes.folder / 'pytask.toml').write_text('leese =')
    assert complete(line) == ''


def test_an_answer_that_comes_too_late_is_none(complete, processes):
    folder = processes.tasks(TASKS)
    os.mkfifo(folder / 'never.py')  # to read it takes for ever
    assert complete('pytask run ', _PYTASK_COMPLETE_WITHIN='0.5') == ''


def test_a_redis_that_does_not_answer_is_not_waited_for(complete, server):
    server.freeze()
    assert complete('pytask show ', _PYTASK_COMPLETE_WITHIN='0.5') == ''


@pytest.mark.parametrize(
    ('shell', 'mark'), [('bash', 'complete -o'), ('zsh', 'compdef'), ('fish', 'complete --no')]
)
def test_the_script_is_printed_for_each_shell(processes, shell, mark):
    done = processes.run('completion', shell)
    assert (done.returncode, done.stderr) == (0, '')
    assert mark in done.stdout
    assert '_PYTASK_COMPLETE' in done.stdout


@pytest.mark.skipif(not shutil.which('bash'), reason='no bash')
def test_bash_completes_with_the_script(processes):
    processes.tasks(TASKS)
    program = processes.folder / 'pytask'
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pytask "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(pytask completion bash)"; COMP_WORDS=(pytask run f); COMP_CWORD=2; _pytask_completion pytask; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = processes.environment(**PATIENT)
    environment['PATH'] = f'{processes.folder}:{environment["PATH"]}'
    done = subprocess.run(
        ['bash', '--norc', '-c', script], cwd=processes.folder, env=environment, capture_output=True, text=True,
        timeout=40, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ('forever\n', '')
