"""The other project: the distribution `pytask` on PyPI is not ours, but has the same package name as `pytaskd`.

If both are installed, each has overwritten files of the other, and pip does not report it.
"""

from __future__ import annotations

from pytask.errors import ConfigError

REMEDY = """\
python -m pip uninstall -y pytask
python -m pip install --force-reinstall --no-deps pytaskd"""


def other_version() -> str:
    """Return the version of the other project's distribution, '' if it is not installed. Takes 10 ms."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version('pytask')
    except PackageNotFoundError:
        return ''


def check() -> None:
    """Raise ConfigError if the other project is installed, too."""
    if found := other_version():
        lines = ''.join(f'\n  {line}' for line in REMEDY.splitlines())
        raise ConfigError(
            f'another project, pytask {found}, is installed beside pytaskd and shares its files; run:{lines}'
        )
