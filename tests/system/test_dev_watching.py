"""A save is new content that has settled, however an editor writes it."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import wait_until

from pytask.cli.dev.file_watcher import FileWatcher, forget_bytecode


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'tasks/more').mkdir(parents=True)
    (tmp_path / 'tasks/one.py').write_text('1')
    (tmp_path / 'beside.py').write_text('1')
    return tmp_path


@pytest.fixture
def watch(folder):
    return FileWatcher(folder / 'tasks')


def saved(watch, folder):
    """Wait for the next saves; return their names."""
    return [os.path.relpath(path, folder) for path in wait_until(watch.saved, 'a save is seen')]


def settles(watch):
    """Look until all was seen, and nothing of it counts."""
    limit = time.monotonic() + 0.5
    while time.monotonic() < limit:
        assert watch.saved() == []
        time.sleep(0.02)


def test_a_save_in_place_counts_once(watch, folder):
    (folder / 'tasks/one.py').write_text('2')
    assert saved(watch, folder) == ['tasks/one.py']
    settles(watch)


def test_saves_at_once_are_told_at_once(watch, folder):
    for n in range(50):
        (folder / f'tasks/more/m{n}.py').write_text('2')
    assert len(saved(watch, folder)) == 50
    settles(watch)


def test_a_rename_over_a_file_counts_once_under_its_name(watch, folder):
    (folder / 'tasks/4913').write_text('')
    (folder / 'tasks/one.py~').write_text('2')
    (folder / 'tasks/one.py~').replace(folder / 'tasks/one.py')
    assert saved(watch, folder) == ['tasks/one.py']
    settles(watch)


@pytest.mark.parametrize(
    'name', ['.one.py.swp', '.#one.py', 'one.py~', '__pycache__/one.cpython-311.py', 'notes.txt']
)
def test_what_is_no_module_does_not_count(watch, folder, name):
    path = folder / 'tasks' / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('2')
    settles(watch)


def test_the_same_content_does_not_count(watch, folder):
    path = folder / 'tasks/one.py'
    os.utime(path, (1, 1))
    settles(watch)
    path.unlink()
    path.write_text('1')
    settles(watch)
    path.write_text('2')
    assert saved(watch, folder) == ['tasks/one.py']


def test_new_and_deleted_files_and_folders_count(watch, folder):
    (folder / 'tasks/new').mkdir()
    (folder / 'tasks/new/two.py').write_text('1')
    assert saved(watch, folder) == ['tasks/new/two.py']
    (folder / 'tasks/new/two.py').unlink()
    (folder / 'tasks/new').rmdir()
    assert saved(watch, folder) == ['tasks/new/two.py']


def test_single_files_are_watched_where_they_are_named(watch, folder):
    (folder / 'beside.py').write_text('2')
    settles(watch)
    watch.add([str(folder / 'beside.py'), str(folder / 'not-there.py')])
    settles(watch)
    (folder / 'beside.py').write_text('3')
    assert saved(watch, folder) == ['beside.py']
    (folder / 'not-there.py').write_text('1')
    assert saved(watch, folder) == ['not-there.py']


def test_a_folder_is_watched_from_when_it_is_named(watch, folder):
    (folder / 'other').mkdir()
    (folder / 'other/two.py').write_text('1')
    watch.add([], folder=str(folder / 'other'))
    settles(watch)
    (folder / 'other/two.py').write_text('2')
    (folder / 'other/three.py').write_text('1')
    assert saved(watch, folder) == ['other/three.py', 'other/two.py']


def test_a_folder_that_vanishes_and_comes_back(watch, folder):
    (folder / 'tasks').rename(folder / 'gone')
    assert saved(watch, folder) == ['tasks/one.py']
    (folder / 'gone').rename(folder / 'tasks')
    assert saved(watch, folder) == ['tasks/one.py']


def test_bytecode_is_forgotten(folder):
    cache = folder / 'tasks/__pycache__'
    cache.mkdir()
    path = folder / 'tasks/one.py'
    compiled = Path(importlib.util.cache_from_source(str(path)))
    compiled.touch()
    forget_bytecode([str(path), str(folder / 'never.py')])
    assert not compiled.exists()


def test_the_process_that_watches_loads_neither_redis_nor_gevent():
    code = 'import pytask.cli.dev.supervisor, sys; assert not {"redis", "gevent"} & set(sys.modules)'
    subprocess.run([sys.executable, '-c', code], check=True)
