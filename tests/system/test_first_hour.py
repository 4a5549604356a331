"""The first hour of a new user, by the installed wheel: every line that is printed is one that was approved.

`python tests/system/first_hour.py --write` approves what is printed now.
"""

import socket
import subprocess

import first_hour
import pytest

pytestmark = [pytest.mark.one_server, pytest.mark.timeout(300)]


@pytest.fixture(scope='session')
def installed(tmp_path_factory):
    """PATH of an environment that has the wheel of this tree, and nothing else."""
    pytest.importorskip('hatchling', reason='hatchling, which builds the wheel, is not installed')
    pytest.importorskip('ensurepip', reason='this Python can not make an environment with pip')
    try:
        return first_hour.install(tmp_path_factory.mktemp('first-hour'))
    except subprocess.CalledProcessError as error:
        told = (error.stderr or b'').decode(errors='replace')
        if 'No matching distribution' not in told and 'onnection' not in told:
            raise AssertionError(told) from error
        pytest.skip('pip finds no package index')


def test_every_line_of_the_first_hour_is_the_approved_one(installed, tmp_path):
    folder = tmp_path / 'empty'
    folder.mkdir()
    diff = first_hour.compared(
        first_hour.played(folder, installed), first_hour.APPROVED.read_text(encoding='utf-8')
    )
    assert not diff, f'to approve this: python tests/system/first_hour.py --write\n{diff}'


def test_a_placeholder_stands_for_what_differs_and_for_nothing_else():
    host = socket.gethostname().partition('.')[0]
    shown = (
        f'1m7zxq4fvwqpwn8x  count  SUCCESS  1.60s\nworker  {host}-88a5   3 tasks\nagain 1m7zxq4fvwqpwn8x\n'
        'pytask 0.1.0 at 127.0.0.1:47539, 2026-11-21 20:45:44, /some where/tasks/count.py, 3.5 of 10\n'
    )
    assert first_hour.normal(shown, '/some where') == (
        f'RUN-1             count  SUCCESS  0.00s\nworker  {"WORKER-1".ljust(len(host) + 5)}   3 tasks\n'
        'again RUN-1\n'
        'pytask VERSION at 127.0.0.1:PORT, YYYY-MM-DD HH:MM:SS, /FOLDER/tasks/count.py, 3.5 of 10\n'
    )


def test_a_line_more_or_less_is_shown_as_a_diff():
    assert first_hour.compared('one\ntwo\n', 'one\ntwo\n') == ''
    assert '+two\n' in first_hour.compared('one\ntwo\n', 'one\n')
    assert '-two\n' in first_hour.compared('one\n', 'one\ntwo\n')
