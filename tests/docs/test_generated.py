"""What docs/ says of the code is what the code says: the generated pages, and the names of the API."""

from __future__ import annotations

import re
import tomllib

import generate
import pytest
from pages import Page
from support import ROOT

import pytask
from pytask.cli import EXIT_CODES
from pytask.config import settings
from pytask.errors import ConfigError

HOW = 'run `bin/docs --write`, and commit what it has written'


@pytest.mark.parametrize('name', sorted(generate.pages()))
def test_a_generated_page_is_as_the_code_says(name):
    assert (generate.FOLDER / name).read_text() == generate.pages()[name], HOW


def test_every_setting_and_command_is_told():
    told = re.findall(r'^``(\w+)``$', generate.pages()['settings.rst'], re.MULTILINE)
    assert told == list(settings._FIELDS)
    commands = generate.pages()['cli.rst']
    assert all(f'\npytask {name}\n---' in commands for name in generate.cli.list_commands(None))


def test_every_public_name_is_told():
    told = re.findall(r'^\.\. (?:auto(?!module)\w+|data):: pytask\.(\w+)', Page('docs/api.rst').text, re.MULTILINE)
    assert sorted(told) == sorted(pytask.__all__)


def test_the_settings_of_the_examples_are_good(tmp_path, monkeypatch):
    own, shared = Page('docs/settings.rst').blocks()
    monkeypatch.setenv('PYTASK_QUEUE', 'default,mail')
    for name, block in (('pyproject.toml', shared), ('pytask.toml', own)):
        (tmp_path / name).write_text(block.text)
        assert settings.load(folder=tmp_path).lease_s == 30
    assert tomllib.loads(shared.text)['tool']['pytask'] == tomllib.loads(own.text)
    (tmp_path / 'pytask.toml').write_text('leese = 30')
    with pytest.raises(ConfigError, match=r"pytask\.toml: no setting 'leese'; did you mean 'lease'"):
        settings.load(folder=tmp_path)


def test_every_exit_code_of_an_error_is_told():
    table = Page('docs/cli.rst').text
    assert all(re.search(rf'^{code}  ', table, re.MULTILINE) for _, code in EXIT_CODES)


def test_every_page_is_in_the_index():
    index = Page('docs/index.rst').text
    pages = {path.stem for path in (ROOT / 'docs').glob('*.rst')} - {'index'}
    assert pages == set(re.findall(r'^   ([\w-]+)$', index, re.MULTILINE))


def test_the_readme_links_to_pages_that_exist():
    links = re.findall(r'<((?:docs/|[A-Z])[\w./-]+\.rst)>`_', Page('README.rst').text)
    assert len(links) >= 11
    assert all((ROOT / link).is_file() for link in links)
