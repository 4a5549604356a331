"""The README: every code block is executed and prints what it says, every promise has a test that names it."""

from __future__ import annotations

import os
import re
import signal

import pytest
from devs import Devs
from pages import Page, Shell, needs_redis_cli
from support import ROOT, wait_until

PAGE = Page('README.rst')
README = PAGE.text
INSTALL, *BLOCKS = PAGE.blocks()
LONGEST = 140


@pytest.fixture
def shell(processes, tmp_path):
    return Shell(processes, tmp_path)


@pytest.fixture
def site(processes, shell):
    """A folder with the README's tasks in it, and a worker on it."""
    shell.write(BLOCKS)
    processes.worker('--lease', '2')
    return processes


def says(line):
    """Split a line into its command and the comment behind it: what it prints."""
    command, _, printed = line.partition('  # ')
    return command.strip(), printed.strip()


def plain(text):
    return [' '.join(line.split()) for line in text.splitlines()]


def test_every_code_block_is_known_to_these_tests():
    assert PAGE.count() == 1 + len(BLOCKS)
    assert [(block.language, block.file) for block in (INSTALL, *BLOCKS)] == [
        ('shell', ''),
        ('python', 'tasks/sums.py'),
        ('shell', ''),
        ('python', 'tasks/watch.py'),
        ('shell', ''),
        ('python', ''),
    ]


def test_it_is_short_and_its_first_ten_lines_lead_to_a_first_run():
    lines = README.splitlines()
    assert len(lines) <= LONGEST
    assert [says(line)[0] for line in lines[6:9]] == [
        "pip install 'pytaskd[embedded]'",
        'pytask init && pytask dev',
        'pytask run hello-world name=you',
    ]
    assert 'PyPI\'s "pytask" is another project' in lines[6]


@pytest.mark.one_server
def test_its_first_lines_work_in_an_empty_folder(shell, tmp_path, server_binary):
    _, begin, run = INSTALL.text.splitlines()
    init, dev = says(begin)[0].split(' && ')
    (tmp_path / 'empty').mkdir()
    with Devs(tmp_path / 'empty', server_binary) as devs:
        shell.folder, shell.environment = devs.folder, devs.environment
        assert shell.run(init).returncode == 0
        assert dev == 'pytask dev'
        daemon = devs.start()
        daemon.shows('Ctrl-C stops everything')
        command, printed = says(run)
        assert shell.run(command).stdout.splitlines() == [printed.partition(': ')[2]]
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.ended() == 0


@pytest.mark.one_server
@pytest.mark.parametrize('block', [1, 3], ids=['function', 'class'])
def test_each_command_prints_what_its_comment_says(site, shell, block):
    for line in BLOCKS[block].text.splitlines():
        command, printed = says(line)
        done = shell.run(command)
        assert plain(printed)[0] in plain(done.stdout + done.stderr), f'{command}: {done.stdout}{done.stderr}'


@pytest.mark.one_server
def test_a_start_from_python_prints_what_its_comment_says(site, shell):
    done = shell.python(BLOCKS[4].text)
    assert done.stdout.splitlines() == [says(BLOCKS[4].text.splitlines()[-1])[1]], done.stderr


@needs_redis_cli
@pytest.mark.one_server
def test_a_run_starts_from_redis_cli(site, shell, redis):
    hset, lpush = re.search(r'\*\*Every language\*\*: ``(HSET .+?)``, then ``(LPUSH .+?)``', README).groups()
    assert shell.run(f'redis-cli {hset} && redis-cli {lpush}').returncode == 0
    wait_until(lambda: redis.hget('task-42', 'output') == '3', 'it has ended')


def test_the_commands_of_a_checkout_are_there():
    work = README[README.index('**Work on pytask**') :]
    assert re.findall(r'``(bin/\w+)', work) == ['bin/pytask', 'bin/test']
    assert all(os.access(ROOT / command, os.X_OK) for command in ('bin/pytask', 'bin/test'))


def test_every_number_has_the_command_that_measures_it():
    measured = README.split('Measured on')[1].split('**Not for**')[0]
    lines = [line for line in measured.splitlines() if line.startswith('* ')]
    phases = [re.search(r'\(``bin/bench (\w+)``\)\.$', line)[1] for line in lines]
    assert len(phases) == 3
    text = (ROOT / 'bin/bench').read_text()
    assert all(phase in text for phase in phases)


def test_the_table_compares_five_things_with_four_systems():
    table = README[README.index('\n====', README.index('\nCompared\n')) :].split('\n\n')[0]
    head, *rows = [
        re.split(r' {2,}', line.strip()) for line in table.splitlines() if not line.startswith('=') and line
    ]
    assert head[1:] == ['pytask', 'Celery', 'RQ', 'Dramatiq', 'BullMQ']
    assert len(rows) == 5
    assert all(len(row) == 6 for row in rows)
    assert rows[-1][1] == '**not yet**'


def test_every_promise_has_a_test_that_names_it():
    promised = re.findall(r'^(\d)\. \*\*', README, re.MULTILINE)
    assert promised == ['1', '2', '3', '4', '5', '6']
    faults = Page('docs/faults.rst').text.split('\nWhat pytask does\n')[1].split('\n\n\n')[0]
    promised += re.findall(r'^\* \*\*(.+?)\*\*', faults, re.MULTILINE)
    named = set()
    for path in (ROOT / 'tests').rglob('test_*.py'):
        named |= set(re.findall(r"mark\.promise\('?(.+?)'?\)", path.read_text()))
    assert len(promised) == 13
    assert set(promised) == named, 'each promise is the mark of a test, by its number or its first words'


def test_the_tour_names_files_that_exist():
    links = re.findall(r'<\.\./(pytask/[\w/.]+)>`_', Page('docs/tour.rst').text)
    assert len(links) == 12
    assert all((ROOT / link).is_file() for link in links)
