"""`ls --watch` on a real terminal: drawn in place, within its size, through resizes and outages, and restored."""

from __future__ import annotations

import re
import signal

import pytest
from support import wait_until
from trial import TASKS, Terminal

pytestmark = pytest.mark.one_server

ENTER, LEAVE, HOME = '\x1b[?1049h', '\x1b[?7h\x1b[?25h\x1b[?1049l', '\x1b[H'


def lines_of(picture):
    """The lines of one picture, as they are seen."""
    return [re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', line) for line in picture.split('\r\n')]


def next_picture(terminal):
    terminal.wait_for(HOME)
    picture = terminal.wait_for(HOME).removesuffix(HOME)
    terminal.text = HOME + terminal.text  # it begins the next
    return lines_of(picture)


def picture_with(terminal, *texts, limit=60):
    for _ in range(limit):
        picture = next_picture(terminal)
        if all(any(text in line for line in picture) for text in texts):
            return picture
    raise AssertionError(f'no picture with {texts}; the last: {picture}')


@pytest.fixture
def cli(processes):
    processes.tasks(TASKS)
    processes.worker('--lease', '2')
    return processes.run


def test_it_shows_what_runs_and_its_progress_and_is_drawn_again(cli, processes):
    cli('start', 'forever', '--id', 'f')
    cli('run', 'add', 'a=1', '--id', 'one')
    cli('start', 'nobody', '--id', 'waits')
    with Terminal(processes, 'ls', '--watch') as terminal:
        terminal.wait_for(ENTER)
        picture = picture_with(terminal, '█')
        assert picture[0].startswith('1 worker   1 WAIT   1 RUNNING   0 STOPPED   1 SUCCESS')
        assert picture[1].split() == ['ID', 'TASK', 'STATE', 'TIME', 'PROGRESS']
        assert [line.split()[:3] for line in picture[2:5]] == [
            ['f', 'forever', 'RUNNING'],
            ['waits', 'nobody', 'WAIT'],
            ['one', 'add', 'SUCCESS'],
        ]
        assert re.search(r'[█░]{20} +\d+%', picture[2])
        cli('stop', 'f')
        picture_with(terminal, '1 STOPPED')
        terminal.press(b'\x03')
        text, code = terminal.rest()
    assert code == 0
    assert text.endswith(LEAVE)
    assert 'Traceback' not in text


def test_it_fits_the_terminal_and_follows_its_size(cli, processes, redis):
    for n in range(30):
        redis.hset(
            f'task-{n:02}', mapping={'task': 'a-task-with-a-name', 'data': '{}', 'state': 'WAIT', 'queue': 'slow'}
        )
        redis.lpush('new-task-slow', f'{n:02}')
    redis.sadd('queues', 'slow')
    with Terminal(processes, 'ls', '-w', '--queue', 'slow', rows=10, columns=30) as terminal:
        picture = picture_with(terminal, 'a-task')
        assert len(picture) == 10
        assert max(map(len, picture)) <= 30
        terminal.resize(20, 60)
        wait_until(
            lambda: len(picture := next_picture(terminal)) == 20 and max(map(len, picture)) <= 60, 'it has grown'
        )
        terminal.resize(2, 5)
        wait_until(
            lambda: len(picture := next_picture(terminal)) == 2 and max(map(len, picture)) <= 5, 'it has shrunk'
        )
        terminal.press(b'\x03')
        assert terminal.rest()[1] == 0


def test_an_outage_is_shown_in_place_and_is_over_when_redis_is_back(cli, processes, server):
    processes.run('start', 'nobody', '--id', 'waits')
    with Terminal(processes, 'ls', '--watch') as terminal:
        picture_with(terminal, 'waits')
        server.kill()
        picture = picture_with(terminal, 'cannot use Redis', 'waits')
        assert picture[0].startswith('cannot use Redis')
        server.start()
        picture_with(terminal, '0 WAIT')
        processes.run('start', 'forever', '--id', 'later')
        picture_with(terminal, 'later')
        terminal.press(b'\x03')
        text, code = terminal.rest()
    assert code == 0
    assert text.endswith(LEAVE)


def test_sigterm_restores_the_terminal(processes):
    with Terminal(processes, 'ls', '--watch') as terminal:
        next_picture(terminal)
        terminal.process.send_signal(signal.SIGTERM)
        text, code = terminal.rest()
    assert code == 143
    assert text.endswith(LEAVE)


@pytest.mark.parametrize('words', [['ls', '--watch'], ['ls', '--watch', '--json']])
def test_without_a_terminal_it_says_what_there_is(processes, words):
    done = processes.run(*words)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('Error: --watch needs a terminal; for a pipe or file use `pytask tail`')


def test_redis_away_at_the_start_is_an_error_like_any_other(processes):
    with Terminal(processes, 'ls', '--watch', '-r', 'redis://127.0.0.1:1/0') as terminal:
        text, code = terminal.rest()
    assert code == 69
    assert text.startswith('Error: cannot use Redis at redis://127.0.0.1:1/0')
    assert ENTER not in text
