"""The commands in bin/: each has a line of help, and tells what is wrong; also where the path has a blank."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest
import redis as redis_py
from support import ROOT, wait_until

pytestmark = pytest.mark.one_server
NAMES = sorted(path.name for path in (ROOT / 'bin').iterdir() if path.is_file())


def run(*words, folder='/', **more):
    return subprocess.run(
        list(map(str, words)), cwd=folder, capture_output=True, text=True, timeout=60, check=False, **more
    )


@pytest.fixture
def checkout(tmp_path):
    """The commands, and the names of the tests, in a folder whose name has a blank; nothing is installed."""
    root = tmp_path / 'a checkout'
    shutil.copytree(ROOT / 'bin', root / 'bin')
    for folder in ('unit', 'store', 'system'):
        (root / 'tests' / folder).mkdir(parents=True)
        (root / 'tests' / folder / 'test_it.py').touch()
    return root


def test_help_lists_every_command_with_the_line_that_stands_in_it():
    lines = dict(line.split(maxsplit=1) for line in run(ROOT / 'bin/help').stdout.splitlines())
    assert sorted(lines) == NAMES
    for name, line in lines.items():
        assert (ROOT / 'bin' / name).read_text().splitlines()[1] == f'# {line}'
        assert os.access(ROOT / 'bin' / name, os.X_OK)


@pytest.mark.parametrize('name', [name for name in NAMES if name not in ('pytask', 'chaos')])
def test_each_says_its_line_and_does_nothing_else(checkout, name):
    done = run(checkout / 'bin' / name, '--help')
    first = 'List the commands' if name == 'help' else (ROOT / 'bin' / name).read_text().splitlines()[1][2:]
    assert (done.returncode, done.stderr) == (0, '')
    assert first in done.stdout
    assert not (checkout / '.venv').exists()


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('test', 'sistem'), "bin/test: no tests named 'sistem'; did you mean system or store?"),
        (('test', 'x'), "bin/test: no tests named 'x'; there are store system unit"),
        (('help', 'tset'), 'bin/help: there is no bin/tset; `bin/help` lists what there is'),
        (('docs', '--wirte'), "bin/docs: no option '--wirte'; there is --write"),
    ],
)
def test_a_wrong_word_is_told(checkout, words, said):
    done = run(checkout / 'bin' / words[0], *words[1:])
    assert (done.returncode, done.stdout, done.stderr.strip()) == (2, '', said)
    assert not (checkout / '.venv').exists()


def standing(*words):
    return subprocess.Popen(
        [sys.executable, ROOT / 'tests/standing.py', *words], env=os.environ | {'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_redis_stands_until_it_is_told_to_go(number):
    with standing() as process:
        url = process.stdout.readline().strip()
        with redis_py.Redis.from_url(url) as client:
            assert client.ping()
            folder = client.config_get('dir')['dir']
            process.send_signal(number)
            _, err = process.communicate(timeout=20)
            assert process.returncode == 0, err
            with pytest.raises(redis_py.ConnectionError):
                client.ping()
    assert f'PYTASK_REDIS={url}' in err
    assert not os.path.exists(folder)  # noqa: PTH110


def test_redis_stands_as_a_primary_under_sentinels():
    with standing('sentinel') as process:
        url = process.stdout.readline().strip()
        members = [process.stdout.readline().split() for _ in range(5)]
        assert [name for name, *_ in members] == ['server-0', 'server-1', *(f'sentinel-{i}' for i in range(3))]
        place = members[2][1]
        assert url.startswith('redis+sentinel://')
        assert place in url
        host, port = place.split(':')
        with redis_py.Redis(host, int(port), decode_responses=True) as sentinel:
            found = sentinel.execute_command('SENTINEL GET-MASTER-ADDR-BY-NAME', 'orders')
        assert ':'.join(map(str, found)) == members[0][1]
        process.terminate()
        process.communicate(timeout=20)
        assert process.returncode == 0
    pids = [int(pid) for *_, pid in members]
    wait_until(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in pids), 'none is left')  # noqa: PTH110


def test_redis_knows_what_it_can_be():
    process = standing('sentinal')
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (2, "bin/redis: 'sentinal' is not one of single, sentinel\n")
