"""The other project: on PyPI `pytask` is not ours, which is called pytaskd there, but its package is.

Where both are installed, each has overwritten files of the other, and pip says nothing about it.
"""

from __future__ import annotations

from pytask.errors import ConfigError

REMEDY = """\
python -m pip uninstall -y pytask
python -m pip install --force-reinstall --no-deps pytaskd"""


def other_version() -> str:
    """Return the version of the other project's distribution, '' where it is not installed. Takes 10 ms."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version('pytask')
    except PackageNotFoundError:
        return ''


def check() -> None:
    """Raise ConfigError where the other project is installed too."""
    found = other_version()
    if found:
        lines = ''.join(f'\n  {line}' for line in REMEDY.splitlines())
        raise ConfigError(
            f'another project, pytask {found}, is installed beside pytaskd and shares its files; do this:{lines}'
        )
