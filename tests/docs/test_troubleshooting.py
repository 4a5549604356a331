"""docs/troubleshooting.rst: each scene is played, and its output compared with the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import scenes
from pages import Page

# The first test waits for all scenes: one process plays them in parallel.
pytestmark = pytest.mark.timeout(300)
HOW = 'if the new output is right, run `bin/docs --write`, and commit the result'


@pytest.fixture(scope='module')
def played(request):
    names = [item.callspec.params['name'] for item in request.session.items if is_scene(item)]
    done = subprocess.run(
        [sys.executable, scenes.__file__, '--json', *names],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_scene(item):
    return item.path == Path(__file__) and hasattr(item, 'callspec')


@pytest.mark.parametrize('name', list(scenes.SCENES))
def test_a_scene_is_as_the_page_shows_it(played, name):
    if name in played['skipped']:
        pytest.skip(played['skipped'][name])
    assert name not in played['failed'], played['failed'][name]
    assert scenes.on_the_page()[name].splitlines() == played['told'][name].splitlines(), HOW


def test_every_scene_has_its_place():
    assert sorted(scenes.on_the_page()) == sorted(scenes.SCENES)
    assert Page('docs/troubleshooting.rst').count() == len(scenes.SCENES) >= 30


def test_writing_one_scene_leaves_the_others(tmp_path, monkeypatch):
    page = tmp_path / 'page.rst'
    place = '.. scene: {}\n\n.. code:: text\n\n    $ {}\n\n    (exit code 0)\n\nText.\n\n'
    page.write_text(place.format('one', 'old') + place.format('two', 'old'))
    monkeypatch.setattr(scenes, 'PAGE', page)
    scenes.write({'two': '$ new\n\n(exit code 0)\n'})
    assert page.read_text() == place.format('one', 'old') + place.format('two', 'new')
    assert scenes.on_the_page() == {'one': '$ old\n\n(exit code 0)\n', 'two': '$ new\n\n(exit code 0)\n'}
