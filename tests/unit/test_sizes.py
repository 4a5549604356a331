"""Files stay small enough to be read: a module in one sitting, a script on one screen or two."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'pytask'
LONGEST_PYTHON, LONGEST_LUA, LONGEST_COMMAND, LONGEST_TOUR = 250, 90, 30, 1450
# What a newcomer reads, in this order: one run passes exactly these.
TOUR = [
    'authoring/task.py',
    'core/states.py',
    'core/run.py',
    'client/client.py',
    'store/keys.py',
    'store/lua/start.lua',
    'store/lua/claim.lua',
    'store/lua/finish.lua',
    'store/lifecycle.py',
    'worker/worker.py',
    'worker/claiming/fetcher.py',
    'worker/attempt/runner.py',
]


def files(pattern):
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in sorted(PACKAGE.rglob(pattern))]


def code_lines(path):
    lines = path.read_text().splitlines()
    return sum(bool(line.strip()) and not line.lstrip().startswith('--') for line in lines)


@pytest.mark.parametrize('path', files('*.py'))
def test_a_module_is_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_PYTHON


@pytest.mark.parametrize('path', files('*.lua'))
def test_a_script_has_few_lines_of_code(path):
    assert code_lines(path) <= LONGEST_LUA


def commands():
    return [path for path in sorted((ROOT / 'bin').glob('*')) if path.is_file()]


@pytest.mark.parametrize('path', commands(), ids=lambda path: path.name)
def test_a_command_of_the_project_is_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_COMMAND


def test_the_tour_is_read_in_twenty_minutes():
    lengths = {name: len((PACKAGE / name).read_text().splitlines()) for name in TOUR}
    assert sum(lengths.values()) <= LONGEST_TOUR, lengths
