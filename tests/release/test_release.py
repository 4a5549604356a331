"""What `bin/release` refuses to release."""

from __future__ import annotations

import subprocess

import pytest
import release

PACKAGE = "VERSION = '1.2.0'\n"


def changelog(head):
    return f'Changelog\n=========\n\n{head}\n{"-" * len(head)}\n\n1.1.0\n-----\n'


def test_the_version_stands_at_three_places():
    assert release.check_version('1.2.0', changelog('1.2.0 (2027-01-02)'), PACKAGE) == '1.2.0'
    with pytest.raises(release.Refused, match=r'the head of CHANGELOG\.rst 1\.1\.9'):
        release.check_version('1.2.0', changelog('1.1.9'), PACKAGE)
    with pytest.raises(release.Refused, match='another VERSION'):
        release.check_version('1.2.1', changelog('1.2.1'), PACKAGE)
    assert 'must say 1.2.0' in release.check_version('1.2.0', changelog('Unreleased'), PACKAGE)


def test_the_wheel_holds_the_package_and_nothing_else(monkeypatch):
    monkeypatch.setattr(release, 'packaged', lambda: ['pytask/__init__.py', 'pytask/store/lua/claim.lua'])
    good = ['pytask/__init__.py', 'pytask/store/lua/claim.lua', 'pytaskd-1.2.0.dist-info/METADATA']
    release.look_into_wheel(good)
    for more, why in {
        'tests/conftest.py': 'pytask/ alone',
        'tasks/hello.py': 'pytask/ alone',
        'pytask/.env': 'not to be published',
        'pytask/__pycache__/app.cpython-313.pyc': 'not to be published',
    }.items():
        with pytest.raises(release.Refused, match=why):
            release.look_into_wheel([*good, more])
    with pytest.raises(release.Refused, match=r'lacks: pytask/store/lua/claim\.lua'):
        release.look_into_wheel(good[::2])


def test_a_tree_with_changes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(release, 'ROOT', tmp_path)
    subprocess.run(['git', 'init', '-q'], cwd=tmp_path, check=True)
    release.refuse_dirt()
    (tmp_path / 'new.py').touch()
    with pytest.raises(release.Refused, match=r'commit first(.|\n)*new\.py'):
        release.refuse_dirt()


def test_it_does_nothing_unless_it_is_a_dry_run(capsys):
    assert release.main([]) == 2
    assert release.main(['--dry-run', '--force']) == 2
    assert 'give --dry-run' in capsys.readouterr().err
