"""The README: every code block is executed, every promise has a test that names it."""

from __future__ import annotations

import os
import re

import pytest
from pages import Page, Shell, needs_redis_cli
from support import ROOT, wait_until

from pytask import State, Task

PAGE = Page('README.rst')
README = PAGE.text
blocks = PAGE.blocks


@pytest.fixture
def shell(processes, tmp_path):
    return Shell(processes, tmp_path)


@pytest.fixture
def site(processes, shell):
    """A folder with the README's first task in it, and a worker on it."""
    shell.write(blocks('A first task'))
    processes.worker('--lease', '2')
    return processes


def test_every_code_block_is_known_to_these_tests():
    found = {title: [block.language for block in blocks(title)] for title in PAGE.titles()}
    assert {title: kinds for title, kinds in found.items() if kinds} == {
        'Two commands': ['shell'],
        'A first task': ['python', 'shell', 'python'],
        'Later, and again and again': ['python', 'shell'],
        'Pause and resume': ['shell'],
        'Control from redis-cli': ['shell'],
        'Talking to a running task': ['python', 'shell'],
        'Beside Flask': ['python'],
        'How a run ends': ['python'],
    }
    assert PAGE.count() == sum(len(kinds) for kinds in found.values())


def test_the_two_commands_are_there():
    commands = [line.split('#')[0].split()[0] for line in blocks('Two commands')[0].text.splitlines() if line]
    assert commands == ['bin/pytask', 'bin/test']
    assert all(os.access(ROOT / command, os.X_OK) for command in commands)


@pytest.mark.one_server
def test_a_first_task_from_the_shell(site, shell):
    done = shell.run(blocks('A first task')[1].text)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == 'hello you'
    assert lines[1] == '{"pages":3}'
    assert lines[2] == 'nightly'
    assert lines[-1] == 'exit code 5: it was stopped'


@pytest.mark.one_server
def test_a_first_task_from_python(site, shell):
    done = shell.python(blocks('A first task')[2].text)
    assert done.stdout == "SUCCESS {'pages': 1}\n", done.stderr


@pytest.mark.one_server
def test_later_and_again_and_again(app, worker, site, shell):
    python, commands = blocks('Later, and again and again')
    exec(python.text, {'app': app})
    worker()
    wait_until(lambda: {one.name for one in app.client.schedules()} == {'report', 'beat'}, 'both are declared')
    (later,) = app.client.list(states=['WAIT'])
    assert later.at > later.created + 3500
    done = shell.run(commands.text)
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ('later', 'later\tapplied'), done.stderr
    assert [line.split('\t')[0] for line in lines[1:-1]] == ['beat', 'report']


@pytest.mark.one_server
def test_pause_and_resume(site, redis, shell):
    done = shell.run(blocks('Pause and resume')[0].text)
    assert done.returncode == 0, done.stderr
    lines = [line.split('\t') for line in done.stdout.splitlines()]
    assert lines[0] == ['weekly']
    assert [line[0] for line in lines[5:7]] == ['queue', 'task']
    assert lines[7:9] == [['queue default', 'applied'], ['task site/crawl', 'applied']]
    wait_until(lambda: redis.hget('task-weekly', 'state') == 'STOPPED', 'it has stopped')


@needs_redis_cli
@pytest.mark.one_server
def test_control_from_redis_cli(site, redis, shell):
    lines = blocks('Control from redis-cli')[0].text.splitlines()
    assert shell.run('\n'.join(lines[:2])).returncode == 0
    wait_until(lambda: redis.hget('task-42', 'state') == 'RUNNING', 'it runs')
    done = shell.run('\n'.join(lines[2:4]))
    assert done.stdout.split() == ['RUNNING', '1']
    wait_until(lambda: redis.hget('task-42', 'state') == 'STOPPED', 'it has stopped')
    assert shell.run(lines[4]).stdout.split() == ['STOPPED', 'null']


@needs_redis_cli
@pytest.mark.one_server
def test_talking_to_a_running_task(processes, redis, shell):
    source, commands = blocks('Talking to a running task')
    shell.write([source])
    processes.worker('--lease', '2')
    start, *talk = commands.text.splitlines()
    assert shell.run(start).returncode == 0
    wait_until(lambda: redis.hget('task-mine', 'state') == 'RUNNING', 'it runs')
    done = shell.run('\n'.join(talk))
    hosts = '["example.org"]'
    expected = ['mine\trequested', hosts, '1', 'answer-me', f'{{"value":{hosts}}}']
    assert done.stdout.splitlines() == expected, done.stderr


@pytest.mark.one_server
def test_beside_flask(site, monkeypatch):
    monkeypatch.setenv('PYTASK_REDIS', site.server.url)
    names: dict = {}
    exec(blocks('Beside Flask')[0].text, names)
    browser = names['web'].test_client()
    answer = browser.post('/crawls', json={'url': 'http://localhost', 'depth': 1})
    assert answer.status_code == 202
    run_id = answer.get_json()['id']
    read = wait_until(
        lambda: (told := browser.get(f'/crawls/{run_id}').get_json())['state'] == 'SUCCESS' and told, 'the run ends'
    )
    assert read['output'] == {'pages': 1}
    names['tasks'].close()


@pytest.mark.one_server
def test_how_a_run_ends(app, worker):
    exec(blocks('How a run ends')[0].text, {'app': app, 'Task': Task})
    worker()
    heard = app.client.watch('1', timeout=10)
    run = app.client.start('visit', run_id='1')
    wait_until(lambda: app.resource('seen'), 'it has looked')
    run.stop()
    assert [event.data for event in heard if event and event.event == 'message'] == ['STOPPED None']
    assert (run.refresh().state, run.output) == (State.STOPPED, 1)


def test_every_promise_has_a_test_that_names_it():
    promised = re.findall(r'^(\d)\. \*\*', README, re.MULTILINE)
    promised += re.findall(
        r'^\* \*\*(.+?)\*\*', README.split('\nWhen things break\n')[1].split('\n\n\n')[0], re.MULTILINE
    )
    named = set()
    for path in (ROOT / 'tests').rglob('test_*.py'):
        named |= set(re.findall(r"mark\.promise\('?(.+?)'?\)", path.read_text()))
    assert promised[:6] == ['1', '2', '3', '4', '5', '6']
    assert len(promised) == 13
    assert set(promised) <= named, 'a promise without a test that is marked with its number or its first words'


def test_the_tour_names_files_that_exist():
    links = re.findall(r'<(pytask/[\w/.]+)>`_', README)
    assert len(links) == 12
    assert all((ROOT / link).is_file() for link in links)
