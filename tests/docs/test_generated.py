"""The parts of docs/ that come from code match the code, and every page can be read on GitHub."""

from __future__ import annotations

import re
import tomllib

import generate
import pytest
from pages import Page
from support import ROOT

import pytask
from pytask import Task, params
from pytask.cli import EXIT_CODES
from pytask.config import settings
from pytask.errors import ConfigError

HOW = 'run `bin/docs --write`, and commit the result'


@pytest.mark.parametrize('name', ['api.rst', 'cli.rst', 'settings.rst'])
def test_the_parts_from_code_match_the_code(name):
    path = generate.DOCS / name
    assert path.read_text() == generate.pages()[path], HOW


def test_every_setting_and_command_is_described():
    settings_told = re.findall(r'^``(\w+)``$', generate.part_text('settings'), re.MULTILINE)
    assert settings_told == list(settings._FIELDS)
    commands = generate.part_text('commands')
    assert all(f'\npytask {name}\n---' in commands for name in generate.cli.list_commands(None))


def test_every_public_name_is_described():
    by_hand = {'NotGiven', 'Monitor', 'Cleanup', 'Scheduler'}
    page = Page('docs/api.rst').text
    assert all(f'\n``{name}``\n    ' in page for name in by_hand)
    kinds = {
        name for name, kind in vars(params).items() if isinstance(kind, type) and issubclass(kind, params.Parameter)
    }
    assert generate.told() | by_hand == {*pytask.__all__, *kinds}


def test_every_attribute_of_a_task_is_described():
    page = Page('docs/api.rst').text
    own = {name for name in vars(Task) if not name.startswith(('_', 'pytask_'))}
    assert [name for name in sorted(own) if f'``{name}' not in page] == []


def test_a_part_is_replaced_and_the_rest_of_a_page_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, 'DOCS', tmp_path)
    page = 'Before.\n\n.. written by bin/docs: api step\n\n{}\n\n.. end of what bin/docs writes\n\nAfter.\n'
    (tmp_path / 'page.rst').write_text(page.format('Old.'))
    (tmp_path / 'other.rst').write_text('Nothing of this kind.\n')
    generate.main()
    text = (tmp_path / 'page.rst').read_text()
    assert text == page.format(generate.part_text('api step').strip())
    assert '``step(key=None, task=None, name: str | None = None) -> Step``\n    ' in text


def test_every_page_can_be_read_where_there_is_no_sphinx():
    for path in sorted(generate.DOCS.glob('*.rst')):
        found = re.findall(r':(?:doc|ref):`|^ *\.\. (?:include|auto\w+)::.*', path.read_text(), re.MULTILINE)
        assert not found, f'{path.name}: GitHub shows these as they are: {found}; link with `title <page.rst>`_'


def test_docs_link_to_pages_and_sections_that_exist():
    for path in sorted(generate.DOCS.glob('*.rst')):
        for page, title in re.findall(r'<([\w-]+\.rst)(#[\w-]+)?>`_', path.read_text()):
            text = (generate.DOCS / page).read_text()
            titles = [
                re.sub(r'\W+', '-', found.lower()).strip('-') for found in re.findall(r'(.+)\n[=~-]{3,}\n', text)
            ]
            assert not title or title[1:] in titles, f'{path.name}: {page}{title}'


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


def test_every_exit_code_of_an_error_is_described():
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


def test_the_index_links_to_every_page_in_its_text_too():
    """GitHub shows no toctree."""
    text = Page('docs/index.rst').text
    linked = re.findall(r'<([\w-]+)\.rst>`_', text)
    assert sorted(linked) == sorted(re.findall(r'^   ([\w-]+)$', text, re.MULTILINE))
    assert Page('docs/index.rst').titles() == ['Start', 'Guides', 'Reference', 'Explanation']
